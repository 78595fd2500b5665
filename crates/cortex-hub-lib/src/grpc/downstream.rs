//! What goes down a control stream: the handshake, then what the link is given, signed in order.

use std::sync::Arc;

use cortex_proto::convert::ControlAct;
use cortex_proto::convert::ControlOrder;
use cortex_proto::v1;
use cortex_proto::v1::hub_message::Body;
use futures::Stream;
use futures::stream;
use tokio::sync::mpsc;
use tonic::Status;

use super::plan::Plan;
use crate::clock;
use crate::link::CloseReason;
use crate::link::Down;
use crate::link::Link;
use crate::trust::signing::NodeSigner;

/// What the handshake puts on the stream.
#[derive(Debug)]
pub(super) enum Early {
    /// This message.
    Message(Body),
    /// The stream is open: from now on the link is served.
    Live(Box<Live>),
    /// The stream ends with this status.
    Refused(Status),
}

/// The served half of an open stream.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) link: Arc<Link>,
    pub(super) down: mpsc::Receiver<Down>,
    pub(super) signer: NodeSigner,
}

#[derive(Debug)]
struct Downstream {
    plan: Arc<Plan>,
    early: mpsc::Receiver<Early>,
    live: Option<Box<Live>>,
    sequence: u64,
    /// The hub's last word, once it was signed that the node may work no more.
    last: Option<Body>,
    ended: bool,
}

/// The stream of messages to a node. Signing happens here, where the order is final, so that
/// sequence numbers only grow.
pub(super) fn stream(
    plan: Arc<Plan>,
    early: mpsc::Receiver<Early>,
) -> impl Stream<Item = Result<v1::HubMessage, Status>> + Send + 'static {
    let state = Downstream { plan, early, live: None, sequence: 0, last: None, ended: false };
    stream::unfold(state, |mut state| async move {
        let item = state.next().await?;
        Some((item.map(|body| v1::HubMessage { body: Some(body) }), state))
    })
}

impl Downstream {
    async fn next(&mut self) -> Option<Result<Body, Status>> {
        if self.ended {
            return self.last.take().map(Ok);
        }
        loop {
            let Some(live) = &mut self.live else {
                match self.early.recv().await? {
                    Early::Message(body) => return Some(Ok(body)),
                    Early::Live(live) => self.live = Some(live),
                    Early::Refused(status) => {
                        self.ended = true;
                        return Some(Err(status));
                    }
                }
                continue;
            };
            let down = tokio::select! {
                biased;
                () = live.link.closed.cancelled() => None,
                down = live.down.recv() => down,
            };
            let Some(down) = down else {
                self.ended = true;
                let reason = live.link.close_reason()?;
                let Some(order) = order_of(reason) else { return Some(Ok(closing(reason))) };
                // Whoever is to obey needs a signature; the closing has none.
                self.last = Some(closing(reason));
                let at = (live.link.epoch, self.sequence + 1);
                let signed = self.plan.sign_control(&live.signer, at, order, clock::now());
                return Some(Ok(Body::Signed(signed)));
            };
            if !matches!(down, Down::Acks(_)) {
                self.sequence += 1;
            }
            let at = (live.link.epoch, self.sequence);
            return Some(Ok(self.plan.message(&live.signer, at, down, clock::now())));
        }
    }
}

impl Drop for Live {
    /// The node's side of the connection is gone: the link ends with it.
    fn drop(&mut self) {
        self.link.closed.cancel();
    }
}

/// What a node is told with a signature before its stream ends.
fn order_of(reason: &CloseReason) -> Option<ControlOrder> {
    let act = match reason {
        CloseReason::Locked => ControlAct::Suspend,
        CloseReason::Removed => ControlAct::Deregister,
        _ => return None,
    };
    Some(ControlOrder { act, reason: reason.words().to_owned() })
}

fn closing(reason: &CloseReason) -> Body {
    use v1::stream_closing::Reason;
    let message = reason.words().to_owned();
    let reason = match reason {
        CloseReason::TakenOver => Reason::SessionTakenOver,
        CloseReason::Locked | CloseReason::Removed => Reason::Revoked,
        CloseReason::Shutdown | CloseReason::Silent => Reason::Shutdown,
        CloseReason::Protocol(_) => Reason::Protocol,
    };
    Body::Closing(v1::StreamClosing { reason: reason.into(), message })
}
