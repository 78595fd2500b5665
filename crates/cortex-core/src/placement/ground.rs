//! Why a task may be on the node that it is on.

use std::fmt;

use crate::capability::Requirement;
use crate::capability::Selector;
use crate::id::NodeId;
use crate::task::Otherwise;
use crate::task::Target;

/// What of a task's target lets it be on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ground {
    /// The task names this node and no other.
    Named,
    /// It is one of the nodes that the task prefers.
    Preferred {
        /// Its place among them, from 1.
        place: usize,
        /// How many there are.
        of: usize,
    },
    /// It has the labels.
    Labels(Selector),
    /// It meets the requirement.
    Requirement(Requirement),
    /// Any node that is attached to the session.
    Any,
}

impl Ground {
    /// What lets a task with this target be on a node that it was placed on.
    #[must_use]
    pub fn of(target: &Target, node: NodeId) -> Self {
        match target {
            Target::Node(_) => Self::Named,
            Target::Labels(labels) => Self::Labels(labels.clone()),
            Target::Requires(requirement) => Self::Requirement(requirement.clone()),
            Target::Any => Self::Any,
            Target::FirstOf(first) => {
                let of = first.nodes.len();
                match (first.nodes.iter().position(|named| *named == node), &first.otherwise) {
                    (Some(index), _) => Self::Preferred { place: index + 1, of },
                    (None, Otherwise::Requires(requirement)) => {
                        Self::Requirement(requirement.clone())
                    }
                    (None, Otherwise::Any | Otherwise::Nowhere) => Self::Any,
                }
            }
        }
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ground::Named => f.write_str("the task names it"),
            Ground::Preferred { place, of } => {
                write!(f, "of the {of} nodes that the task prefers, it is number {place}")
            }
            Ground::Labels(labels) => write!(f, "it has the labels \"{labels}\""),
            Ground::Requirement(requirement) => write!(f, "it meets {requirement}"),
            Ground::Any => f.write_str("the task may go to any node of its session"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::FirstOf;

    fn node(id: u8) -> NodeId {
        NodeId::from_bytes([id; 16])
    }

    fn of(target: &Target, id: u8) -> String {
        Ground::of(target, node(id)).to_string()
    }

    #[test]
    fn each_kind_of_target_has_its_ground() {
        assert_eq!(of(&Target::Node(node(1)), 1), "the task names it");
        assert_eq!(of(&Target::Labels("a=b".parse().unwrap()), 1), "it has the labels \"a=b\"");
        let requirement: Requirement = "cpu.cores >= 4".parse().unwrap();
        assert_eq!(of(&Target::Requires(requirement.clone()), 1), "it meets cpu.cores >= 4");
        assert_eq!(of(&Target::Any, 1), "the task may go to any node of its session");
        let nodes = vec![node(1), node(2)];
        let first = |otherwise| Target::FirstOf(FirstOf { nodes: nodes.clone(), otherwise });
        let second = "of the 2 nodes that the task prefers, it is number 2";
        assert_eq!(of(&first(Otherwise::Nowhere), 2), second);
        assert_eq!(of(&first(Otherwise::Requires(requirement)), 3), "it meets cpu.cores >= 4");
        assert_eq!(Ground::of(&first(Otherwise::Any), node(3)), Ground::Any);
    }
}
