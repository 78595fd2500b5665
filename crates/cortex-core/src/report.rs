//! What a node reports of its tasks, and how a hub acknowledges it.

use std::sync::Arc;

use bytes::Bytes;

use crate::id::TaskId;
use crate::receipt;
use crate::task::Outcome;
use crate::task::Progress;
use crate::task::SentFile;
use crate::task::Stream;

/// The number of the only report of an attempt that ran when its node was killed.
///
/// A restarted node no longer knows the numbers that it used: it reports the attempt's end with
/// this one, which is above all others. The hub takes that end whatever is stored before it, and
/// acknowledges this number. It fits a signed 64-bit integer.
pub const AFTER_RESTART: u64 = i64::MAX as u64;

/// One piece of news of one attempt.
///
/// An attempt's reports are numbered from 1 without gaps; a report that is sent again keeps its
/// number, so that the hub takes each once.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The task.
    pub task: TaskId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The report's number.
    pub sequence: u64,
    /// What happened.
    pub news: News,
}

/// What happened to an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// It started.
    Started {
        /// Process id, where there is a process.
        pid: Option<u32>,
    },
    /// It put out bytes.
    Output {
        /// Where to.
        stream: Stream,
        /// Where in the stream they begin.
        offset: u64,
        /// The bytes.
        data: Bytes,
    },
    /// It published a file, whose bytes came before on [`Stream::Files`].
    File(SentFile),
    /// It told how far it has come.
    Progress(Progress),
    /// It ended; nothing follows.
    Ended {
        /// How.
        outcome: Outcome,
        /// What the node countersigned about it.
        receipt: Arc<receipt::Signed>,
    },
}

/// An attempt that a node knows and whose end the hub has not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KnownAttempt {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: u32,
    /// It was started.
    pub started: bool,
}

/// Up to where an attempt's reports are stored on the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ack {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: u32,
    /// This report and all before it are stored.
    pub sequence: u64,
}
