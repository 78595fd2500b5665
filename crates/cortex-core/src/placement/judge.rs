//! Why a node cannot take a task.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::capability::Facts;
use crate::capability::Selector;
use crate::capability::requirement::Reason;
use crate::id::NodeId;
use crate::node::Node;
use crate::task::Otherwise;
use crate::task::Target;
use crate::task::TaskSpec;
use crate::task::Work;

/// A node that is attached to a task's session, with what is known of it now.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub id: NodeId,
    /// What is known of it; nothing where it was removed.
    pub node: Option<Arc<Node>>,
    /// The task's user may use it.
    pub allowed: bool,
    /// It has an open stream.
    pub online: bool,
    /// Its mirror of the task's session is fresh.
    pub near: bool,
    /// Slots that are taken: by tasks that it has, and by those that are promised to it.
    pub load: u32,
}

/// Why a node cannot take a task; the variants are in order, the worst first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Objection {
    /// The task names it, and it is not attached to the task's session.
    NotAttached,
    /// The task is for other nodes.
    NotNamed,
    /// The node is not shared with the task's user any more; what it has is not their business.
    Withdrawn,
    /// It lacks the labels.
    Labels(Selector),
    /// It does not meet the requirement.
    Unmet(Reason),
    /// It does not offer the skill.
    Skill(String),
    /// It is not connected.
    Offline,
    /// It takes no new tasks.
    Cordoned,
    /// It did not claim what it was offered, and is asked again after a while.
    Silent,
    /// All of its slots are taken.
    Full {
        /// How many it has.
        slots: u32,
    },
}

impl Candidate {
    /// How many tasks it takes at once.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.node.as_ref().map_or(crate::node::UNSTATED_SLOTS, |node| node.slots())
    }

    /// How many more tasks it takes.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.slots().saturating_sub(self.load)
    }

    /// Its name for people; its id where the name is not known.
    #[must_use]
    pub fn name(&self) -> String {
        self.node.as_ref().map_or_else(|| self.id.to_string(), |node| node.name.clone())
    }
}

impl Objection {
    /// A stable word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Objection::NotAttached => "not_attached",
            Objection::NotNamed => "not_named",
            Objection::Withdrawn => "not_shared",
            Objection::Labels(_) => "labels",
            Objection::Unmet(_) => "requirement",
            Objection::Skill(_) => "skill",
            Objection::Offline => "offline",
            Objection::Cordoned => "cordoned",
            Objection::Silent => "silent",
            Objection::Full { .. } => "full",
        }
    }

    /// How bad it is: what cannot change by itself is worse.
    #[must_use]
    pub fn severity(&self) -> u8 {
        match self {
            Objection::NotAttached | Objection::NotNamed => 5,
            Objection::Withdrawn => 4,
            Objection::Labels(_) | Objection::Unmet(_) | Objection::Skill(_) => 3,
            Objection::Offline => 2,
            Objection::Cordoned => 1,
            Objection::Silent | Objection::Full { .. } => 0,
        }
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Objection::NotAttached => f.write_str("it is not attached to the session"),
            Objection::NotNamed => f.write_str("the task is for other nodes"),
            Objection::Withdrawn => f.write_str("it is not shared with you any more"),
            Objection::Labels(labels) => write!(f, "its labels do not match \"{labels}\""),
            Objection::Unmet(reason) => write!(f, "{reason}"),
            Objection::Skill(name) => write!(f, "it has no skill \"{name}\""),
            Objection::Offline => f.write_str("it is offline"),
            Objection::Cordoned => f.write_str("it is cordoned"),
            Objection::Silent => {
                f.write_str("it did not claim what it was offered, and is asked again soon")
            }
            Objection::Full { slots } => write!(f, "its slots are taken, all {slots}"),
        }
    }
}

/// All reasons why an attached node cannot take a task, the worst first; none where it can.
#[must_use]
pub fn judge(spec: &TaskSpec, candidate: &Candidate) -> Vec<Objection> {
    let is_named = spec.target.named().contains(&candidate.id);
    if !is_named && spec.target.is_closed() {
        return vec![Objection::NotNamed];
    }
    if !candidate.allowed {
        return vec![Objection::Withdrawn];
    }
    let mut objections = if is_named { Vec::new() } else { misfits(&spec.target, candidate) };
    if let Work::Skill { name, .. } = &spec.work
        && lacks_skill(candidate, name)
    {
        objections.push(Objection::Skill(name.clone()));
    }
    if !candidate.online {
        objections.push(Objection::Offline);
    }
    if candidate.node.as_ref().is_some_and(|node| node.cordoned) {
        objections.push(Objection::Cordoned);
    }
    if candidate.free() == 0 {
        objections.push(Objection::Full { slots: candidate.slots() });
    }
    objections
}

/// What a node that is not named lacks of what the target asks for.
fn misfits(target: &Target, candidate: &Candidate) -> Vec<Objection> {
    let none = BTreeMap::new();
    let node = candidate.node.as_ref();
    let labels = node.map_or(&none, |node| &node.labels);
    let requirement = match target {
        Target::Labels(selector) if !selector.matches(labels) => {
            return vec![Objection::Labels(selector.clone())];
        }
        Target::Requires(requirement) => requirement,
        Target::FirstOf(first) => match &first.otherwise {
            Otherwise::Requires(requirement) => requirement,
            Otherwise::Nowhere | Otherwise::Any => return Vec::new(),
        },
        Target::Any | Target::Node(_) | Target::Labels(_) => return Vec::new(),
    };
    let capabilities = node.and_then(|node| node.capabilities.as_ref());
    let unmet = requirement.unmet(&Facts { labels, capabilities });
    unmet.into_iter().map(Objection::Unmet).collect()
}

/// A node that stated no skills at all may be of a version that does not state them.
fn lacks_skill(candidate: &Candidate, name: &str) -> bool {
    let stated = candidate.node.as_ref().and_then(|node| node.capabilities.as_ref());
    stated.is_some_and(|stated| !stated.skills.is_empty() && stated.skill(name).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Capabilities;
    use crate::capability::OfferedSkill;
    use crate::id::UserId;
    use crate::node::Admission;
    use crate::node::JoinState;
    use crate::node::Presence;
    use crate::task::FirstOf;
    use crate::timestamp::Timestamp;

    fn candidate(change: impl FnOnce(&mut Candidate, &mut Node)) -> Candidate {
        let mut node = Node {
            id: NodeId::from_bytes([1; 16]),
            name: "lab".into(),
            owner: UserId::from_bytes([1; 16]),
            grants: BTreeMap::new(),
            identity: [0; 32],
            former_keys: Vec::new(),
            labels: BTreeMap::from([("role".into(), "build".into())]),
            admission: Admission::Active,
            suspicion: None,
            join: JoinState::default(),
            cordoned: false,
            capabilities: Some(Capabilities {
                cores: 2,
                skills: vec![OfferedSkill {
                    name: "shell".into(),
                    version: "1".into(),
                    ..OfferedSkill::default()
                }],
                ..Capabilities::default()
            }),
            version: String::new(),
            enrolled_at: Timestamp::default(),
            presence: Presence::default(),
        };
        let mut candidate = Candidate {
            id: node.id,
            node: None,
            allowed: true,
            online: true,
            near: false,
            load: 0,
        };
        change(&mut candidate, &mut node);
        candidate.node = Some(Arc::new(node));
        candidate
    }

    fn requires(text: &str) -> TaskSpec {
        TaskSpec { target: Target::Requires(text.parse().unwrap()), ..TaskSpec::argv(["true"]) }
    }

    fn first_of(id: u8, otherwise: Otherwise) -> TaskSpec {
        let nodes = vec![NodeId::from_bytes([id; 16])];
        let target = Target::FirstOf(FirstOf { nodes, otherwise });
        TaskSpec { target, ..TaskSpec::argv(["true"]) }
    }

    #[test]
    fn all_objections_are_told_the_worst_first() {
        let busy = candidate(|one, node| (one.online, node.cordoned) = (false, true));
        let spec = TaskSpec {
            target: Target::Requires("cpu.cores >= 4 && label.role == \"test\"".parse().unwrap()),
            ..TaskSpec::skill("paint", serde_json::Value::Null)
        };
        let objections = judge(&spec, &busy);
        let words: Vec<_> = objections.iter().map(Objection::word).collect();
        assert_eq!(words, ["requirement", "requirement", "skill", "offline", "cordoned"]);
        let texts: Vec<_> = objections.iter().map(ToString::to_string).collect();
        assert_eq!(texts[0], "cpu.cores is 2, needs at least 4");
        assert_eq!(texts[2], "it has no skill \"paint\"");
        assert!(objections.is_sorted_by_key(|one| std::cmp::Reverse(one.severity())));
        assert_eq!(judge(&requires("cpu.cores == 2 && label.role"), &candidate(|_, _| ())), []);
    }

    #[test]
    fn a_node_has_the_slots_that_it_stated() {
        let with = |slots, load| {
            candidate(|one, node| {
                one.load = load;
                node.capabilities.as_mut().unwrap().max_tasks = slots;
            })
        };
        let spec = TaskSpec::argv(["true"]);
        assert_eq!(judge(&spec, &with(2, 1)), []);
        assert_eq!(judge(&spec, &with(2, 2)), [Objection::Full { slots: 2 }]);
        assert_eq!(with(2, 3).free(), 0);
        assert_eq!(with(0, 3).free(), crate::node::UNSTATED_SLOTS - 3);
    }

    #[test]
    fn of_a_node_that_is_not_shared_nothing_else_is_told() {
        let gone = candidate(|one, _| (one.allowed, one.online) = (false, false));
        assert_eq!(judge(&requires("cpu.cores >= 4"), &gone), [Objection::Withdrawn]);
    }

    #[test]
    fn a_named_node_need_not_meet_what_is_asked_of_the_others() {
        let lab = candidate(|_, _| ());
        let fallback = Otherwise::Requires("cpu.cores >= 4".parse().unwrap());
        assert_eq!(judge(&first_of(1, fallback.clone()), &lab), []);
        assert_eq!(judge(&first_of(2, fallback), &lab).len(), 1);
        assert_eq!(judge(&first_of(2, Otherwise::Any), &lab), []);
        assert_eq!(judge(&first_of(2, Otherwise::Nowhere), &lab), [Objection::NotNamed]);
        let other = TaskSpec::argv(["true"]).on(NodeId::from_bytes([2; 16]));
        assert_eq!(judge(&other, &lab), [Objection::NotNamed]);
    }

    #[test]
    fn what_was_never_said_is_counted_for_the_skill_and_against_a_requirement() {
        let silent = candidate(|_, node| node.capabilities = None);
        assert_eq!(judge(&TaskSpec::skill("paint", serde_json::Value::Null), &silent), []);
        let objections = judge(&requires("cpu.cores >= 1"), &silent);
        assert!(matches!(objections[..], [Objection::Unmet(Reason::Unknown { .. })]));
    }
}
