//! Who may see a change.

use std::sync::Arc;

use cortex_core::account::Hold;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::id::UserId;
use cortex_core::node::Node;

/// Who may see a change.
#[derive(Debug, Clone)]
pub(super) enum Audience {
    /// Everybody: something is missing before it.
    All,
    /// Who may see this node, as it was then.
    Node(Arc<Node>),
    /// The owner of a task.
    Owner(UserId),
}

impl Audience {
    /// Whether `who` is among them.
    pub(super) fn admits(&self, who: &Principal) -> bool {
        match self {
            Audience::All => true,
            Audience::Node(node) => who.may_on(node, Hold::Use, Scope::Read).is_ok(),
            Audience::Owner(owner) => who.may(Scope::Read, *owner).is_ok(),
        }
    }
}
