//! One control stream in a test's hands.

use std::sync::Arc;

use bytes::Bytes;
use cortex_core::envelope::Envelope;
use cortex_core::envelope::Kind;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::receipt;
use cortex_core::receipt::Output;
use cortex_core::receipt::StreamHash;
use cortex_core::report::News;
use cortex_core::report::Report;
use cortex_core::task::Input;
use cortex_core::task::Outcome;
use cortex_core::task::Stream;
use cortex_core::task::TaskSpec;
use cortex_proto::convert::CancelOrder;
use cortex_proto::convert::ControlAct;
use cortex_proto::convert::InputOrder;
use cortex_proto::convert::TaskOrder;
use cortex_proto::convert::parse_report;
use cortex_proto::v1;
use cortex_proto::v1::hub_message::Body as Down;
use cortex_proto::v1::node_message::Body as Up;
use cortex_proto::v1::stream_closing::Reason;
use prost::Message as _;
use tokio::sync::mpsc;
use tonic::Status;

use crate::hub::LIMIT;
use crate::hub::State;

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) epoch: u64,
    pub(crate) known: Vec<v1::AttemptStatus>,
    state: Arc<State>,
    sequence: u64,
    down: mpsc::Sender<Result<v1::HubMessage, Status>>,
    up: mpsc::Receiver<Up>,
}

/// All that an attempt reported, put together.
#[derive(Debug, PartialEq)]
pub(crate) struct Story {
    pub(crate) pid: Option<u32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) outcome: Outcome,
    pub(crate) receipt: Arc<receipt::Signed>,
    pub(crate) last: u64,
}

impl Link {
    pub(crate) fn new(
        state: Arc<State>,
        epoch: u64,
        known: Vec<v1::AttemptStatus>,
        down: mpsc::Sender<Result<v1::HubMessage, Status>>,
        up: mpsc::Receiver<Up>,
    ) -> Self {
        Self { epoch, known, state, sequence: 0, down, up }
    }

    /// Hands a first attempt of a new task to the node.
    pub(crate) async fn submit(&mut self, spec: TaskSpec) -> TaskId {
        let task = TaskId::generate();
        self.submit_as(task, 1, spec).await;
        task
    }

    pub(crate) async fn submit_as(&mut self, task: TaskId, attempt: u32, spec: TaskSpec) {
        let message = self.task(task, attempt, &spec, |_| ());
        self.send(message).await;
    }

    /// A signed task with the next sequence, bent as a test wants it.
    pub(crate) fn task(
        &mut self,
        task: TaskId,
        attempt: u32,
        spec: &TaskSpec,
        bend: impl FnOnce(&mut Envelope),
    ) -> v1::SignedMessage {
        let session = SessionId::from_bytes([8; 16]);
        let order = v1::TaskRequest::from(TaskOrder::of(task, session, spec));
        self.sequence += 1;
        let (epoch, sequence) = (self.epoch, self.sequence);
        self.state.sign(Kind::Task, TaskOrder::TYPE, order.encode_to_vec(), |envelope| {
            (envelope.epoch, envelope.sequence) = (epoch, sequence);
            (envelope.session, envelope.task, envelope.attempt) = (session, task, attempt);
            bend(envelope);
        })
    }

    pub(crate) async fn cancel(&mut self, task: TaskId) {
        let order = CancelOrder { task, reason: "test".to_owned() };
        let payload = v1::CancelRequest::from(order).encode_to_vec();
        self.sequence += 1;
        let (epoch, sequence) = (self.epoch, self.sequence);
        let message = self.state.sign(Kind::Cancel, CancelOrder::TYPE, payload, |envelope| {
            (envelope.epoch, envelope.sequence) = (epoch, sequence);
            (envelope.task, envelope.attempt) = (task, 1);
        });
        self.send(message).await;
    }

    /// Puts something into a task's first attempt.
    pub(crate) async fn put(&mut self, task: TaskId, number: u64, input: Input) {
        let payload = v1::TaskInput::from(InputOrder { task, number, input }).encode_to_vec();
        self.sequence += 1;
        let (epoch, sequence) = (self.epoch, self.sequence);
        let message = self.state.sign(Kind::Input, InputOrder::TYPE, payload, |envelope| {
            (envelope.epoch, envelope.sequence) = (epoch, sequence);
            (envelope.task, envelope.attempt) = (task, 1);
        });
        self.send(message).await;
    }

    /// Waits until a task has got its input up to a number; what was reported before that.
    pub(crate) async fn given(&mut self, number: u64) -> Vec<Report> {
        let mut seen = Vec::new();
        loop {
            match self.next().await {
                Some(Up::Reports(batch)) => {
                    let reports = batch.reports.into_iter();
                    seen.extend(reports.map(|report| parse_report(report).unwrap()));
                }
                Some(Up::InputAck(acks)) => {
                    if acks.attempts.iter().any(|ack| ack.attempt == 1 && ack.sequence == number) {
                        return seen;
                    }
                }
                other => panic!("expected an acknowledgement, got {other:?}"),
            }
        }
    }

    /// A signed control with the next sequence.
    pub(crate) async fn control(&mut self, act: ControlAct) {
        self.sequence += 1;
        let message = self.state.control(act, self.epoch, self.sequence);
        self.send(message).await;
    }

    pub(crate) async fn send(&self, message: v1::SignedMessage) {
        self.say(Down::Signed(message)).await;
    }

    /// Says that an attempt's reports up to a number are stored.
    pub(crate) async fn ack(&self, task: TaskId, attempt: u32, sequence: u64) {
        let ack = v1::AttemptAck { task_id: task.to_string(), attempt, sequence };
        self.say(Down::Ack(v1::ReportAck { attempts: vec![ack] })).await;
    }

    /// What the only task puts out, until that ends with a line's end.
    pub(crate) async fn first_line(&mut self) -> String {
        let mut output = Vec::new();
        while !output.ends_with(b"\n") {
            for report in self.batch().await {
                if let News::Output { data, .. } = report.news {
                    output.extend_from_slice(&data);
                }
            }
        }
        String::from_utf8(output).unwrap().trim().to_owned()
    }

    pub(crate) async fn close(self, reason: Reason) {
        let message = "test".to_owned();
        let body = Down::Closing(v1::StreamClosing { reason: reason.into(), message });
        // A node that was removed may have gone already.
        let _ = self.down.send(Ok(v1::HubMessage { body: Some(body) })).await;
    }

    async fn say(&self, body: Down) {
        let message = v1::HubMessage { body: Some(body) };
        self.down.send(Ok(message)).await.expect("the node reads its stream");
    }

    /// The next message of the node; `None` when it has closed its side.
    pub(crate) async fn next(&mut self) -> Option<Up> {
        tokio::time::timeout(LIMIT, self.up.recv()).await.expect("the node speaks in time")
    }

    /// The next batch of reports.
    pub(crate) async fn batch(&mut self) -> Vec<Report> {
        loop {
            match self.next().await {
                Some(Up::Reports(batch)) => {
                    let reports = batch.reports.into_iter();
                    return reports.map(|report| parse_report(report).unwrap()).collect();
                }
                Some(Up::InputAck(_)) => {}
                other => panic!("expected reports, got {other:?}"),
            }
        }
    }

    /// Reads an attempt to its end, without acknowledging anything.
    pub(crate) async fn story(&mut self, task: TaskId) -> Story {
        let mut seen = Vec::new();
        loop {
            for report in self.batch().await {
                assert_eq!(report.task, task, "only one task is expected to report");
                let is_end = matches!(report.news, News::Ended { .. });
                seen.push(report);
                if is_end {
                    return tell(seen);
                }
            }
        }
    }

    /// Reads an attempt to its end and acknowledges it.
    pub(crate) async fn settle(&mut self, task: TaskId) -> Story {
        let story = self.story(task).await;
        self.ack(task, 1, story.last).await;
        story
    }
}

/// Puts reports together; they must be numbered and placed without gaps.
pub(crate) fn tell(reports: Vec<Report>) -> Story {
    let (mut pid, mut stdout, mut stderr) = (None, Vec::new(), Vec::new());
    let first = reports.first().map_or(1, |first| first.sequence);
    for (expected, report) in (first..).zip(reports) {
        assert_eq!(report.sequence, expected, "reports are numbered without gaps");
        match report.news {
            News::Started { pid: said } => pid = said,
            News::Progress(_) | News::File(_) => {}
            News::Output { stream, offset, data } => {
                let sink = if stream == Stream::Stdout { &mut stdout } else { &mut stderr };
                assert_eq!(offset, sink.len() as u64, "output has no gaps");
                sink.extend_from_slice(&Bytes::clone(&data));
            }
            News::Ended { outcome, receipt } => {
                if first == 1 {
                    let (stdout, stderr) = (hash(&stdout), hash(&stderr));
                    let output = receipt.read().unwrap().output;
                    assert_eq!(output, Output::Known { stdout, stderr });
                }
                return Story { pid, stdout, stderr, outcome, receipt, last: report.sequence };
            }
        }
    }
    panic!("the attempt has no end");
}

fn hash(bytes: &[u8]) -> receipt::StreamDigest {
    let mut hash = StreamHash::default();
    hash.update(bytes);
    hash.finish(false)
}
