//! What goes down a control stream: the handshake, then what the link is given, signed in order.

use std::sync::Arc;

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
    ended: bool,
}

/// The stream of messages to a node. Signing happens here, where the order is final, so that
/// sequence numbers only grow.
pub(super) fn stream(
    plan: Arc<Plan>,
    early: mpsc::Receiver<Early>,
) -> impl Stream<Item = Result<v1::HubMessage, Status>> + Send + 'static {
    let state = Downstream { plan, early, live: None, sequence: 0, ended: false };
    stream::unfold(state, |mut state| async move {
        let item = state.next().await?;
        Some((item.map(|body| v1::HubMessage { body: Some(body) }), state))
    })
}

impl Downstream {
    async fn next(&mut self) -> Option<Result<Body, Status>> {
        if self.ended {
            return None;
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
            if !matches!(next, Next::End | Next::Down(Down::Acks(_))) {
                self.sequence += 1;
            }
            let at = (live.link.epoch, self.sequence);
            let body = match next {
                Next::End => {
                    self.ended = true;
                    return live.link.close_reason().map(|reason| Ok(closing(reason)));
                }
                Next::Trust => {
                    let former = live.following.advance();
                    let bundle = v1::TrustBundle::from(live.following.bundle());
                    self.plan.control(&former, at, &bundle, clock::now())
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

fn closing(reason: &CloseReason) -> Body {
    use v1::stream_closing::Reason;
    let (reason, message) = match reason {
        CloseReason::TakenOver => {
            (Reason::SessionTakenOver, "a newer stream of this node was opened".to_owned())
        }
        CloseReason::Revoked => (Reason::Revoked, "the node was locked or removed".to_owned()),
        CloseReason::Shutdown => (Reason::Shutdown, "the hub shuts down".to_owned()),
        CloseReason::Silent => (Reason::Shutdown, "no heartbeat came for too long".to_owned()),
        CloseReason::Protocol(fault) => (Reason::Protocol, fault.clone()),
    };
    Body::Closing(v1::StreamClosing { reason: reason.into(), message })
}
