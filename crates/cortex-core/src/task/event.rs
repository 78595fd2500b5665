//! What happens to a task.

use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use super::Outcome;
use super::Progress;
use super::PublishedFile;
use super::Stream;
use super::TaskSpec;
use crate::id::NodeId;
use crate::id::UserId;
use crate::receipt;

/// What happens to a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEvent {
    /// It was asked for; the first event of each task.
    Submitted {
        /// Who asked.
        by: UserId,
        /// What is to be done.
        spec: Arc<TaskSpec>,
    },
    /// A node was chosen for its next attempt.
    Assigned {
        /// The attempt, from 1.
        attempt: u32,
        /// The node.
        node: NodeId,
    },
    /// The attempt never left the hub; the task waits again.
    Returned {
        /// The attempt that is given up.
        attempt: u32,
        /// Why.
        reason: String,
    },
    /// The attempt ended like this, and the task waits for another one: its spec allows that.
    Retried {
        /// The attempt that is over.
        attempt: u32,
        /// How it ended: [`Outcome::Interrupted`] or [`Outcome::Lost`].
        outcome: Outcome,
    },
    /// The node started it.
    Started {
        /// The attempt.
        attempt: u32,
        /// The operating system's process id, where there is a process.
        pid: Option<u32>,
    },
    /// Output arrived: `len` bytes of `stream` from `offset` on.
    Output {
        /// The attempt.
        attempt: u32,
        /// Which stream.
        stream: Stream,
        /// Where in the stream the bytes begin.
        offset: u64,
        /// How many bytes.
        len: u32,
    },
    /// Output between a stream's first and last bytes is left out from now on, for the task's
    /// [cap](super::OutputCap).
    Truncated {
        /// The attempt.
        attempt: u32,
        /// Which stream.
        stream: Stream,
        /// The first byte of it: right behind what is left out already, if anything is.
        #[serde(default)]
        from: u64,
        /// How many bytes.
        dropped: u64,
    },
    /// A file of it is complete: its bytes came before, and have the digest that it states.
    Published {
        /// The file, with its attempt.
        file: PublishedFile,
    },
    /// It told how far it has come.
    Progress {
        /// The attempt.
        attempt: u32,
        /// How far.
        progress: Progress,
    },
    /// Somebody asked for its end.
    CancelRequested {
        /// Who asked; `None` for the hub itself.
        by: Option<UserId>,
        /// Why, for the record.
        reason: String,
    },
    /// It ended.
    Ended {
        /// The attempt that ended; 0 where none was made.
        attempt: u32,
        /// How.
        outcome: Outcome,
        /// What the node countersigned; absent where the hub itself ended the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Arc<receipt::Signed>>,
    },
}

impl TaskEvent {
    /// An end that no node countersigned.
    #[must_use]
    pub fn ended(attempt: u32, outcome: Outcome) -> Self {
        TaskEvent::Ended { attempt, outcome, receipt: None }
    }
}
