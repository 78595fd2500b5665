//! Connects to the hub by what the node knows of it now, and finds back to a hub that has replaced its
//! authority meanwhile.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use tokio::sync::oneshot;
use tonic::transport::Channel;

use super::Downlink;
use super::Sealed;
use super::SealedBundle;
use super::Uplink;
use super::connect;
use super::connect::Door;
use super::now;
use super::pin::Roots;
use super::recovery;

impl Uplink {
    /// Connects to the hub. Where an unknown authority signed for it, the node may have been away
    /// while that was replaced: it asks for its bundle, and tries once more if that is good.
    ///
    /// # Errors
    /// As [`connect::dial`].
    pub(super) async fn dial(&self, door: Door<'_>) -> Result<Channel> {
        match connect::dial(&self.destination, self.roots()?, door).await {
            Err(error) if error.code() == connect::MISMATCH && self.recover().await => {
                connect::dial(&self.destination, self.roots()?, door).await
            }
            dialled => dialled,
        }
    }

    fn roots(&self) -> Result<Roots> {
        Roots::of(self.trusted.borrow().as_deref(), &self.destination, now())
    }

    /// Gets the newest bundle from whoever answers. Says whether it was taken.
    async fn recover(&self) -> bool {
        tracing::info!("the hub's authority is unknown: asking for the trust bundle");
        let fetched = recovery::fetch(&self.destination, self.membership.node);
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

    /// Hands a bundle on; what comes after it is judged by it. Answers whether it was taken.
    pub(super) async fn hand_on(&self, bundle: SealedBundle) -> Result<oneshot::Receiver<bool>> {
        let (taken, is_taken) = oneshot::channel();
        self.deliver(Downlink::Trust { bundle, taken }).await?;
        Ok(is_taken)
    }

    /// Hands on a verdict about the node; the key that signed it may have come while the node was away.
    pub(super) async fn hear(&self, channel: &Channel, verdict: Sealed) -> Result<()> {
        let fetched = recovery::fetch_over(channel.clone(), self.membership.node);
        match Box::pin(fetched).await {
            Ok(bundle) => drop(self.hand_on(bundle).await?),
            Err(error) => tracing::warn!(%error, "no trust bundle"),
        }
        self.deliver(Downlink::Apart(verdict)).await
    }

    /// Hands on what came down.
    pub(super) async fn deliver(&self, downlink: Downlink) -> Result<()> {
        self.inbox.send(downlink).await.map_err(|_| nobody_takes())
    }
}

pub(super) fn nobody_takes() -> Error {
    Error::new(ErrorKind::Internal, "take messages", "nobody takes what the hub sends")
}
