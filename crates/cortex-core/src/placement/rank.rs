//! Which of several nodes that can take a task comes first.

use std::cmp::Reverse;

use crate::id::NodeId;
use crate::id::TaskId;

/// The place of a node among those that can take a task; the least is the first.
///
/// Near nodes come before the others, then those with more free slots, then those of higher
/// [`weight`]. The order is total, and the same wherever and whenever it is reckoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    is_far: bool,
    free: Reverse<u32>,
    weight: Reverse<u64>,
    node: NodeId,
}

impl Rank {
    /// The rank of `node` for `task`. A node is near where its mirror of the task's session is
    /// fresh.
    #[must_use]
    pub fn new(task: TaskId, node: NodeId, is_near: bool, free: u32) -> Self {
        Self { is_far: !is_near, free: Reverse(free), weight: Reverse(weight(node, task)), node }
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }
}

/// How much a node is drawn to a task: the weight of *rendezvous hashing* (Thaler and Ravishankar,
/// 1998), where each task goes to the node of highest weight.
///
/// The weight of a pair does not depend on what other nodes and tasks there are. So when a node
/// goes, only its own tasks move, and to all others alike; and different nodes prefer different
/// tasks.
///
/// With `mix` the finalizer of `SplitMix64` (Steele, Lea and Flood 2014, in Stafford's variant 13),
/// and the halves of an identifier read as big-endian numbers:
///
/// ```text
/// hash(id)           = mix(mix(first half) ^ second half)
/// weight(node, task) = mix(hash(node) ^ rotate_left(hash(task), 32))
/// ```
///
/// It is no cryptographic hash and need not be: both identifiers are the hub's own, nobody can
/// choose them, and a plan compares millions of weights. It will not change: nodes of different
/// versions have to agree on it.
#[must_use]
pub fn weight(node: NodeId, task: TaskId) -> u64 {
    of_hashes(hash(node.as_bytes()), hash(task.as_bytes()))
}

/// Half of the work of [`weight`], for who compares many pairs.
pub(super) fn hash(id: &[u8; 16]) -> u64 {
    let (first, second) = uuid::Uuid::from_bytes_ref(id).as_u64_pair();
    mix(mix(first) ^ second)
}

/// The other half.
pub(super) fn of_hashes(node: u64, task: u64) -> u64 {
    mix(node ^ task.rotate_left(32))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(id: u64) -> NodeId {
        NodeId::from_bytes(u128::from(id).to_be_bytes())
    }

    fn task(id: u64) -> TaskId {
        TaskId::from_bytes(u128::from(id).to_be_bytes())
    }

    /// The first of `nodes` for `task`, all else being equal.
    fn first(of: TaskId, nodes: impl Iterator<Item = u64>) -> NodeId {
        nodes.map(|id| Rank::new(of, node(id), false, 1)).min().unwrap().node()
    }

    #[test]
    fn the_weights_are_those_of_every_version() {
        let (node, task) = (
            NodeId::from_bytes(
                *b"\x01\x93\x4d\xb2\x9b\x1d\x7f\x00\x8a\xbc\xde\xf0\x12\x34\x56\x78",
            ),
            TaskId::from_bytes(
                *b"\x01\x93\x4d\xb2\xaa\xaa\x7b\xbb\x8c\xcc\xcc\xcc\xcc\xcc\xcc\xcc",
            ),
        );
        // The first output of SplitMix64 from the seed 0 is its finalizer of the golden gamma.
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
        // Reckoned by another program from the definition above.
        assert_eq!(weight(node, task), 0xc2cc_3a23_f4c3_6824);
        assert_eq!(weight(NodeId::from_bytes([0; 16]), TaskId::from_bytes([0; 16])), 0);
    }

    #[test]
    fn near_nodes_come_first_then_free_ones_then_heavy_ones() {
        let rank = |id, is_near, free| Rank::new(task(7), node(id), is_near, free);
        let (light, heavy) = match weight(node(1), task(7)) < weight(node(2), task(7)) {
            true => (1, 2),
            false => (2, 1),
        };
        assert!(rank(light, true, 1) < rank(heavy, false, 9));
        assert!(rank(light, true, 2) < rank(heavy, true, 1));
        assert!(rank(heavy, true, 1) < rank(light, true, 1));
    }

    #[test]
    fn tasks_spread_evenly_over_nodes() {
        const NODES: u64 = 50;
        const TASKS: u64 = 20_000;
        let mut counts = std::collections::BTreeMap::<_, u64>::new();
        for id in 0..TASKS {
            *counts.entry(first(task(id), 0..NODES)).or_default() += 1;
        }
        // 400 each; six standard deviations are 119.
        assert_eq!(counts.len() as u64, NODES);
        assert!(counts.values().all(|count| (280..=520).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn when_a_node_goes_only_its_own_tasks_move(id: u64, gone in 0_u64..20) {
            let before = first(task(id), 0..20);
            let after = first(task(id), (0..20).filter(|node| *node != gone));
            if before == node(gone) {
                prop_assert_ne!(after, before);
            } else {
                prop_assert_eq!(after, before);
            }
        }
    }
}
