//! Free slots of nodes, and which node is the first for a task.

use std::cmp::Reverse;

use crate::id::NodeId;
use crate::placement::bits::Bits;
use crate::placement::rank::hash;
use crate::placement::rank::of_hashes;

/// More free slots than this count as this many where nodes are compared.
pub(super) const MOST_SLOTS: u32 = 4096;

/// So many of the nodes with equally many free slots are weighed for a task.
pub(super) const MOST_WEIGHED: usize = 64;

/// Free slots, with the nodes sorted by them.
#[derive(Debug)]
pub(super) struct Room {
    hashes: Vec<u64>,
    free: Vec<u32>,
    total: u64,
    /// The nodes with just so many free slots.
    levels: Vec<Level>,
}

#[derive(Debug, Clone)]
struct Level {
    nodes: Bits,
    count: usize,
}

/// The nodes among which a search goes on. Slots are only taken, so it never has to look again
/// where it found nothing.
#[derive(Debug)]
pub(super) struct Search {
    nodes: Bits,
    /// No node of these has more free slots.
    level: usize,
}

impl Search {
    pub(super) fn new(nodes: Bits) -> Self {
        Self { nodes, level: MOST_SLOTS as usize }
    }

    /// The first node for a task: of those with most free slots the heaviest.
    pub(super) fn first(&mut self, room: &Room, task: u64) -> Option<usize> {
        while self.level > 0 {
            let level = room.levels.get(self.level);
            if let Some(Level { nodes, .. }) = level.filter(|level| level.count > 0) {
                let equals = self.nodes.common(nodes).take(MOST_WEIGHED);
                let weighed = |node: &usize| (of_hashes(room.hashes[*node], task), Reverse(*node));
                if let Some(first) = equals.max_by_key(weighed) {
                    return Some(first);
                }
            }
            self.level -= 1;
        }
        None
    }
}

impl Room {
    /// The room of nodes with so many free slots, in the order of the index.
    pub(super) fn new(nodes: impl ExactSizeIterator<Item = (NodeId, u32)>) -> Self {
        let count = nodes.len();
        let mut room = Self { hashes: Vec::new(), free: Vec::new(), total: 0, levels: Vec::new() };
        for (index, (node, free)) in nodes.enumerate() {
            room.hashes.push(hash(node.as_bytes()));
            room.free.push(free);
            room.total += u64::from(free);
            let level = level_of(free);
            if room.levels.len() <= level {
                room.levels.resize(level + 1, Level { nodes: Bits::none(count), count: 0 });
            }
            room.levels[level].enter(index);
        }
        room
    }

    pub(super) fn is_full(&self) -> bool {
        self.total == 0
    }

    pub(super) fn has_free(&self, node: usize) -> bool {
        self.free[node] > 0
    }

    /// Takes a slot of a node that has a free one.
    pub(super) fn take(&mut self, node: usize) {
        self.levels[level_of(self.free[node])].leave(node);
        self.free[node] -= 1;
        self.total -= 1;
        self.levels[level_of(self.free[node])].enter(node);
    }
}

impl Level {
    fn enter(&mut self, node: usize) {
        self.nodes.set(node);
        self.count += 1;
    }

    fn leave(&mut self, node: usize) {
        self.nodes.clear(node);
        self.count -= 1;
    }
}

fn level_of(free: u32) -> usize {
    free.min(MOST_SLOTS) as usize
}
