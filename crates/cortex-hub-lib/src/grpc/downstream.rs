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
use crate::trust::signing::Following;

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
    pub(super) following: Following,
}

/// What an open stream does next.
#[derive(Debug)]
enum Next {
    /// It ends.
    End,
    /// The node is told of new keys.
    Trust,
    /// This goes down.
    Down(Down),
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
            let next = tokio::select! {
                biased;
                () = live.link.closed.cancelled() => Next::End,
                // Before what else waits: it may be signed with a key that the node is told here.
                () = live.following.changed() => Next::Trust,
                down = live.down.recv() => down.map_or(Next::End, Next::Down),
            };
            if !matches!(next, Next::End | Next::Down(Down::Acks(_) | Down::Pool { .. })) {
                self.sequence += 1;
            }
            let at = (live.link.epoch, self.sequence);
            let body = match next {
                Next::End => {
                    self.ended = true;
                    let reason = live.link.close_reason()?;
                    let Some(order) = order_of(reason) else { return Some(Ok(closing(reason))) };
                    // Whoever is to obey needs a signature; the closing has none.
                    self.last = Some(closing(reason));
                    let at = (live.link.epoch, self.sequence + 1);
                    let signer = live.following.signer();
                    Body::Signed(self.plan.sign_control(signer, at, order, clock::now()))
                }
                Next::Trust => {
                    let former = live.following.advance();
                    let bundle = v1::TrustBundle::from(live.following.bundle());
                    self.plan.tell_trust(&former, at, &bundle, clock::now())
                }
                Next::Down(down) => {
                    self.plan.message(live.following.signer(), at, down, clock::now())
                }
            };
            return Some(Ok(body));
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
        CloseReason::TakenOver | CloseReason::Rekeyed => Reason::SessionTakenOver,
        CloseReason::Locked | CloseReason::Removed => Reason::Revoked,
        CloseReason::Shutdown | CloseReason::Silent => Reason::Shutdown,
        CloseReason::Protocol(_) => Reason::Protocol,
    };
    Body::Closing(v1::StreamClosing { reason: reason.into(), message })
}
