//! Tests of plans, most of them against the naive one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::oracle::can_run;
use super::oracle::naive;
use super::*;
use crate::capability::Capabilities;
use crate::capability::requirement::properties::any_expression;
use crate::capability::requirement::properties::any_labels;
use crate::capability::requirement::properties::any_stated;
use crate::task::FirstOf;

fn node(id: u16) -> NodeId {
    NodeId::from_bytes(u128::from(id).to_be_bytes())
}

fn user(id: u8) -> UserId {
    UserId::from_bytes([id; 16])
}

fn task(id: u16) -> TaskId {
    TaskId::from_bytes(u128::from(id).to_be_bytes())
}

/// What a scene is made of, owned.
#[derive(Debug)]
struct Scene {
    nodes: Vec<(Option<Capabilities>, BTreeMap<String, String>, u32)>,
    scopes: Vec<Scope>,
    queue: Vec<Asked>,
}

#[derive(Debug)]
struct Asked {
    user: u8,
    priority: u8,
    target: Target,
    skill: Option<String>,
    scope: Option<usize>,
}

impl Scene {
    fn seats(&self) -> Vec<Seats<'_>> {
        let seats = self.nodes.iter().zip(0_u16..).map(|((stated, labels, free), id)| Seats {
            node: node(id),
            facts: Facts { labels, capabilities: stated.as_ref() },
            free: *free,
        });
        seats.collect()
    }

    fn queue(&self) -> Vec<Waiting<'_>> {
        let queue = self.queue.iter().zip(0_u16..);
        let waiting = queue.map(|(asked, id)| Waiting {
            task: task(id),
            user: user(asked.user),
            priority: asked.priority,
            target: &asked.target,
            skill: asked.skill.as_deref(),
            scope: asked.scope.and_then(|scope| self.scopes.get(scope)),
        });
        waiting.collect()
    }
}

fn any_target() -> impl Strategy<Value = Target> {
    let requirement =
        || any_expression().prop_filter_map("too long", |one| one.to_string().parse().ok());
    let nodes = prop::collection::btree_set(0_u16..7, 1..4)
        .prop_map(|ids| ids.into_iter().map(node).collect::<Vec<_>>())
        .prop_shuffle();
    let otherwise = prop_oneof![
        Just(Otherwise::Nowhere),
        Just(Otherwise::Any),
        requirement().prop_map(Otherwise::Requires),
    ];
    prop_oneof![
        2 => Just(Target::Any),
        1 => (0_u16..7).prop_map(|id| Target::Node(node(id))),
        1 => "(a=x|b|a!=y|)".prop_map(|text| Target::Labels(text.parse().unwrap())),
        3 => requirement().prop_map(Target::Requires),
        2 => (nodes, otherwise)
            .prop_map(|(nodes, otherwise)| Target::FirstOf(FirstOf { nodes, otherwise })),
    ]
}

fn any_scene() -> impl Strategy<Value = Scene> {
    let nodes = prop::collection::vec((any_stated(), any_labels(), 0_u32..4), 0..7);
    let some = || prop::collection::btree_set((0_u16..7).prop_map(node), 0..6);
    let scopes = prop::collection::vec(
        (some(), some()).prop_map(|(nodes, near)| Scope { nodes, near }),
        0..3,
    );
    let targets = prop::collection::vec((any_target(), prop::option::weighted(0.2, "[xy]")), 1..5);
    let tasks = prop::collection::vec(
        (0_u8..3, 0_u8..3, any::<prop::sample::Index>(), prop::option::of(0_usize..3)),
        0..24,
    );
    (nodes, scopes, targets, tasks).prop_map(|(nodes, scopes, targets, tasks)| Scene {
        nodes,
        scopes,
        queue: tasks
            .into_iter()
            .map(|(user, priority, target, scope)| {
                let (target, skill) = target.get(&targets).clone();
                Asked { user, priority, target, skill, scope }
            })
            .collect(),
    })
}

fn any_shares() -> impl Strategy<Value = Shares> {
    let times = prop::collection::btree_map((0_u8..4).prop_map(user), 6_u64..9, 0..3);
    times.prop_map(|times| Shares { now: 5, times })
}

proptest! {
    #[test]
    fn a_plan_is_the_one_of_the_definition(
        scene in any_scene(),
        shares in any_shares(),
        quotas in prop::collection::btree_map((0_u8..3).prop_map(user), 0_u32..5, 0..3),
    ) {
        let (queue, nodes) = (scene.queue(), scene.seats());
        let planned = plan(&queue, &nodes, &shares, &quotas);
        prop_assert_eq!(&planned, &naive(&queue, &nodes, &shares, &quotas));
        // The order in which nodes are listed means nothing.
        let backwards: Vec<_> = nodes.iter().rev().copied().collect();
        prop_assert_eq!(plan(&queue, &backwards, &shares, &quotas), planned);
    }

    #[test]
    fn what_is_placed_fits_and_nothing_waits_that_would(scene in any_scene()) {
        let (queue, nodes) = (scene.queue(), scene.seats());
        let planned = plan(&queue, &nodes, &Shares::default(), &BTreeMap::new());
        let mut free: BTreeMap<_, _> = nodes.iter().map(|seats| (seats.node, seats.free)).collect();
        let mut open: BTreeMap<_, _> = queue.iter().map(|one| (one.task, one)).collect();
        let seats_of = |id| nodes.iter().find(|seats| seats.node == id).unwrap();
        for (task, node) in planned.placed {
            let one = open.remove(&task).expect("is placed once");
            prop_assert!(can_run(one, seats_of(node)));
            let left = free[&node].checked_sub(1).expect("no node is over its slots");
            free.insert(node, left);
        }
        for seats in nodes.iter().filter(|seats| free[&seats.node] > 0) {
            prop_assert!(open.values().all(|one| !can_run(one, seats)));
        }
    }

    #[test]
    fn own_tasks_of_one_need_go_by_priority_then_by_age(scene in any_scene()) {
        let (queue, nodes) = (scene.queue(), scene.seats());
        let planned = plan(&queue, &nodes, &Shares::default(), &BTreeMap::new());
        let place = |task| planned.placed.iter().position(|(placed, _)| *placed == task);
        for (position, later) in queue.iter().enumerate() {
            for earlier in &queue[..position] {
                let is_same = (earlier.user, earlier.target, earlier.skill) == (later.user, later.target, later.skill)
                    && earlier.scope.map(std::ptr::from_ref) == later.scope.map(std::ptr::from_ref);
                if !is_same {
                    continue;
                }
                let (first, second) = match later.priority > earlier.priority {
                    true => (later, earlier),
                    false => (earlier, later),
                };
                if let Some(second) = place(second.task) {
                    prop_assert!(place(first.task).is_some_and(|first| first < second));
                }
            }
        }
    }

    #[test]
    fn users_who_all_wait_get_equally_many(counts in prop::collection::vec(0_u16..40, 1..6), free in 0_u32..60) {
        let labels = BTreeMap::new();
        let facts = Facts { labels: &labels, capabilities: None };
        let nodes = [Seats { node: node(1), facts, free }];
        let mut queue = Vec::new();
        for (of, count) in (0_u8..).zip(&counts) {
            // The priorities differ, and must not matter between users.
            queue.extend((0..*count).map(|_| waiting(0, of, of)));
        }
        for (number, one) in (0_u16..).zip(&mut queue) {
            one.task = task(number);
        }
        let planned = plan(&queue, &nodes, &Shares::default(), &BTreeMap::new());
        prop_assert_eq!(planned.placed.len(), queue.len().min(free as usize));
        let mut got = vec![0_u16; counts.len()];
        for (placed, _) in &planned.placed {
            let one = queue.iter().find(|one| one.task == *placed).unwrap();
            got[usize::from(one.user.as_bytes()[0])] += 1;
        }
        let most = got.iter().copied().max().unwrap_or(0);
        for (got, count) in got.iter().zip(&counts) {
            prop_assert!(got == count || got + 1 >= most, "{:?} of {:?}", got, counts);
        }
    }
}

fn waiting(id: u16, of: u8, priority: u8) -> Waiting<'static> {
    Waiting {
        task: task(id),
        user: user(of),
        priority,
        target: &Target::Any,
        skill: None,
        scope: None,
    }
}

#[test]
fn nobody_starves_however_much_another_submits() {
    let labels = BTreeMap::new();
    let facts = Facts { labels: &labels, capabilities: None };
    let nodes = [Seats { node: node(1), facts, free: 1 }];
    let mut shares = Shares::default();
    // One slot a round; a user with an endless queue of urgent tasks, who was there first.
    let mut greedy: Vec<u16> = (0..1000).collect();
    let mut modest: Vec<u16> = Vec::new();
    let mut waits = Vec::new();
    let mut since = 0;
    for round in 0_u16..200 {
        greedy.push(2000 + round);
        if modest.is_empty() && round % 7 == 3 {
            modest.push(5000 + round);
            since = round;
        }
        let mut queue: Vec<_> = greedy.iter().map(|id| waiting(*id, 1, 255)).collect();
        queue.extend(modest.iter().map(|id| waiting(*id, 2, 0)));
        let planned = plan(&queue, &nodes, &shares, &BTreeMap::new());
        let [(placed, _)] = planned.placed[..] else { panic!("one slot, one task") };
        shares = planned.shares;
        if modest.iter().any(|id| task(*id) == placed) {
            waits.push(round - since);
        }
        greedy.retain(|id| task(*id) != placed);
        modest.retain(|id| task(*id) != placed);
    }
    assert!(waits.len() >= 28 && waits.iter().all(|rounds| *rounds <= 1), "{waits:?}");
}

#[test]
fn a_task_that_fits_nowhere_keeps_nobody_waiting() {
    let labels = BTreeMap::new();
    let facts = Facts { labels: &labels, capabilities: None };
    let nodes = [Seats { node: node(1), facts, free: 2 }];
    let nowhere = Target::Node(node(9));
    let first = Waiting { target: &nowhere, ..waiting(1, 1, 9) };
    let planned = plan(
        &[first, waiting(2, 1, 0), waiting(3, 2, 0)],
        &nodes,
        &Shares::default(),
        &BTreeMap::new(),
    );
    assert_eq!(planned.placed, [(task(2), node(1)), (task(3), node(1))]);
}

#[test]
fn many_equal_nodes_are_used_alike() {
    let labels = BTreeMap::new();
    let facts = Facts { labels: &labels, capabilities: None };
    let nodes: Vec<_> = (0..1000).map(|id| Seats { node: node(id), facts, free: 300 }).collect();
    let queue: Vec<_> = (0..2500).map(|id| waiting(id, 1, 0)).collect();
    let planned = plan(&queue, &nodes, &Shares::default(), &BTreeMap::new());
    let mut load: BTreeMap<_, u32> = BTreeMap::new();
    for (_, node) in &planned.placed {
        *load.entry(*node).or_default() += 1;
    }
    assert!(load.values().all(|count| (2..=3).contains(count)) && load.len() == 1000);
}

#[test]
fn nobody_gets_more_than_their_quota() {
    let labels = BTreeMap::new();
    let facts = Facts { labels: &labels, capabilities: None };
    let nodes = [Seats { node: node(1), facts, free: 9 }];
    let queue: Vec<_> = (0..8).map(|id| waiting(id, u8::from(id % 2 == 0), 0)).collect();
    let quotas = BTreeMap::from([(user(0), 1), (user(1), 0)]);
    let planned = plan(&queue, &nodes, &Shares::default(), &quotas);
    assert_eq!(planned.placed, [(task(1), node(1))]);
}
