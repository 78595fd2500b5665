//! A plan for many tasks and many nodes at once.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::capability::Facts;
use crate::id::NodeId;
use crate::id::TaskId;
use crate::id::UserId;
use crate::placement::bits::Bits;
use crate::placement::index::Index;
use crate::placement::rank::hash;
use crate::placement::room::Room;
use crate::placement::room::Search;
use crate::placement::turns::Entry;
use crate::placement::turns::Shares;
use crate::placement::turns::Turns;
use crate::task::Otherwise;
use crate::task::Target;

/// A task that waits for a node.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'a> {
    /// The task.
    pub task: TaskId,
    /// Who asked for it.
    pub user: UserId,
    /// Its priority among its user's tasks, the higher the sooner. Users cannot overtake each
    /// other by it.
    pub priority: u8,
    /// Where it may run.
    pub target: &'a Target,
    /// The skill that it calls.
    pub skill: Option<&'a str>,
    /// The nodes that it may use at all; all where there is nothing.
    pub scope: Option<&'a Scope>,
}

/// The nodes that the tasks of one user in one session may use. Tasks that share one should share
/// the reference: they are planned together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The nodes that are attached to the session and that the user may use.
    pub nodes: BTreeSet<NodeId>,
    /// Those of them whose mirror of the session is fresh.
    pub near: BTreeSet<NodeId>,
}

/// A node that takes tasks.
#[derive(Debug, Clone, Copy)]
pub struct Seats<'a> {
    /// The node.
    pub node: NodeId,
    /// What is known of it.
    pub facts: Facts<'a>,
    /// How many more tasks it takes; more than 4096 count as 4096 where nodes are compared.
    pub free: u32,
}

/// Which tasks go where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The tasks that get a node, in the order in which they got it.
    pub placed: Vec<(TaskId, NodeId)>,
    /// What users have had then, for the next plan.
    pub shares: Shares,
}

/// Plans a queue, which is in the order of submission, onto nodes, each of which is listed once.
///
/// One slot after the other is given away. The turn is the user's who has had least (see
/// [`Shares`]), with their task of highest priority, the oldest of equals. It goes to the node that
/// is first by [`Rank`](crate::placement::Rank) of those that fit and have a free slot; where very
/// many are equal but for their weight, only 64 are weighed, those of lowest id. A task for
/// which there is no room is passed over, with all that need just the same, and keeps nobody else
/// waiting; so in the end no task waits that some free slot fits.
///
/// Nobody gets more than their quota: how many more tasks each of these users may have on nodes; of
/// others it is any number.
///
/// The plan is greedy: it does not look for the one that places most tasks. The same input gives
/// the same plan.
///
/// Needs that are the same are looked at once, whatever the number of tasks; its cost per task does
/// not grow with the number of nodes, but for one bit of each (`cargo bench --bench placement`).
#[must_use]
pub fn plan(
    queue: &[Waiting<'_>],
    nodes: &[Seats<'_>],
    shares: &Shares,
    quotas: &BTreeMap<UserId, u32>,
) -> Plan {
    let mut nodes: Vec<_> = nodes.iter().collect();
    nodes.sort_by_key(|seats| seats.node);
    nodes.dedup_by_key(|seats| seats.node);
    let ids: Vec<NodeId> = nodes.iter().map(|seats| seats.node).collect();
    let mut room = Room::new(nodes.iter().map(|seats| (seats.node, seats.free)));
    let mut index = Index::new(nodes.iter().map(|seats| seats.facts).collect());

    let (entries, firsts) = group(queue);
    let mut needs: Vec<Option<Need>> = firsts.iter().map(|_| None).collect();
    let mut turns = Turns::new(&entries, needs.len(), shares, quotas);
    let mut placed = Vec::new();
    while let Some((position, number)) = turns.next() {
        if room.is_full() {
            break;
        }
        let task = queue[position].task;
        let need =
            needs[number].get_or_insert_with(|| Need::of(&queue[firsts[number]], &ids, &mut index));
        match need.first(&room, task) {
            Some(node) => {
                room.take(node);
                placed.push((task, ids[node]));
                turns.placed();
            }
            None => {
                turns.pass_over(number);
                // Its sets are not needed any more.
                *need = Need::default();
            }
        }
    }
    Plan { placed, shares: turns.shares() }
}

/// Numbers the different needs; returns those of the queue, and where each occurs first.
fn group(queue: &[Waiting<'_>]) -> (Vec<Entry>, Vec<usize>) {
    let mut numbers = HashMap::new();
    let mut firsts = Vec::new();
    let entries = queue.iter().enumerate().map(|(position, one)| {
        // Scopes are large, so that they are told apart by where they are.
        let key = (one.target, one.skill, one.scope.map(std::ptr::from_ref));
        let need = *numbers.entry(key).or_insert_with(|| {
            firsts.push(position);
            firsts.len() - 1
        });
        Entry { user: one.user, need, priority: one.priority }
    });
    (entries.collect(), firsts)
}

/// Where tasks that need the same can go, in the order of preference.
#[derive(Debug, Default)]
struct Need {
    named: Vec<usize>,
    /// Near nodes, then all.
    searches: Vec<Search>,
}

impl Need {
    fn of(one: &Waiting<'_>, ids: &[NodeId], index: &mut Index<'_>) -> Self {
        let place = |id: &NodeId| ids.binary_search(id).ok();
        let among = |set: &BTreeSet<NodeId>| {
            let mut bits = Bits::none(ids.len());
            set.iter().filter_map(place).for_each(|node| bits.set(node));
            bits
        };
        let mut usable =
            one.scope.map_or_else(|| Bits::all(ids.len()), |scope| among(&scope.nodes));
        if let Some(skill) = one.skill {
            usable.and(&index.skilled(skill));
        }
        let named = one.target.named().iter().filter_map(place);
        let named = named.filter(|node| usable.contains(*node)).collect();
        match one.target {
            Target::Any => {}
            Target::Labels(selector) => usable.and(&index.selected(selector)),
            Target::Requires(requirement) => usable.and(&index.fitting(requirement)),
            Target::Node(_) => return Self { named, searches: Vec::new() },
            Target::FirstOf(first) => match &first.otherwise {
                Otherwise::Nowhere => return Self { named, searches: Vec::new() },
                Otherwise::Any => {}
                Otherwise::Requires(requirement) => usable.and(&index.fitting(requirement)),
            },
        }
        let mut searches = Vec::new();
        if let Some(scope) = one.scope
            && !scope.near.is_empty()
        {
            let mut near = usable.clone();
            near.and(&among(&scope.near));
            searches.push(Search::new(near));
        }
        searches.push(Search::new(usable));
        Self { named, searches }
    }

    /// The first node for a task.
    fn first(&mut self, room: &Room, task: TaskId) -> Option<usize> {
        let named = self.named.iter().find(|node| room.has_free(**node)).copied();
        let task = hash(task.as_bytes());
        named.or_else(|| self.searches.iter_mut().find_map(|search| search.first(room, task)))
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
