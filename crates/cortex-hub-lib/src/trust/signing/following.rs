//! One node's view of the rings: what it is to trust, and what signs for it.

use std::fmt;
use std::sync::Arc;

use cortex_core::bundle;
use cortex_core::id::NodeId;
use tokio::sync::watch;

use super::NodeSigner;
use super::Rings;
use super::TaskSigner;

/// What one node is to trust and what signs for it; keep it as long as the node's link.
///
/// Bundle and signer are always of the same rings. They stay as they are until
/// [`advance`](Self::advance), so that the link can tell the node of new keys, signed with the
/// former one, before it uses them: messages keep their order, and the node is never asked to
/// believe a key that it does not know.
pub struct Following {
    issuer: Arc<TaskSigner>,
    node: NodeId,
    rings: watch::Receiver<Arc<Rings>>,
    seen: Arc<Rings>,
    signer: NodeSigner,
}

impl Following {
    pub(super) fn new(issuer: Arc<TaskSigner>, node: NodeId) -> Self {
        let mut rings = issuer.rings.clone();
        let seen = rings.borrow_and_update().clone();
        let signer = issuer.signer(node, &seen);
        Self { issuer, node, rings, seen, signer }
    }

    /// What signs for the node.
    #[must_use]
    pub fn signer(&self) -> &NodeSigner {
        &self.signer
    }

    /// What the node is to trust.
    #[must_use]
    pub fn bundle(&self) -> bundle::Signed {
        self.issuer.bundle(self.node, &self.seen)
    }

    /// Resolves once the rings have changed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) {
        if self.rings.changed().await.is_err() {
            // The hub is going; nothing changes any more.
            std::future::pending::<()>().await;
        }
    }

    /// Goes on to the newest rings, and returns the signer of the former ones.
    pub fn advance(&mut self) -> NodeSigner {
        self.seen = self.rings.borrow_and_update().clone();
        let signer = self.issuer.signer(self.node, &self.seen);
        std::mem::replace(&mut self.signer, signer)
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following")
            .field("node", &self.node)
            .field("serial", &self.seen.serial)
            .finish_non_exhaustive()
    }
}
