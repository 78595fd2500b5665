//! Identity keys are replaced: by whoever holds the old one and the new one.

use std::sync::Arc;

use cortex_core::Result;
use cortex_core::audit::Actor;
use cortex_core::id::NodeId;
use cortex_core::node::Rekey;
use cortex_core::proof;
use cortex_core::proof::CHALLENGE_LEN;
use cortex_core::registry::NodeChange;

use super::Hub;
use super::admission::check_admission;
use super::admission::check_proof;
use super::admission::unproved;
use super::nodes::change_noted;
use crate::clock;
use crate::feed::Change;
use crate::link::CloseReason;
use crate::trust::challenge::Subject;
use crate::trust::token::Holder;

/// What a node proves when it replaces its identity key.
#[derive(Debug)]
pub(crate) struct RekeyClaim {
    pub(crate) node: NodeId,
    pub(crate) challenge: [u8; CHALLENGE_LEN],
    pub(crate) from: [u8; 32],
    pub(crate) to: [u8; 32],
    /// Of the old key.
    pub(crate) by_old: Vec<u8>,
    /// Of the new key.
    pub(crate) by_new: Vec<u8>,
}

impl Hub {
    /// A challenge for a node that replaces its key; unknown nodes get one just like known ones.
    pub(crate) fn rekey_challenge(&self, node: NodeId) -> Result<[u8; CHALLENGE_LEN]> {
        self.trust().challenges().issue(Subject::Rekey(node), clock::now())
    }

    /// Replaces a node's identity key; what the old one has opened is shut.
    pub(crate) async fn rekey(&self, claim: RekeyClaim) -> Result<()> {
        let (hub, node) = (self.clone(), claim.node);
        let rekeyed = self.finish(async move { hub.try_rekey(claim).await }).await;
        if let Err(error) = &rekeyed {
            self.node_refused(node, error).await;
        }
        rekeyed
    }

    async fn try_rekey(&self, claim: RekeyClaim) -> Result<()> {
        let now = clock::now();
        let RekeyClaim { node: id, challenge, from, to, by_old, by_new } = claim;
        self.trust().challenges().redeem(&challenge, Subject::Rekey(id), now)?;
        let node = self.known_node(id).await?;
        let rekey = Rekey { from, to, at: now };
        let is_repeat = node.has_rekeyed(&rekey);
        if node.identity != from && !is_repeat {
            return Err(unproved());
        }
        let proof = proof::identity_change(self.id(), id, &challenge, &from, &to);
        check_proof(&from, &proof, &by_old)?;
        check_proof(&to, &proof, &by_new)?;
        check_admission(&node)?;
        if is_repeat {
            // Whatever is open was opened with the new key.
            return Ok(());
        }
        let change = NodeChange::Rekey(rekey);
        let note = change_noted(Actor::Node(id), &node, &change);
        let amended = self.inner.registry.amend(id, vec![change], now);
        let node = Arc::new(self.recorded(note, amended).await?);
        self.trust().tokens().revoke(Holder::Node(id), now);
        if let Some(link) = self.inner.links.get(id) {
            link.update(Arc::clone(&node));
            link.close(CloseReason::Rekeyed);
        }
        tracing::info!(node = %id, name = %node.name, "identity key replaced");
        let mut shown = (*node).clone();
        self.inner.links.overlay(&mut shown);
        self.inner.feed.announce(Change::Node(Arc::new(shown)));
        Ok(())
    }
}
