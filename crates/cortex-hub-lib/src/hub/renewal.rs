//! Certificates are renewed, and copies of a node are told from it.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::audit::Actor;
use cortex_core::id::NodeId;
use cortex_core::node::Node;
use cortex_core::node::Renewal;
use cortex_core::node::Suspicion;
use cortex_core::proof;
use cortex_core::proof::CHALLENGE_LEN;
use cortex_core::registry::NodeChange;

use super::Hub;
use super::admission::check_admission;
use super::admission::check_proof;
use super::nodes::change_noted;
use crate::clock;
use crate::trust::challenge::Subject;
use crate::trust::node_certificate::NodeCertificate;
use crate::trust::node_certificate::TlsPublicKey;

/// What a node proves when it renews its certificate.
#[derive(Debug)]
pub(crate) struct RenewalClaim {
    pub(crate) node: NodeId,
    pub(crate) challenge: [u8; CHALLENGE_LEN],
    pub(crate) generation: u64,
    pub(crate) csr: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// What a node has got by a renewal.
#[derive(Debug)]
pub(crate) struct Renewed {
    pub(crate) generation: u64,
    pub(crate) certificate: NodeCertificate,
}

impl Hub {
    /// A challenge for a node that renews; unknown nodes get one just like known ones.
    pub(crate) fn renewal_challenge(&self, node: NodeId) -> Result<[u8; CHALLENGE_LEN]> {
        self.trust().challenges().issue(Subject::Renewal(node), clock::now())
    }

    /// Moves a node on to the next generation and issues its next certificate. A node that is
    /// behind is locked.
    pub(crate) async fn renew_certificate(&self, claim: RenewalClaim) -> Result<Renewed> {
        let (hub, node) = (self.clone(), claim.node);
        let renewed = self.finish(async move { hub.renew(claim).await }).await;
        if let Err(error) = &renewed {
            self.node_refused(node, error).await;
        }
        renewed
    }

    async fn renew(&self, claim: RenewalClaim) -> Result<Renewed> {
        let now = clock::now();
        let RenewalClaim { node: id, challenge, generation, csr, signature } = claim;
        self.trust().challenges().redeem(&challenge, Subject::Renewal(id), now)?;
        let node = self.known_node(id).await?;
        let proof = proof::renewal(self.id(), id, &challenge, generation, &csr);
        check_proof(&node.identity, &proof, &signature)?;
        check_admission(&node)?;
        let key = TlsPublicKey::from_request(&csr)?;
        let change = NodeChange::Renew(Renewal { generation, key: key.digest() });
        let note = change_noted(Actor::Hub, &node, &change);
        let amended = self.inner.registry.amend(id, vec![change], now);
        let node = match self.recorded(note, amended).await {
            Err(error) if error.code() == "generation_stale" => {
                return Err(self.suspect(&node, Suspicion::Cloned).await);
            }
            renewed => renewed?,
        };
        let generation = node.join.generation;
        tracing::info!(node = %id, name = %node.name, generation, "node certificate renewed");
        Ok(Renewed { generation, certificate: self.certify(id, &key, now)? })
    }

    /// Locks a node that cannot be told from its copy: its stream is cut, its owner is shown why.
    /// Returns what whoever came is answered.
    pub(super) async fn suspect(&self, node: &Node, suspicion: Suspicion) -> Error {
        let change = NodeChange::Suspect(suspicion);
        let note = change_noted(Actor::Hub, node, &change);
        let locked = match self.amend(node.id, vec![change], note).await {
            Ok(node) => node,
            Err(error) => return error,
        };
        tracing::warn!(node = %locked.id, name = %locked.name, reason = suspicion.word(), "node locked");
        let message = match suspicion {
            Suspicion::Flapping => {
                "two processes with this node's identity keep throwing each other out"
            }
            _ => "a copy of this node's data directory is in use: one of the two is behind",
        };
        Error::new(ErrorKind::Denied, "authenticate node", message)
            .with_code("node_locked")
            .with_hint("end the copy, let the owner unlock the node, and start it again")
    }
}
