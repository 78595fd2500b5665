//! Where a task may run.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use super::SpecError;
use crate::capability::Requirement;
use crate::capability::Selector;
use crate::id::NodeId;

/// How many nodes a task may name.
pub const MAX_NAMED_NODES: usize = 64;

/// Where a task may run, among the nodes that are attached to its session.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Any of them.
    #[default]
    Any,
    /// This node.
    Node(NodeId),
    /// Any of them with these labels.
    Labels(Selector),
    /// Any of them that fits.
    Requires(Requirement),
    /// The first of these that can take it now.
    FirstOf(FirstOf),
}

/// Nodes in the order in which they are preferred.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FirstOf {
    /// The nodes, the most wanted first; 1 to [`MAX_NAMED_NODES`], each once.
    pub nodes: Vec<NodeId>,
    /// Where the task goes while none of them can take it.
    #[serde(default)]
    pub otherwise: Otherwise,
}

/// Where a task goes while none of the nodes that it names can take it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// Nowhere: it waits for one of them, or fails.
    #[default]
    Nowhere,
    /// To any other node.
    Any,
    /// To any other node that fits.
    Requires(Requirement),
}

impl Target {
    /// The nodes that it names, the most wanted first.
    #[must_use]
    pub fn named(&self) -> &[NodeId] {
        match self {
            Target::Node(node) => std::slice::from_ref(node),
            Target::FirstOf(first) => &first.nodes,
            Target::Any | Target::Labels(_) | Target::Requires(_) => &[],
        }
    }

    /// Whether it can mean only nodes that it names.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            Target::Node(_) => true,
            Target::FirstOf(first) => first.otherwise == Otherwise::Nowhere,
            Target::Any | Target::Labels(_) | Target::Requires(_) => false,
        }
    }

    /// Checks the number of nodes that are named.
    ///
    /// # Errors
    /// [`SpecError::Nodes`].
    pub fn check(&self) -> Result<(), SpecError> {
        let Target::FirstOf(FirstOf { nodes, .. }) = self else { return Ok(()) };
        let distinct: BTreeSet<_> = nodes.iter().collect();
        let is_good = (1..=MAX_NAMED_NODES).contains(&nodes.len()) && distinct.len() == nodes.len();
        if is_good { Ok(()) } else { Err(SpecError::Nodes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u8) -> NodeId {
        NodeId::from_bytes([id; 16])
    }

    fn first_of(ids: impl IntoIterator<Item = u8>) -> Target {
        let nodes = ids.into_iter().map(node).collect();
        Target::FirstOf(FirstOf { nodes, otherwise: Otherwise::Nowhere })
    }

    #[test]
    fn what_is_stored_stays_readable() {
        let read = |json: &str| serde_json::from_str::<Target>(json).unwrap();
        let id = node(1).to_string();
        assert_eq!(read("\"any\""), Target::Any);
        assert_eq!(read(&format!("{{\"node\":\"{id}\"}}")), Target::Node(node(1)));
        assert_eq!(read("{\"labels\":\"a=b\"}"), Target::Labels("a=b".parse().unwrap()));
        let requires = "os == \"linux\"".parse().unwrap();
        assert_eq!(read(r#"{"requires":"os == \"linux\""}"#), Target::Requires(requires));
        assert_eq!(read(&format!("{{\"first_of\":{{\"nodes\":[\"{id}\"]}}}}")), first_of([1]));
        let otherwise = Otherwise::Requires("gpu.count > 0".parse().unwrap());
        for otherwise in [Otherwise::Nowhere, Otherwise::Any, otherwise] {
            let target = Target::FirstOf(FirstOf { nodes: vec![node(1), node(2)], otherwise });
            let json = serde_json::to_string(&target).unwrap();
            assert_eq!(read(&json), target, "{json}");
        }
    }

    #[test]
    fn named_nodes_are_a_few_and_each_once() {
        for (target, is_good) in [
            (Target::Any, true),
            (first_of([1]), true),
            (first_of([2, 1]), true),
            (first_of(0..64), true),
            (first_of(0..65), false),
            (first_of([]), false),
            (first_of([1, 2, 1]), false),
        ] {
            assert_eq!(target.check().is_ok(), is_good, "{target:?}");
        }
        assert_eq!(first_of([2, 1]).named(), [node(2), node(1)]);
        assert!(first_of([2]).is_closed() && Target::Node(node(1)).is_closed());
        assert!(!Target::Any.is_closed());
    }
}
