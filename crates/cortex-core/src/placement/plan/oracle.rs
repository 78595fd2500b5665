//! The plan by its definition, task by task and node by node: slow, and easy to believe.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::*;
use crate::placement::rank::Rank;
use crate::placement::room::MOST_SLOTS;

/// What tasks must share to need the same.
type Same<'a> = (&'a Target, Option<&'a str>, Option<*const Scope>);

fn need<'a>(one: &Waiting<'a>) -> Same<'a> {
    (one.target, one.skill, one.scope.map(std::ptr::from_ref))
}

/// Whether a task may be on a node at all, and whether it is named there or fits.
pub(super) fn can_run(one: &Waiting<'_>, seats: &Seats<'_>) -> bool {
    let is_in_scope = one.scope.is_none_or(|scope| scope.nodes.contains(&seats.node));
    let skills = seats.facts.capabilities.map(|stated| &stated.skills);
    let is_skilled = match (one.skill, skills) {
        (Some(name), Some(skills)) if !skills.is_empty() => {
            skills.iter().any(|skill| skill.name == name)
        }
        _ => true,
    };
    let fits = match one.target {
        Target::Any => true,
        Target::Node(node) => *node == seats.node,
        Target::Labels(selector) => selector.matches(seats.facts.labels),
        Target::Requires(requirement) => requirement.fits(&seats.facts),
        Target::FirstOf(first) => {
            first.nodes.contains(&seats.node)
                || match &first.otherwise {
                    Otherwise::Nowhere => false,
                    Otherwise::Any => true,
                    Otherwise::Requires(requirement) => requirement.fits(&seats.facts),
                }
        }
    };
    is_in_scope && is_skilled && fits
}

/// The node for a task among those with free slots.
fn node_for(
    one: &Waiting<'_>,
    nodes: &[Seats<'_>],
    free: &BTreeMap<NodeId, u32>,
) -> Option<NodeId> {
    let usable = nodes.iter().filter(|seats| free[&seats.node] > 0 && can_run(one, seats));
    let rank = |seats: &&Seats<'_>| {
        let named = one.target.named().iter().position(|node| *node == seats.node);
        let near = one.scope.is_some_and(|scope| scope.near.contains(&seats.node));
        let free = free[&seats.node].min(MOST_SLOTS);
        (named.unwrap_or(usize::MAX), Rank::new(one.task, seats.node, near, free))
    };
    usable.min_by_key(rank).map(|seats| seats.node)
}

pub(super) fn naive(
    queue: &[Waiting<'_>],
    nodes: &[Seats<'_>],
    shares: &Shares,
    quotas: &BTreeMap<UserId, u32>,
) -> Plan {
    let mut had: BTreeMap<UserId, u32> = BTreeMap::new();
    let mut free: BTreeMap<_, _> = nodes.iter().map(|seats| (seats.node, seats.free)).collect();
    let mut times = shares.times.clone();
    for one in queue {
        times.entry(one.user).or_insert(shares.now);
    }
    let mut now = shares.now;
    let mut out: Vec<Same<'_>> = Vec::new();
    let mut done = BTreeSet::new();
    let mut placed = Vec::new();
    loop {
        let mut next: Option<(u64, usize)> = None;
        for user in queue.iter().map(|one| one.user).collect::<BTreeSet<_>>() {
            let quota = quotas.get(&user).copied().unwrap_or(u32::MAX);
            if had.get(&user).copied().unwrap_or(0) >= quota {
                continue;
            }
            let open = queue.iter().enumerate().filter(|(position, one)| {
                one.user == user && !done.contains(position) && !out.contains(&need(one))
            });
            let head =
                open.max_by_key(|(position, one)| (one.priority, std::cmp::Reverse(*position)));
            if let Some((position, _)) = head {
                let turn = (times[&user], position);
                next = Some(next.map_or(turn, |best| best.min(turn)));
            }
        }
        let Some((time, position)) = next else { break };
        let one = &queue[position];
        match node_for(one, nodes, &free) {
            Some(node) => {
                *free.get_mut(&node).unwrap() -= 1;
                *times.get_mut(&one.user).unwrap() += 1;
                now = now.max(time);
                done.insert(position);
                *had.entry(one.user).or_default() += 1;
                placed.push((one.task, node));
            }
            None => out.push(need(one)),
        }
    }
    times.retain(|_, time| *time > now);
    Plan { placed, shares: Shares { now, times } }
}
