//! Countersigns how attempts end, with the node's identity key.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use cortex_core::digest::Digest;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::receipt;
use cortex_core::receipt::Output;
use cortex_core::receipt::Receipt;
use cortex_core::task::Outcome;
use ed25519_dalek::SigningKey;

use crate::uplink::AttemptKey;

/// The signed order that an attempt answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mandate {
    pub(super) session: SessionId,
    /// SHA-256 of the envelope.
    pub(super) envelope: Digest,
}

/// Signs receipts.
pub(super) struct Witness {
    hub: HubId,
    node: NodeId,
    key: Arc<SigningKey>,
}

impl Witness {
    pub(super) fn new(hub: HubId, node: NodeId, key: Arc<SigningKey>) -> Self {
        Self { hub, node, key }
    }

    /// Countersigns the end of an attempt. Takes some 16 µs.
    pub(super) fn attest(
        &self,
        key: AttemptKey,
        mandate: Mandate,
        outcome: &Outcome,
        output: Output,
    ) -> Arc<receipt::Signed> {
        let receipt = Receipt {
            hub: self.hub,
            node: self.node,
            session: mandate.session,
            task: key.task,
            attempt: key.attempt,
            envelope: mandate.envelope,
            ending: outcome.into(),
            output,
            at: SystemTime::now().into(),
        };
        Arc::new(receipt.sign(&self.key))
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("node", &self.node).finish_non_exhaustive()
    }
}
