//! The errors of a [`NodeRegistry`](super::NodeRegistry), worded once for all backends.

use crate::error::Error;
use crate::error::Kind;
use crate::id::InviteId;
use crate::id::NodeId;
use crate::invite::InviteError;
use crate::node::Fenced;
use crate::node::MAX_GRANTS;
use crate::node::MAX_IDENTITY_KEYS;
use crate::node::Stale;

/// `NotFound`, code `node_not_found`: no node has this id.
#[must_use]
pub fn node_not_found(id: NodeId) -> Error {
    let message = format!("there is no node {id}");
    Error::new(Kind::NotFound, "find node", message).with_code("node_not_found")
}

/// `Exists`, code `node_exists`: a node of this id is stored, or was before it was retired.
#[must_use]
pub fn node_exists(id: NodeId) -> Error {
    let message = format!("the id {id} is used already");
    Error::new(Kind::Exists, "enrol node", message).with_code("node_exists")
}

/// `Exists`, code `name_taken`: another live node of the owner has this name.
#[must_use]
pub fn name_taken(name: &str) -> Error {
    let message = format!("another node is called \"{name}\"");
    Error::new(Kind::Exists, "rename node", message)
        .with_code("name_taken")
        .with_hint("choose another name, or remove that node first")
}

/// `Precondition`, code `node_retired`: the node was removed, and what is removed does not change.
#[must_use]
pub fn node_removed(name: &str) -> Error {
    let message = format!("node \"{name}\" was removed");
    Error::new(Kind::Precondition, "change node", message).with_code("node_retired")
}

/// `Invalid`, code `grant_to_owner`: a node is not shared with its own owner.
#[must_use]
pub fn grant_to_owner(name: &str) -> Error {
    let message = format!("node \"{name}\" is that user's own");
    Error::new(Kind::Invalid, "share node", message).with_code("grant_to_owner")
}

/// `Exhausted`, code `too_many_grants`: the node is shared with as many users as can be.
#[must_use]
pub fn too_many_grants(name: &str) -> Error {
    let message = format!("node \"{name}\" is shared with {MAX_GRANTS} users already");
    Error::new(Kind::Exhausted, "share node", message).with_code("too_many_grants")
}

/// `NotFound`, code `grant_not_found`: the node is not shared with that user.
#[must_use]
pub fn grant_not_found(name: &str) -> Error {
    let message = format!("node \"{name}\" is not shared with that user");
    Error::new(Kind::NotFound, "unshare node", message)
        .with_code("grant_not_found")
        .with_hint("cortex-cli node shares NODE")
}

/// `Conflict`, code `identity_stale`: the key that is to be replaced counts no more.
#[must_use]
pub fn identity_stale(name: &str) -> Error {
    let message = format!("node \"{name}\" has another identity key by now");
    Error::new(Kind::Conflict, "replace identity key", message).with_code("identity_stale")
}

/// `Invalid`, code `identity_reused`: the node has this key, or had it before.
#[must_use]
pub fn identity_reused(name: &str) -> Error {
    let message = format!("node \"{name}\" has or had this key already");
    Error::new(Kind::Invalid, "replace identity key", message)
        .with_code("identity_reused")
        .with_hint("make a new key")
}

/// `Exhausted`, code `too_many_identity_keys`: the node has had as many as it can.
#[must_use]
pub fn too_many_identity_keys(name: &str) -> Error {
    let message = format!("node \"{name}\" has had {MAX_IDENTITY_KEYS} identity keys");
    Error::new(Kind::Exhausted, "replace identity key", message)
        .with_code("too_many_identity_keys")
        .with_hint("remove the node, and enrol the machine anew")
}

/// `NotFound`, code `invite_not_found`: no invite has this id.
///
/// For those who look after invites; whoever presents an unknown one is answered as if its secret
/// were wrong, with [`InviteError::WrongSecret`].
#[must_use]
pub fn invite_not_found(id: InviteId) -> Error {
    let message = format!("there is no invite {id}");
    Error::new(Kind::NotFound, "find invite", message).with_code("invite_not_found")
}

/// `Exists`, code `invite_exists`: an invite of this id is stored.
#[must_use]
pub fn invite_exists(id: InviteId) -> Error {
    let message = format!("the id {id} is used already");
    Error::new(Kind::Exists, "issue invite", message).with_code("invite_exists")
}

/// `Denied`, with the code of the reason.
impl From<InviteError> for Error {
    fn from(error: InviteError) -> Self {
        Error::new(Kind::Denied, "enrol node", error.to_string())
            .with_code(error.code())
            .with_hint("ask for a new invite")
    }
}

/// `Conflict`, code `fenced`.
impl From<Fenced> for Error {
    fn from(error: Fenced) -> Self {
        Error::new(Kind::Conflict, "record sighting", error.to_string()).with_code("fenced")
    }
}

/// `Conflict`, code `generation_stale`.
impl From<Stale> for Error {
    fn from(error: Stale) -> Self {
        Error::new(Kind::Conflict, "renew certificate", error.to_string())
            .with_code("generation_stale")
    }
}
