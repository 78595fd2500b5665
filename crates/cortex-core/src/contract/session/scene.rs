//! What the cases begin with: times, names, and a session to play in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::contract::promise::kept;
use crate::contract::promise::same;
use crate::digest::Digest;
use crate::error::Result;
use crate::id::NodeId;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::id::UserId;
use crate::receipt;
use crate::session::Appended;
use crate::session::Entry;
use crate::session::Happening;
use crate::session::Seq;
use crate::session::Session;
use crate::session::SessionStore;
use crate::session::TaskFilter;
use crate::task::Outcome;
use crate::task::PublishedFile;
use crate::task::Stream;
use crate::task::Task;
use crate::task::TaskEvent;
use crate::task::TaskSpec;
use crate::timestamp::Timestamp;

/// The time at which the cases begin, and `seconds` more.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_750_000_000_123) + Duration::from_secs(seconds)
}

pub(super) fn user(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

pub(super) fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 16])
}

pub(super) fn session_id(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

/// A task's id; a higher number is a newer task.
pub(super) fn task(number: u8) -> TaskId {
    TaskId::from_bytes([number; 16])
}

pub(super) fn submitted(number: u8) -> Happening {
    submitted_by(number, user(1))
}

pub(super) fn submitted_by(number: u8, by: UserId) -> Happening {
    let spec = Arc::new(TaskSpec::argv(["true"]));
    Happening::task(task(number), TaskEvent::Submitted { by, spec })
}

pub(super) fn assigned(number: u8, attempt: u32, on: NodeId) -> Happening {
    Happening::task(task(number), TaskEvent::Assigned { attempt, node: on })
}

pub(super) fn started(number: u8, attempt: u32) -> Happening {
    Happening::task(task(number), TaskEvent::Started { attempt, pid: Some(4711) })
}

pub(super) fn ended(number: u8, attempt: u32, code: i32) -> Happening {
    let outcome = Outcome::Exited { code };
    Happening::task(task(number), TaskEvent::ended(attempt, outcome))
}

/// An end with a receipt. Whether it is signed well is not the store's matter.
pub(super) fn countersigned(number: u8, attempt: u32, code: i32) -> Happening {
    let receipt = Some(Arc::new(receipt_of(number)));
    let outcome = Outcome::Exited { code };
    Happening::task(task(number), TaskEvent::Ended { attempt, outcome, receipt })
}

/// The receipt that comes with it.
pub(super) fn receipt_of(number: u8) -> receipt::Signed {
    let statement = binary(receipt::LEN, number.into());
    receipt::Signed { statement, signature: Bytes::from(vec![number; 64]) }
}

pub(super) fn output(number: u8, stream: Stream, offset: u64, data: impl Into<Bytes>) -> Happening {
    let data = data.into();
    let len = u32::try_from(data.len()).expect("the cases' data is short");
    let event = TaskEvent::Output { attempt: 1, stream, offset, len };
    Happening::Task { task: task(number), event, data }
}

/// Bytes of files that a task publishes.
pub(super) fn files_output(number: u8, offset: u64, data: impl Into<Bytes>) -> Happening {
    output(number, Stream::Files, offset, data)
}

/// A file of a task's first attempt is complete.
pub(super) fn published(number: u8, name: &str, offset: u64, data: &[u8]) -> Happening {
    let (size, digest) = (data.len() as u64, Digest::of(data));
    let file = PublishedFile { name: name.to_owned(), attempt: 1, offset, size, digest };
    Happening::task(task(number), TaskEvent::Published { file })
}

/// The first `len` bytes of a stream of bytes in which all values occur; no UTF-8, no period.
pub(super) fn binary(len: usize, seed: u32) -> Bytes {
    let mut state = seed | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..len).map(next).collect()
}

/// A store and one of its sessions.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) store: &'a dyn SessionStore,
    pub(super) id: SessionId,
}

impl<'a> Scene<'a> {
    /// Makes the session of this number, of user 1.
    pub(super) async fn open(store: &'a dyn SessionStore, number: u8) -> Self {
        let id = session_id(number);
        let session = Session::new(id, user(1), format!("talk {number}"), at(number.into()));
        kept(store.create(session).await, "a new session is stored");
        Self { store, id }
    }

    /// Appends wherever the log ends.
    pub(super) async fn append(&self, what: Vec<Happening>) -> Result<Appended> {
        self.store.append(self.id, None, what, at(300)).await
    }

    /// Appends what fits.
    pub(super) async fn play(&self, what: Vec<Happening>) -> Appended {
        kept(self.append(what).await, "what fits is appended")
    }

    /// Submits a task and starts it on node 1.
    pub(super) async fn run(&self, number: u8) -> Appended {
        self.play(vec![submitted(number), assigned(number, 1, node(1)), started(number, 1)]).await
    }

    pub(super) async fn session(&self) -> Session {
        kept(self.store.get(self.id).await, "a stored session is returned")
    }

    /// The whole log.
    pub(super) async fn log(&self) -> Vec<Entry> {
        kept(self.store.read(self.id, Seq(0), 100_000).await, "a log is read")
    }

    /// The log from its end backwards: its end.
    pub(super) async fn head(&self) -> Seq {
        self.log().await.last().map_or(Seq(0), |entry| entry.seq)
    }

    pub(super) async fn task(&self, number: u8) -> Arc<Task> {
        let found = self.store.tasks(TaskFilter::one(task(number))).await;
        let found = kept(found, "a task is returned");
        same(&found.len(), &1, "a submitted task is returned, once");
        Arc::clone(&found[0])
    }

    /// All that can be seen of the session and of every task.
    pub(super) async fn everything(&self) -> Everything {
        let tasks = kept(self.store.tasks(TaskFilter::default()).await, "tasks are listed");
        let mut output = Vec::new();
        for task in &tasks {
            for stream in [Stream::Stdout, Stream::Stderr, Stream::Files] {
                output.push(self.whole_output(task.id, stream).await);
            }
        }
        Everything { session: self.session().await, log: self.log().await, tasks, output }
    }

    /// All stored output of a stream, read part by part.
    pub(super) async fn whole_output(&self, task: TaskId, stream: Stream) -> Vec<u8> {
        let (mut whole, mut offset) = (Vec::new(), 0);
        loop {
            let part = self.store.output(task, stream, offset, 1 << 20).await;
            let part = kept(part, "the output of a task is read");
            same(&part.offset, &offset, "a part begins where it was asked for");
            offset += part.data.len() as u64;
            whole.extend_from_slice(&part.data);
            if part.data.is_empty() {
                match part.totals.gap_at(offset) {
                    Some(gap) => offset = gap.to,
                    None => {
                        same(&part.totals.arrived(), &offset, "all stored output can be read");
                        return whole;
                    }
                }
            }
        }
    }
}

/// All that can be seen of a session.
#[derive(Debug, PartialEq)]
pub(super) struct Everything {
    session: Session,
    log: Vec<Entry>,
    tasks: Vec<Arc<Task>>,
    output: Vec<Vec<u8>>,
}
