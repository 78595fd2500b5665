//! Whom the node obeys, and how that changes.

use std::sync::Arc;

use cortex_core::bundle;
use cortex_core::bundle::Bundle;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use ed25519_dalek::VerifyingKey;

use super::Runner;
use crate::uplink::SealedBundle;

/// Whom the node obeys.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    /// The hub that the node enrolled with.
    pub(crate) hub: HubId,
    /// The node itself.
    pub(crate) node: NodeId,
    /// The keys that sign for it while there is no bundle.
    pub(crate) task_keys: Vec<VerifyingKey>,
    /// The key that signs bundles; without it, none is taken.
    pub(crate) anchor: Option<VerifyingKey>,
    /// The newest bundle: whom the node trusts now.
    pub(crate) bundle: Option<Arc<Bundle>>,
}

impl Authority {
    /// Verifies a bundle, and trusts from now on what it says. `None`: the node trusts that
    /// already, or has no anchor to verify bundles with.
    ///
    /// # Errors
    /// Why the bundle is not one of this hub for this node, or is an older one.
    pub(crate) fn trust(
        &mut self,
        sealed: &SealedBundle,
    ) -> Result<Option<Arc<Bundle>>, bundle::Refusal> {
        let Some(anchor) = &self.anchor else { return Ok(None) };
        let held = self.bundle.as_deref();
        let expected = bundle::Expected { anchor, hub: self.hub, node: self.node, held };
        let newest = bundle::verify(&sealed.bundle, &sealed.signature, &expected)?;
        if held == Some(&newest) {
            return Ok(None);
        }
        let newest = Arc::new(newest);
        self.bundle = Some(Arc::clone(&newest));
        Ok(Some(newest))
    }
}

impl Runner {
    /// Trusts what a bundle says, and keeps it. Says whether the bundle was taken.
    ///
    /// The few milliseconds of writing are waited for: what follows may be signed with a new key.
    pub(super) fn trust(&mut self, sealed: &SealedBundle) -> bool {
        match self.guard.trust(sealed) {
            Ok(None) => {}
            Ok(Some(bundle)) => {
                let serial = bundle.serial;
                match self.floor.identity.keep_bundle(&sealed.bundle, &sealed.signature) {
                    Ok(()) => {
                        tracing::info!(serial, "the hub's keys have changed");
                        self.trusted.send_replace(Some(bundle));
                    }
                    // The hub is not told that the node has it, and waits or sends it again.
                    Err(error) => tracing::error!(serial, %error, "a trust bundle is not kept"),
                }
            }
            Err(refusal) => {
                tracing::error!(%refusal, "a trust bundle is refused");
                return false;
            }
        }
        true
    }
}
