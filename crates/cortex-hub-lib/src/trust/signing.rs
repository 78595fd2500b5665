//! The keys that sign what nodes are told: one for each node, derived, never stored.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use cortex_core::Result;
use cortex_core::envelope::Envelope;
use cortex_core::envelope::KeyId;
use cortex_core::envelope::Signed;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use sha2::Digest as _;
use sha2::Sha256;

use super::Vault;
use super::master::Master;

/// Sets this derivation apart from all others of the same master.
const DOMAIN: &[u8] = b"cortex/node-task-key/v1\0";

/// The epoch of a node's first task key.
pub const FIRST_KEY_EPOCH: u32 = 1;

/// Derives the task keys of nodes.
pub struct TaskSigner {
    hub: HubId,
    master: Arc<Master>,
    nonces: [u8; 32],
    signers: AtomicU64,
}

/// One node's task key; keep it as long as the node's link. Erased from memory when dropped.
pub struct NodeSigner {
    hub: HubId,
    node: NodeId,
    key: SigningKey,
    id: KeyId,
    first_nonce: u128,
    signed: AtomicU64,
}

impl TaskSigner {
    /// Takes the hub's id and master from an open vault.
    ///
    /// # Errors
    /// `Internal`: the system gives no random bytes.
    pub fn new(vault: &Vault) -> Result<Self> {
        Ok(Self {
            hub: vault.hub,
            master: Arc::clone(&vault.master),
            nonces: super::random("make nonces")?,
            signers: AtomicU64::new(0),
        })
    }

    /// The signer of `node`, with its first task key. Takes some 20 µs.
    #[must_use]
    pub fn for_node(&self, node: NodeId) -> NodeSigner {
        self.for_epoch(node, FIRST_KEY_EPOCH)
    }

    /// The signer of `node` with the task key of `key_epoch`; the same two always give the same
    /// key.
    #[must_use]
    pub fn for_epoch(&self, node: NodeId, key_epoch: u32) -> NodeSigner {
        let epoch = key_epoch.to_be_bytes();
        let seed = self.master.derive(&[DOMAIN, self.hub.as_bytes(), node.as_bytes(), &epoch]);
        let key = SigningKey::from_bytes(&seed);
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

    /// The public half, which the node gets at enrolment.
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
