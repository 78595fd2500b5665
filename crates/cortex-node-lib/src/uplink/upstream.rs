//! What goes up the control stream: the handshake, then reports straight from the outbox.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::report::Ack;
use cortex_core::report::Report;
use cortex_proto::v1;
use cortex_proto::v1::node_message::Body;
use futures::Stream;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::outbox::Next;
use super::outbox::Outbox;

/// What the session puts into the stream itself.
pub(super) enum Control {
    /// This message.
    Say(Box<v1::NodeMessage>),
    /// From now on, what the outbox has for its stream of this generation.
    Live(u64),
}

/// The request of a control stream.
///
/// The task that writes to the connection polls it, so that a report goes from the outbox to the
/// socket without waking anybody in between.
pub(super) struct Upstream {
    node: NodeId,
    outbox: Arc<Outbox>,
    control: mpsc::Receiver<Control>,
    /// The outbox's generation, once the stream counts.
    live: Option<u64>,
    timer: Pin<Box<Sleep>>,
}

impl Upstream {
    pub(super) fn new(node: NodeId, outbox: Arc<Outbox>, control: mpsc::Receiver<Control>) -> Self {
        let timer = Box::pin(tokio::time::sleep(std::time::Duration::ZERO));
        Self { node, outbox, control, live: None, timer }
    }
}

impl Stream for Upstream {
    type Item = v1::NodeMessage;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<v1::NodeMessage>> {
        let generation = loop {
            match self.control.poll_recv(cx) {
                Poll::Ready(Some(Control::Say(message))) => return Poll::Ready(Some(*message)),
                Poll::Ready(Some(Control::Live(generation))) => self.live = Some(generation),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => match self.live {
                    Some(generation) => break generation,
                    None => return Poll::Pending,
                },
            }
        };
        loop {
            match self.outbox.poll(generation, cx) {
                Next::Batch(reports) => return Poll::Ready(Some(batch(reports))),
                Next::Given(acks) => return Poll::Ready(Some(given(acks))),
                Next::Claims(tasks) => return Poll::Ready(Some(claims(self.node, &tasks))),
                Next::Superseded => return Poll::Ready(None),
                Next::Idle => return Poll::Pending,
                Next::At(due) => {
                    self.timer.as_mut().reset(due.into());
                    if self.timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

fn batch(reports: Vec<Report>) -> v1::NodeMessage {
    let reports = reports.into_iter().map(v1::TaskReport::from).collect();
    v1::NodeMessage { body: Some(Body::Reports(v1::ReportBatch { reports })) }
}

fn claims(node: NodeId, tasks: &[TaskId]) -> v1::NodeMessage {
    let task_ids = tasks.iter().map(ToString::to_string).collect();
    let claim = v1::TaskClaimRequest { node_id: node.to_string(), task_ids };
    v1::NodeMessage { body: Some(Body::TaskClaim(claim)) }
}

fn given(acks: Vec<Ack>) -> v1::NodeMessage {
    let attempts = acks.into_iter().map(v1::AttemptAck::from).collect();
    v1::NodeMessage { body: Some(Body::InputAck(v1::InputAck { attempts })) }
}
