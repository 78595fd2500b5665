//! The seam behind which a hub keeps its nodes and the invites that make them.

pub mod refusal;
mod rule;

use std::collections::BTreeMap;

use async_trait::async_trait;

pub use rule::Enrolled;

use crate::capability::Selector;
use crate::error::Result;
use crate::id::InviteId;
use crate::id::NodeId;
use crate::id::UserId;
use crate::invite::Invite;
use crate::node::Admission;
use crate::node::Grant;
use crate::node::Node;
use crate::node::Presence;
use crate::node::Rekey;
use crate::node::Renewal;
use crate::node::Sighting;
use crate::node::Suspicion;
use crate::timestamp::Timestamp;

/// Keeps nodes and invites.
///
/// Everything survives a restart of the hub. Once a method returns `Ok`, its effect survives a
/// crash, except that of [`Sighting::Beat`], which may be up to a minute old after one.
///
/// Invites live here because using one and making its node is one transaction.
///
/// ```
/// fn _dyn_compatible(_: &dyn cortex_core::registry::NodeRegistry) {}
/// ```
#[async_trait]
pub trait NodeRegistry: Send + Sync + std::fmt::Debug {
    /// Stores a new invite, or withdraws one that nobody used, and returns it as it then is.
    ///
    /// # Errors
    /// `Exists`: an invite of that id is stored. `NotFound`: none of that id.
    /// `Precondition`: the invite to withdraw was used already.
    ///
    /// # Cancel safety
    /// If the future is dropped, the effect may or may not be stored.
    async fn invite(&self, act: InviteAct, now: Timestamp) -> Result<Invite>;

    /// Lists the invites of `owner`, or all, newest first.
    ///
    /// # Errors
    /// Only those of the backend.
    async fn invites(&self, owner: Option<UserId>) -> Result<Vec<Invite>>;

    /// Uses an invite and makes its node, both or neither.
    ///
    /// A repeat with the same invite, secret and identity within
    /// [`REPLAY_WINDOW`](crate::invite::REPLAY_WINDOW) returns the same node. If another live node
    /// of the owner has the name, the new one gets `-2`, `-3`, … behind it.
    ///
    /// # Errors
    /// `Denied`, with the code of [`InviteError`](crate::invite::InviteError): unknown, wrong,
    /// used, withdrawn or expired invite. `Exists`: a node with `enrolment.node` is stored.
    ///
    /// # Cancel safety
    /// If the future is dropped, the node may or may not be made; a repeat tells.
    async fn enroll(&self, enrolment: Enrolment, now: Timestamp) -> Result<Node>;

    /// Records that a node was seen, and returns its presence after that.
    ///
    /// # Errors
    /// `NotFound`: no such node. `Denied`: an opened stream of a node that is locked or retired.
    /// `Conflict`, code `fenced`: the sighting is of an older stream.
    ///
    /// # Cancel safety
    /// If the future is dropped, the sighting may or may not be stored.
    async fn touch(&self, id: NodeId, sighting: Sighting, now: Timestamp) -> Result<Presence>;

    /// Makes changes of a node, in their order, all or none, and returns it as it then is.
    ///
    /// # Errors
    /// `NotFound`: no such node, or a grant to take back that was never given. `Exists`: another
    /// live node of the owner has the new name. `Precondition`: the node is retired. `Invalid` or
    /// `Exhausted`: a grant that cannot be given. Of a renewal, `Denied`: the node is locked;
    /// `Conflict`, code `generation_stale`: it was made already, for another key. Of a change of the
    /// identity key, `Denied`: the node is locked; `Conflict`, code `identity_stale`: the key has
    /// been replaced by another one; `Invalid`, code `identity_reused`; `Exhausted`, code
    /// `too_many_identity_keys`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the changes may or may not be stored.
    async fn amend(&self, id: NodeId, changes: Vec<NodeChange>, now: Timestamp) -> Result<Node>;

    /// Returns a node; retired ones too.
    ///
    /// # Errors
    /// `NotFound`: no such node.
    async fn get(&self, id: NodeId) -> Result<Node>;

    /// Lists the nodes that fit, by name, then by id.
    ///
    /// # Errors
    /// Only those of the backend.
    async fn list(&self, filter: NodeFilter) -> Result<Vec<Node>>;
}

/// What to do with an invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InviteAct {
    /// Store it.
    Issue(Invite),
    /// Make it useless.
    Withdraw(InviteId),
}

/// What a node brings to enrol.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolment {
    /// The invite's public half.
    pub invite: InviteId,
    /// SHA-256 of the secret that the node presented.
    pub secret_digest: [u8; 32],
    /// The id that the hub chose for the node.
    pub node: NodeId,
    /// The node's Ed25519 identity key, possession of which it has proved.
    pub identity: [u8; 32],
    /// Its software's version.
    pub version: String,
}

/// A change of a node: by its owner, or by the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeChange {
    /// Gives it another name.
    Rename(String),
    /// Replaces all its labels.
    Relabel(BTreeMap<String, String>),
    /// Sends new tasks elsewhere, or here again.
    Cordon(bool),
    /// Refuses its streams until unlocked, or lets it in again.
    Lock(bool),
    /// Locks it because the hub has this suspicion; unlocking it drops the suspicion.
    Suspect(Suspicion),
    /// Moves its join state on; of several that start from one generation, one succeeds.
    Renew(Renewal),
    /// Replaces its identity key and keeps the former one in mind; of several that start from one
    /// key, one succeeds.
    Rekey(Rekey),
    /// Removes it for ever: its id is kept so that it is never used again.
    Retire,
    /// Shares it with a user, or changes for what it is shared with them.
    Grant(UserId, Grant),
    /// Shares it with a user no more.
    Ungrant(UserId),
}

/// Which nodes to list. The default lists all that are not retired.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeFilter {
    /// Only those of this user.
    pub owner: Option<UserId>,
    /// Only those that this user owns, or that are shared with them.
    pub visible_to: Option<UserId>,
    /// Only those with these labels.
    pub labels: Option<Selector>,
    /// Retired ones too.
    pub retired: bool,
}

impl NodeFilter {
    /// Whether `node` fits.
    #[must_use]
    pub fn fits(&self, node: &Node) -> bool {
        let is_visible_to = |user: UserId| node.owner == user || node.grants.contains_key(&user);
        self.owner.is_none_or(|owner| node.owner == owner)
            && self.visible_to.is_none_or(is_visible_to)
            && self.labels.as_ref().is_none_or(|labels| labels.matches(&node.labels))
            && (self.retired || node.admission != Admission::Retired)
    }
}

/// The first of `name`, `name-2`, `name-3`, … that is not taken.
#[must_use]
pub fn free_name(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2u32..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|candidate| !is_taken(candidate))
        .expect("the numbers do not end before the nodes do")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trait_is_dyn_compatible() {
        fn _takes(_: &dyn NodeRegistry) {}
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let taken = ["lab", "lab-2"];
        assert_eq!(free_name("lab", |name| taken.contains(&name)), "lab-3");
        assert_eq!(free_name("new", |name| taken.contains(&name)), "new");
    }
}
