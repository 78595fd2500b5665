//! Several policies that hold together: what the hub sends, narrowed by the node's own.

use std::fmt;

use serde::Serialize;

use crate::policy::SandboxPolicy;
use crate::policy::form::Canonical;
use crate::policy::verdict::Invocation;
use crate::policy::verdict::Verdict;

/// Who wrote a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It was sent by the hub.
    Hub,
    /// It stands in the node's own configuration.
    Node,
}

/// Policies that all must allow what is to start.
///
/// There is always a policy of the hub. A second one can only take away from it: nothing is
/// allowed that either of them refuses, and nothing else is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    hub: SandboxPolicy,
    node: Option<SandboxPolicy>,
}

impl Effective {
    /// Makes the effective policy of a node that has no policy of its own.
    #[must_use]
    pub fn of(hub: SandboxPolicy) -> Self {
        Self { hub, node: None }
    }

    /// Narrows by the node's own policy, in place of an earlier one.
    #[must_use]
    pub fn narrowed_by(mut self, node: SandboxPolicy) -> Self {
        self.node = Some(node);
        self
    }

    /// The policies with their origins, in the order in which they are asked.
    pub fn layers(&self) -> impl Iterator<Item = (Origin, &SandboxPolicy)> {
        let node = self.node.as_ref().map(|policy| (Origin::Node, policy));
        std::iter::once((Origin::Hub, &self.hub)).chain(node)
    }

    /// Judges an invocation: the first refusal, else the names of all rules that allow it.
    ///
    /// The name of a rule begins with its origin, as in `node deny[0] "rm"`.
    #[must_use]
    pub fn judge(&self, invocation: &Invocation<'_>) -> Verdict {
        self.ask(|policy| policy.judge(invocation))
    }

    /// Judges a working directory in every layer; see [`SandboxPolicy::judge_cwd`].
    #[must_use]
    pub fn judge_cwd(&self, cwd: &str) -> Verdict {
        self.ask(|policy| policy.judge_cwd(cwd))
    }

    /// The bytes over which a digest names these policies: the same for the same policies,
    /// however they were written.
    #[must_use]
    pub fn to_canonical_json(&self) -> Vec<u8> {
        let layers: Vec<_> =
            self.layers().map(|(origin, policy)| (origin, Canonical::of(policy))).collect();
        serde_json::to_vec(&layers).expect("texts, flags and lists always have a JSON form")
    }

    fn ask(&self, judge: impl Fn(&SandboxPolicy) -> Verdict) -> Verdict {
        let mut rules = Vec::new();
        for (origin, policy) in self.layers() {
            match judge(policy).of_layer(&origin.to_string()) {
                Verdict::Allowed { rule } => rules.extend(rule),
                refused @ Verdict::Refused { .. } => return refused,
            }
        }
        Verdict::Allowed { rule: (!rules.is_empty()).then(|| rules.join(" and ")) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Hub => "hub",
            Origin::Node => "node",
        })
    }
}
