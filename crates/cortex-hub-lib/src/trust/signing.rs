//! The keys that sign what nodes are told: one for each node and signing master, derived, never
//! stored; and the trust anchor, which signs the bundles that tell nodes these keys.

mod following;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use cortex_core::Result;
use cortex_core::bundle;
use cortex_core::bundle::Bundle;
use cortex_core::bundle::Trusted;
use cortex_core::envelope::Envelope;
use cortex_core::envelope::KeyId;
use cortex_core::envelope::Signed;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::timestamp::Timestamp;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::sync::watch;

use super::Vault;
use super::master::Master;
use super::rings::Member;
use super::rings::Rings;

pub use following::Following;

/// Sets this derivation apart from all others of the same master.
const DOMAIN: &[u8] = b"cortex/node-task-key/v1\0";

/// Derives the task keys of nodes, and signs the bundles that tell them.
pub struct TaskSigner {
    hub: HubId,
    anchor: SigningKey,
    rings: watch::Receiver<Arc<Rings>>,
    nonces: [u8; 32],
    signers: AtomicU64,
}

/// One node's active task key. Erased from memory when dropped.
pub struct NodeSigner {
    hub: HubId,
    node: NodeId,
    key: SigningKey,
    id: KeyId,
    first_nonce: u128,
    signed: AtomicU64,
}

impl TaskSigner {
    /// Takes the hub's id, its anchor and its rings from an open vault.
    ///
    /// # Errors
    /// `Internal`: the system gives no random bytes.
    pub fn new(vault: &Vault) -> Result<Self> {
        Ok(Self {
            hub: vault.hub,
            anchor: vault.anchor.clone(),
            rings: vault.watch(),
            nonces: super::random("make nonces")?,
            signers: AtomicU64::new(0),
        })
    }

    /// The public half of the trust anchor, for a node's configuration.
    #[must_use]
    pub fn anchor(&self) -> VerifyingKey {
        self.anchor.verifying_key()
    }

    /// What `node` is to trust and what signs for it, now and after each change.
    #[must_use]
    pub fn follow(self: &Arc<Self>, node: NodeId) -> Following {
        Following::new(Arc::clone(self), node)
    }

    /// All keys that may sign for `node` now, the active one first.
    #[must_use]
    pub fn task_keys(&self, node: NodeId, now: Timestamp) -> Vec<VerifyingKey> {
        let rings = self.rings.borrow().clone();
        let keys = rings.signing.accepted(now);
        keys.map(|master| self.derive(node, master).verifying_key()).collect()
    }

    /// The signed bundle of `node`. It is the same for as long as the rings are.
    fn bundle(&self, node: NodeId, rings: &Rings) -> bundle::Signed {
        let authorities = rings.ca.members().map(|(member, phase)| {
            let key = member.key.certificate.to_vec();
            Trusted { key, phase }
        });
        let task_keys = rings.signing.members().map(|(master, phase)| {
            let key = self.derive(node, master).verifying_key();
            Trusted { key, phase }
        });
        let bundle = Bundle {
            hub: self.hub,
            node,
            serial: rings.serial.into(),
            issued_at: rings.changed_at,
            authorities: authorities.collect(),
            task_keys: task_keys.collect(),
        };
        bundle.sign(&self.anchor)
    }

    /// The task key of `node` that a master gives; the same two always give the same key.
    fn derive(&self, node: NodeId, master: &Member<Master>) -> SigningKey {
        let epoch = master.number.to_be_bytes();
        let info: [&[u8]; 4] = [DOMAIN, self.hub.as_bytes(), node.as_bytes(), &epoch];
        SigningKey::from_bytes(&master.key.derive(&info))
    }

    /// The signer of `node` with the active key of `rings`. Takes some 20 µs.
    fn signer(&self, node: NodeId, rings: &Rings) -> NodeSigner {
        let key = self.derive(node, rings.signing.active());
        // Envelope nonces have to differ, not to be unguessable: each signer counts up from a
        // random start, which saves a system call for each envelope.
        let signer = self.signers.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new().chain_update(self.nonces).chain_update(signer.to_be_bytes());
        let digest: [u8; 32] = digest.finalize().into();
        let mut start = [0; 16];
        start.copy_from_slice(&digest[..16]);
        NodeSigner {
            hub: self.hub,
            node,
            id: KeyId::of(&key.verifying_key()),
            key,
            first_nonce: u128::from_be_bytes(start),
            signed: AtomicU64::new(0),
        }
    }
}

impl NodeSigner {
    /// The node that it signs for.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The public half, as it stands in the node's bundle.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// The key's name in envelopes.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.id
    }

    /// Signs `envelope` after setting its key, hub, node and nonce. Takes some 16 µs.
    #[must_use]
    pub fn sign(&self, mut envelope: Envelope) -> Signed {
        let count = self.signed.fetch_add(1, Ordering::Relaxed);
        envelope.key = self.id;
        envelope.hub = self.hub;
        envelope.node = self.node;
        envelope.nonce = self.first_nonce.wrapping_add(u128::from(count)).to_be_bytes();
        envelope.sign(&self.key)
    }
}

impl fmt::Debug for TaskSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSigner").field("hub", &self.hub).finish_non_exhaustive()
    }
}

impl fmt::Debug for NodeSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSigner").field("node", &self.node).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
