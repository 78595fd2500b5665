//! Which node gets a task: a pure choice among those that are there.

use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::placement::Candidate;
use cortex_core::placement::Objection;
use cortex_core::placement::Rank;
use cortex_core::placement::judge;
use cortex_core::task::TaskSpec;

/// How many nodes a refusal names.
const MOST_NAMED: usize = 3;

/// Why no node fits, worst first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unplaced {
    /// The session has no node.
    #[error("no node is attached to the session")]
    NoNodes,
    /// The nodes that were asked for are not attached.
    #[error("the node is not attached to the session")]
    NotAttached,
    /// A node is attached that the task's user may not use any more.
    #[error("node {node} is not shared with you any more")]
    Withdrawn {
        /// Only its id: its name is its owner's business.
        node: NodeId,
    },
    /// No attached node has what the task needs, whether online or not.
    #[error("no attached node fits: {0}")]
    Unfit(String),
    /// A node fits and is not there.
    #[error("node \"{name}\" is offline")]
    Offline {
        /// Its name, or the names of all that fit.
        name: String,
    },
    /// A node fits and takes no new tasks.
    #[error("node \"{name}\" is cordoned")]
    Cordoned {
        /// Its name.
        name: String,
    },
    /// A node fits and has no free slot.
    #[error("all slots of node \"{name}\" are taken")]
    Full {
        /// Its name.
        name: String,
    },
}

impl Unplaced {
    /// A stable word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Unplaced::NoNodes => "no_nodes",
            Unplaced::NotAttached => "node_not_attached",
            Unplaced::Withdrawn { .. } => "node_not_shared",
            Unplaced::Unfit(_) => "no_fitting_node",
            Unplaced::Offline { .. } => "node_offline",
            Unplaced::Cordoned { .. } => "node_cordoned",
            Unplaced::Full { .. } => "node_full",
        }
    }
}

/// Chooses among the nodes that can take the task: the first one that it names, else the one that
/// ranks first.
pub(crate) fn choose(
    task: TaskId,
    spec: &TaskSpec,
    candidates: &[Candidate],
) -> Result<NodeId, Unplaced> {
    let mut fitting = Vec::new();
    let mut refused = Vec::new();
    for one in candidates {
        match judge(spec, one).into_iter().next() {
            None => fitting.push(one),
            Some(worst) => refused.push((one, worst)),
        }
    }
    let named = spec.target.named();
    let place = |one: &&Candidate| {
        let wanted = named.iter().position(|node| *node == one.id).unwrap_or(usize::MAX);
        (wanted, Rank::new(task, one.id, one.near, one.free()))
    };
    match fitting.into_iter().min_by_key(place) {
        Some(best) => Ok(best.id),
        None => Err(explain(spec, &refused)),
    }
}

/// Tells of the nodes that came closest.
fn explain(spec: &TaskSpec, refused: &[(&Candidate, Objection)]) -> Unplaced {
    let Some(least) = refused.iter().map(|(_, worst)| worst.severity()).min() else {
        return match spec.target.named() {
            [] => Unplaced::NoNodes,
            _ => Unplaced::NotAttached,
        };
    };
    let closest: Vec<_> = refused.iter().filter(|(_, worst)| worst.severity() == least).collect();
    let (first, worst) = closest[0];
    match worst {
        Objection::NotAttached | Objection::NotNamed => Unplaced::NotAttached,
        Objection::Withdrawn => Unplaced::Withdrawn { node: first.id },
        Objection::Offline => {
            let names: Vec<_> = closest.iter().map(|(one, _)| one.name()).collect();
            Unplaced::Offline { name: names.join("\", \"") }
        }
        Objection::Cordoned => Unplaced::Cordoned { name: first.name() },
        Objection::Full { .. } => Unplaced::Full { name: first.name() },
        _ => {
            let told = closest.iter().take(MOST_NAMED);
            let mut told: Vec<_> =
                told.map(|(one, worst)| format!("{}: {worst}", one.name())).collect();
            if closest.len() > MOST_NAMED {
                told.push(format!("and {} more", closest.len() - MOST_NAMED));
            }
            Unplaced::Unfit(told.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use cortex_core::capability::Capabilities;
    use cortex_core::capability::OfferedSkill;
    use cortex_core::id::UserId;
    use cortex_core::node::Admission;
    use cortex_core::node::JoinState;
    use cortex_core::node::Node;
    use cortex_core::node::Presence;
    use cortex_core::task::FirstOf;
    use cortex_core::task::Otherwise;
    use cortex_core::task::Target;
    use cortex_core::timestamp::Timestamp;

    use super::*;

    const TASK: TaskId = TaskId::from_bytes([7; 16]);

    fn candidate(id: u8, change: impl FnOnce(&mut Candidate, &mut Node)) -> Candidate {
        let skills = vec![OfferedSkill { name: "shell".into(), ..OfferedSkill::default() }];
        let mut known = Node {
            id: node(id),
            name: format!("lab-{id}"),
            owner: UserId::from_bytes([1; 16]),
            grants: BTreeMap::new(),
            identity: [0; 32],
            former_keys: Vec::new(),
            labels: BTreeMap::from([("role".to_owned(), format!("r{id}"))]),
            admission: Admission::Active,
            suspicion: None,
            join: JoinState::default(),
            cordoned: false,
            capabilities: Some(Capabilities { skills, ..Capabilities::default() }),
            version: String::new(),
            enrolled_at: Timestamp::default(),
            presence: Presence::default(),
        };
        let mut candidate = Candidate {
            id: node(id),
            node: None,
            allowed: true,
            online: true,
            near: false,
            load: 0,
        };
        change(&mut candidate, &mut known);
        candidate.node = Some(Arc::new(known));
        candidate
    }

    fn node(id: u8) -> NodeId {
        NodeId::from_bytes([id; 16])
    }

    fn chosen(spec: &TaskSpec, candidates: &[Candidate]) -> Result<NodeId, Unplaced> {
        choose(TASK, spec, candidates)
    }

    fn with_target(target: Target) -> TaskSpec {
        TaskSpec { target, ..TaskSpec::argv(["true"]) }
    }

    fn first_of(ids: &[u8], otherwise: Otherwise) -> TaskSpec {
        let nodes = ids.iter().map(|id| node(*id)).collect();
        with_target(Target::FirstOf(FirstOf { nodes, otherwise }))
    }

    #[test]
    fn the_least_loaded_node_that_fits_is_chosen() {
        let spec = TaskSpec::argv(["true"]);
        let nodes = [candidate(1, |one, _| one.load = 2), candidate(2, |one, _| one.load = 1)];
        assert_eq!(chosen(&spec, &nodes), Ok(node(2)));
        assert_eq!(chosen(&spec.on(node(1)), &nodes), Ok(node(1)));
        for target in [
            Target::Labels("role=r1".parse().unwrap()),
            Target::Requires("label.role == \"r1\"".parse().unwrap()),
        ] {
            assert_eq!(chosen(&with_target(target), &nodes), Ok(node(1)));
        }
        let near = [nodes[1].clone(), candidate(1, |one, _| (one.near, one.load) = (true, 9))];
        assert_eq!(chosen(&with_target(Target::Any), &near), Ok(node(1)));
    }

    #[test]
    fn among_equals_each_task_has_an_order_of_its_own() {
        let nodes: Vec<_> = (1..=4).map(|id| candidate(id, |_, _| ())).collect();
        let backwards: Vec<_> = nodes.iter().rev().cloned().collect();
        let mut seen = std::collections::BTreeSet::new();
        for id in 0..32 {
            let task = TaskId::from_bytes([id; 16]);
            let found = choose(task, &with_target(Target::Any), &nodes).unwrap();
            assert_eq!(choose(task, &with_target(Target::Any), &backwards), Ok(found));
            seen.insert(found);
        }
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn the_first_named_node_that_is_there_takes_it_then_what_comes_otherwise() {
        let nodes = [
            candidate(1, |one, _| one.online = false),
            candidate(2, |one, _| one.load = 9),
            candidate(3, |_, _| ()),
        ];
        assert_eq!(chosen(&first_of(&[1, 2, 3], Otherwise::Nowhere), &nodes), Ok(node(2)));
        assert_eq!(chosen(&first_of(&[3, 2], Otherwise::Nowhere), &nodes), Ok(node(3)));
        assert_eq!(chosen(&first_of(&[1], Otherwise::Any), &nodes), Ok(node(3)));
        let offline = Err(Unplaced::Offline { name: "lab-1".into() });
        assert_eq!(chosen(&first_of(&[1], Otherwise::Nowhere), &nodes), offline);
        let strict = Otherwise::Requires("label.role == \"r9\"".parse().unwrap());
        assert_eq!(chosen(&first_of(&[1], strict.clone()), &nodes), offline);
        assert_eq!(chosen(&first_of(&[2], strict), &nodes), Ok(node(2)));
    }

    #[test]
    fn a_node_that_is_not_shared_any_more_is_left_out_and_that_is_said() {
        let spec = TaskSpec::argv(["true"]);
        let gone = candidate(1, |one, _| (one.allowed, one.online) = (false, false));
        let nodes = [gone.clone(), candidate(2, |one, _| one.load = 9)];
        assert_eq!(chosen(&spec, &nodes), Ok(node(2)));
        assert_eq!(chosen(&spec, &[gone]), Err(Unplaced::Withdrawn { node: node(1) }));
        let target = spec.on(node(1));
        assert_eq!(chosen(&target, &nodes), Err(Unplaced::Withdrawn { node: node(1) }));
    }

    #[test]
    fn the_reason_says_what_is_missing() {
        let spec = TaskSpec::argv(["true"]);
        assert_eq!(chosen(&spec, &[]), Err(Unplaced::NoNodes));
        let only = [candidate(1, |one, _| one.online = false)];
        assert_eq!(chosen(&spec, &only), Err(Unplaced::Offline { name: "lab-1".into() }));
        assert_eq!(chosen(&spec.clone().on(node(9)), &only), Err(Unplaced::NotAttached));
        assert_eq!(chosen(&spec.clone().on(node(9)), &[]), Err(Unplaced::NotAttached));
        let closed = [candidate(1, |_, node| node.cordoned = true)];
        assert_eq!(chosen(&spec, &closed), Err(Unplaced::Cordoned { name: "lab-1".into() }));
        let skill = TaskSpec::skill("paint", serde_json::Value::Null);
        let Err(unplaced @ Unplaced::Unfit(_)) = chosen(&skill, &only) else {
            panic!("another reason");
        };
        assert_eq!(unplaced.to_string(), "no attached node fits: lab-1: it has no skill \"paint\"");
        let nodes: Vec<_> = (1..=5).map(|id| candidate(id, |_, _| ())).collect();
        let picky = with_target(Target::Requires("label.role == \"r9\"".parse().unwrap()));
        let Err(Unplaced::Unfit(told)) = chosen(&picky, &nodes) else { panic!("another reason") };
        assert!(told.starts_with("lab-1: label.role is \"r1\", needs \"r9\"; lab-2: "), "{told}");
        assert!(told.ends_with("; and 2 more"), "{told}");
    }
}
