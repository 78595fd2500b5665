//! Whom a session trusts: the bundles that come with the hub's answers, and that the hub is told of
//! those that were taken.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::bundle::Bundle;
use cortex_proto::v1;
use cortex_proto::v1::node_message::Body as Up;
use tokio::sync::mpsc;
use tokio::sync::watch;

use super::Session;
use super::say;
use crate::uplink::Downlink;
use crate::uplink::SealedBundle;
use crate::uplink::calls::Registration;
use crate::uplink::upstream::Control;

impl Session<'_> {
    /// Hands a bundle on, if there is one; what comes after it is judged by it.
    pub(super) async fn trust(&self, bundle: Option<SealedBundle>) -> Result<()> {
        if let Some(bundle) = bundle {
            self.uplink.hand_on(bundle).await?;
        }
        Ok(())
    }

    /// Hands on what the hub wants: whom to trust, then what that one signed.
    pub(super) async fn configure(&self, registration: &Registration) -> Result<()> {
        self.trust(registration.bundle.clone()).await?;
        self.uplink.deliver(Downlink::Apart(registration.policy.clone())).await
    }
}

/// Tells the hub which bundle the node has, now and after each change.
pub(super) async fn tell(
    mut trusted: watch::Receiver<Option<Arc<Bundle>>>,
    control: mpsc::Sender<Control>,
) -> Error {
    loop {
        let serial = trusted.borrow_and_update().as_ref().map(|bundle| bundle.serial);
        if let Some(serial) = serial
            && let Err(error) = say(&control, Up::Adopted(v1::TrustAdopted { serial })).await
        {
            return error;
        }
        if trusted.changed().await.is_err() {
            // Nobody changes it any more.
            std::future::pending::<()>().await;
        }
    }
}
