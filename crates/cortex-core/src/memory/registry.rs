//! Nodes and invites in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use async_trait::async_trait;

use crate::error::Result;
use crate::id::InviteId;
use crate::id::NodeId;
use crate::id::UserId;
use crate::invite::Invite;
use crate::invite::InviteError;
use crate::node::Admission;
use crate::node::Node;
use crate::node::Presence;
use crate::node::Sighting;
use crate::registry::Enrolled;
use crate::registry::Enrolment;
use crate::registry::InviteAct;
use crate::registry::NodeChange;
use crate::registry::NodeFilter;
use crate::registry::NodeRegistry;
use crate::registry::refusal;
use crate::timestamp::Timestamp;

/// A [`NodeRegistry`] that holds everything in memory and forgets it when it is dropped.
///
/// For tests, and for hubs that need not survive a restart. Every operation takes effect at once
/// or not at all; none waits.
#[derive(Debug, Default)]
pub struct MemoryNodeRegistry {
    state: Mutex<State>,
}

impl MemoryNodeRegistry {
    /// Makes an empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Changes are made on copies, so even a panic in between leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl NodeRegistry for MemoryNodeRegistry {
    async fn invite(&self, act: InviteAct, now: Timestamp) -> Result<Invite> {
        self.lock().invite(act, now)
    }

    async fn invites(&self, owner: Option<UserId>) -> Result<Vec<Invite>> {
        let state = self.lock();
        let fits = |invite: &&Invite| owner.is_none_or(|owner| invite.owner == owner);
        let mut found: Vec<_> = state.invites.values().filter(fits).cloned().collect();
        found.sort_by_key(|invite| Reverse((invite.created_at, invite.id)));
        Ok(found)
    }

    async fn enroll(&self, enrolment: Enrolment, now: Timestamp) -> Result<Node> {
        self.lock().enroll(&enrolment, now)
    }

    async fn touch(&self, id: NodeId, sighting: Sighting, now: Timestamp) -> Result<Presence> {
        let mut state = self.lock();
        let mut node = state.node(id)?.clone();
        node.sight(sighting, now)?;
        let presence = node.presence.clone();
        state.nodes.insert(id, node);
        Ok(presence)
    }

    async fn amend(&self, id: NodeId, changes: Vec<NodeChange>, _now: Timestamp) -> Result<Node> {
        self.lock().amend(id, changes)
    }

    async fn get(&self, id: NodeId) -> Result<Node> {
        self.lock().node(id).cloned()
    }

    async fn list(&self, filter: NodeFilter) -> Result<Vec<Node>> {
        let state = self.lock();
        let fits = |node: &&Node| filter.fits(node);
        let mut found: Vec<_> = state.nodes.values().filter(fits).cloned().collect();
        found.sort_by(|left, right| (&left.name, left.id).cmp(&(&right.name, right.id)));
        Ok(found)
    }
}

#[derive(Debug, Default)]
struct State {
    invites: BTreeMap<InviteId, Invite>,
    nodes: BTreeMap<NodeId, Node>,
}

impl State {
    fn node(&self, id: NodeId) -> Result<&Node> {
        self.nodes.get(&id).ok_or_else(|| refusal::node_not_found(id))
    }

    /// Whether a live node of `owner`, other than `except`, is called `name`.
    fn is_taken(&self, owner: UserId, name: &str, except: Option<NodeId>) -> bool {
        self.nodes.values().any(|node| {
            node.owner == owner
                && node.name == name
                && node.admission != Admission::Retired
                && Some(node.id) != except
        })
    }

    fn invite(&mut self, act: InviteAct, now: Timestamp) -> Result<Invite> {
        let invite = match act {
            InviteAct::Issue(invite) if self.invites.contains_key(&invite.id) => {
                return Err(refusal::invite_exists(invite.id));
            }
            InviteAct::Issue(invite) => invite,
            InviteAct::Withdraw(id) => {
                let stored = self.invites.get(&id);
                let mut invite = stored.ok_or_else(|| refusal::invite_not_found(id))?.clone();
                invite.withdraw(now)?;
                invite
            }
        };
        self.invites.insert(invite.id, invite.clone());
        Ok(invite)
    }

    fn enroll(&mut self, enrolment: &Enrolment, now: Timestamp) -> Result<Node> {
        let stored = self.invites.get(&enrolment.invite);
        // Whoever guesses an id learns no more than whoever guesses a secret.
        let mut invite = stored.ok_or(InviteError::WrongSecret)?.clone();
        let owner = invite.owner;
        let enrolled = invite.enroll(enrolment, |name| self.is_taken(owner, name, None), now)?;
        match enrolled {
            Enrolled::Replay(node) => self.node(node).cloned(),
            Enrolled::New(node) if self.nodes.contains_key(&node.id) => {
                Err(refusal::node_exists(node.id))
            }
            Enrolled::New(node) => {
                self.invites.insert(invite.id, invite);
                self.nodes.insert(node.id, Node::clone(&node));
                Ok(*node)
            }
        }
    }

    fn amend(&mut self, id: NodeId, changes: Vec<NodeChange>) -> Result<Node> {
        let mut node = self.node(id)?.clone();
        node.amend(changes)?;
        // A live node's name is its own, so only a new one can be taken.
        if node.admission != Admission::Retired && self.is_taken(node.owner, &node.name, Some(id)) {
            return Err(refusal::name_taken(&node.name));
        }
        self.nodes.insert(id, node.clone());
        Ok(node)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        contract::node_registry(async || {
            Arc::new(MemoryNodeRegistry::new()) as Arc<dyn NodeRegistry>
        })
        .await;
    }
}
