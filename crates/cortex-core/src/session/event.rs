//! The entries of a session's log.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;

use crate::id::NodeId;
use crate::id::TaskId;
use crate::task::TaskEvent;
use crate::timestamp::Timestamp;

/// A position in a session's log: the number of its last entry, 0 for an empty log.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after `count` more entries.
    #[must_use]
    pub fn plus(self, count: usize) -> Self {
        Self(self.0 + count as u64)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One entry of a session's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub seq: Seq,
    /// When it was stored.
    pub at: Timestamp,
    /// What happened.
    pub what: Happening,
}

/// What happens in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A node was attached.
    Attached {
        /// The node.
        node: NodeId,
    },
    /// A node was detached.
    Detached {
        /// The node.
        node: NodeId,
    },
    /// The session was closed.
    Closed,
    /// Something happened to a task.
    Task {
        /// The task.
        task: TaskId,
        /// What happened to it.
        event: TaskEvent,
        /// The bytes of a [`TaskEvent::Output`]; empty for other events.
        ///
        /// A backend keeps them apart from the log. An entry that is read back has them if they
        /// are at most [`Happening::INLINE_OUTPUT`] bytes and none of them was left out since;
        /// longer ones are read with [`SessionStore::output`](super::SessionStore::output).
        #[serde(skip)]
        data: Bytes,
    },
}

impl Happening {
    /// Output up to this many bytes an entry comes with the entry when it is read.
    pub const INLINE_OUTPUT: usize = 16 * 1024;

    /// Something that happens to a task, other than output.
    #[must_use]
    pub fn task(task: TaskId, event: TaskEvent) -> Self {
        Happening::Task { task, event, data: Bytes::new() }
    }
}
