//! Which node gets a task: a pure choice among those that are there.

use std::collections::BTreeMap;

use cortex_core::id::NodeId;
use cortex_core::task::Target;
use cortex_core::task::TaskSpec;
use cortex_core::task::Work;

/// A node that is attached to the task's session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// The node.
    pub(crate) node: NodeId,
    /// Its name, for people.
    pub(crate) name: String,
    /// The task's user may use it.
    pub(crate) allowed: bool,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// It has an open stream.
    pub(crate) online: bool,
    /// It takes no new tasks.
    pub(crate) cordoned: bool,
    /// Names of its skills; empty if not known.
    pub(crate) skills: Vec<String>,
    /// Tasks that it has already.
    pub(crate) load: u32,
}

/// Why no node fits, worst first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unplaced {
    /// The session has no node.
    #[error("no node is attached to the session")]
    NoNodes,
    /// The node that was asked for is not attached.
    #[error("the node is not attached to the session")]
    NotAttached,
    /// A node is attached that the task's user may not use any more.
    #[error("node {node} is not shared with you any more")]
    Withdrawn {
        /// Only its id: its name is its owner's business.
        node: NodeId,
    },
    /// No attached node has what the task needs, whether online or not.
    #[error("{0}")]
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
}

/// Chooses the least loaded of the nodes that fit, the lower id where two are equal.
pub(crate) fn choose(spec: &TaskSpec, candidates: &[Candidate]) -> Result<NodeId, Unplaced> {
    if candidates.is_empty() {
        return Err(Unplaced::NoNodes);
    }
    let targeted: Vec<_> = candidates.iter().filter(|one| is_target(&spec.target, one)).collect();
    if targeted.is_empty() {
        return Err(match &spec.target {
            Target::Node(_) => Unplaced::NotAttached,
            Target::Labels(labels) => {
                Unplaced::Unfit(format!("no attached node has the labels \"{labels}\""))
            }
            Target::Any => Unplaced::NoNodes,
        });
    }
    let withdrawn = targeted[0].node;
    let targeted: Vec<_> = targeted.into_iter().filter(|one| one.allowed).collect();
    if targeted.is_empty() {
        return Err(Unplaced::Withdrawn { node: withdrawn });
    }
    let able: Vec<_> = targeted.into_iter().filter(|one| has_skill(&spec.work, one)).collect();
    if able.is_empty() {
        return Err(Unplaced::Unfit(lacking(&spec.work)));
    }
    let online: Vec<_> = able.iter().filter(|one| one.online).collect();
    if online.is_empty() {
        let names: Vec<_> = able.iter().map(|one| one.name.as_str()).collect();
        return Err(Unplaced::Offline { name: names.join("\", \"") });
    }
    online
        .iter()
        .filter(|one| !one.cordoned)
        .min_by_key(|one| (one.load, one.node))
        .map(|one| one.node)
        .ok_or_else(|| Unplaced::Cordoned { name: online[0].name.clone() })
}

fn is_target(target: &Target, candidate: &Candidate) -> bool {
    match target {
        Target::Any => true,
        Target::Node(node) => *node == candidate.node,
        Target::Labels(labels) => labels.matches(&candidate.labels),
    }
}

fn has_skill(work: &Work, candidate: &Candidate) -> bool {
    match work {
        Work::Skill { name, .. } if !candidate.skills.is_empty() => candidate.skills.contains(name),
        _ => true,
    }
}

fn lacking(work: &Work) -> String {
    match work {
        Work::Skill { name, .. } => format!("no attached node has the skill \"{name}\""),
        _ => "no attached node can do this".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u8, change: impl FnOnce(&mut Candidate)) -> Candidate {
        let mut candidate = Candidate {
            node: NodeId::from_bytes([id; 16]),
            name: format!("lab-{id}"),
            allowed: true,
            labels: BTreeMap::from([("role".to_owned(), format!("r{id}"))]),
            online: true,
            cordoned: false,
            skills: vec!["shell".to_owned()],
            load: 0,
        };
        change(&mut candidate);
        candidate
    }

    fn node(id: u8) -> NodeId {
        NodeId::from_bytes([id; 16])
    }

    #[test]
    fn the_least_loaded_node_that_fits_is_chosen() {
        let spec = TaskSpec::argv(["true"]);
        let nodes = [candidate(1, |one| one.load = 2), candidate(2, |one| one.load = 1)];
        assert_eq!(choose(&spec, &nodes), Ok(node(2)));
        assert_eq!(choose(&spec.clone().on(node(1)), &nodes), Ok(node(1)));
        let mut labelled = spec;
        labelled.target = Target::Labels("role=r1".parse().unwrap());
        assert_eq!(choose(&labelled, &nodes), Ok(node(1)));
    }

    #[test]
    fn a_node_that_is_not_shared_any_more_is_left_out_and_that_is_said() {
        let spec = TaskSpec::argv(["true"]);
        let gone = candidate(1, |one| (one.allowed, one.online) = (false, false));
        let nodes = [gone.clone(), candidate(2, |one| one.load = 9)];
        assert_eq!(choose(&spec, &nodes), Ok(node(2)));
        assert_eq!(choose(&spec, &[gone]), Err(Unplaced::Withdrawn { node: node(1) }));
        let target = spec.on(node(1));
        assert_eq!(choose(&target, &nodes), Err(Unplaced::Withdrawn { node: node(1) }));
    }

    #[test]
    fn the_reason_says_what_is_missing() {
        let spec = TaskSpec::argv(["true"]);
        assert_eq!(choose(&spec, &[]), Err(Unplaced::NoNodes));
        let only = [candidate(1, |one| one.online = false)];
        assert_eq!(choose(&spec, &only), Err(Unplaced::Offline { name: "lab-1".into() }));
        assert_eq!(choose(&spec.clone().on(node(9)), &only), Err(Unplaced::NotAttached));
        let closed = [candidate(1, |one| one.cordoned = true)];
        assert_eq!(choose(&spec, &closed), Err(Unplaced::Cordoned { name: "lab-1".into() }));
        let skill = TaskSpec::skill("paint", serde_json::Value::Null);
        assert!(matches!(choose(&skill, &only), Err(Unplaced::Unfit(_))));
    }
}
