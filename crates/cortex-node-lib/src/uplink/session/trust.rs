//! Whom a session trusts: which authorities it dials by, the bundles that come with the hub's
//! answers, and the way back for a node that knows none of the hub's authorities any more.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::bundle::Bundle;
use cortex_proto::v1;
use cortex_proto::v1::node_message::Body as Up;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tonic::transport::Channel;

use super::Session;
use super::say;
use crate::uplink::Downlink;
use crate::uplink::SealedBundle;
use crate::uplink::calls::Registration;
use crate::uplink::connect;
use crate::uplink::now;
use crate::uplink::pin::Roots;
use crate::uplink::recovery;
use crate::uplink::upstream::Control;

impl Session<'_> {
    /// Connects to the hub. Where an unknown authority signed for it, the node may have been away
    /// while that was replaced: it asks for its bundle, and tries once more if that is good.
    pub(super) async fn dial(&self) -> Result<Channel> {
        let destination = &self.uplink.destination;
        match connect::dial(destination, self.roots()?).await {
            Err(error) if error.code() == connect::MISMATCH && self.recover().await => {
                connect::dial(destination, self.roots()?).await
            }
            dialled => dialled,
        }
    }

    fn roots(&self) -> Result<Roots> {
        match &*self.uplink.trusted.borrow() {
            Some(bundle) => Ok(Roots::bundled(bundle, now())),
            None => Roots::configured(&self.uplink.destination),
        }
    }

    /// Gets the newest bundle from whoever answers. Says whether it was taken.
    async fn recover(&self) -> bool {
        tracing::info!("the hub's authority is unknown: asking for the trust bundle");
        let fetched = recovery::fetch(&self.uplink.destination, self.uplink.membership.node);
        match Box::pin(fetched).await {
            Ok(bundle) => match self.hand_on(bundle).await {
                Ok(taken) => taken.await.unwrap_or(false),
                Err(_) => false,
            },
            Err(error) => {
                tracing::warn!(%error, "no trust bundle");
                false
            }
        }
    }

    async fn hand_on(&self, bundle: SealedBundle) -> Result<oneshot::Receiver<bool>> {
        let (taken, is_taken) = oneshot::channel();
        self.deliver(Downlink::Trust { bundle, taken }).await?;
        Ok(is_taken)
    }

    /// Hands a bundle on, if there is one; what comes after it is judged by it.
    pub(super) async fn trust(&self, bundle: Option<SealedBundle>) -> Result<()> {
        if let Some(bundle) = bundle {
            self.hand_on(bundle).await?;
        }
        Ok(())
    }

    /// Hands on what the hub wants: whom to trust, then what that one signed.
    pub(super) async fn configure(&self, registration: &Registration) -> Result<()> {
        self.trust(registration.bundle.clone()).await?;
        self.deliver(Downlink::Policy(registration.policy.clone())).await
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
