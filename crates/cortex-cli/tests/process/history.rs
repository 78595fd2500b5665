//! What came together about a run, and whether it can be true.
//!
//! Five books are compared that are kept apart from each other: what clients were told, the hub's
//! task rows, its session logs, its stored output, and the lines that the tasks' programs left on
//! the nodes before they did anything else. Gathering is in `read`; the judgement is pure.

mod check;
mod finding;
mod output;
mod read;
mod replay;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use cortex_core::chain::Head;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::session::Entry;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::Task;

pub(crate) use check::check;
pub(crate) use finding::Finding;
pub(crate) use read::read;

use crate::script::Script;

/// All that is known after a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// What clients were told, in their words.
    pub(crate) told: BTreeMap<TaskId, Told>,
    /// The task rows.
    pub(crate) tasks: BTreeMap<TaskId, Arc<Task>>,
    /// The sessions' logs.
    pub(crate) logs: BTreeMap<SessionId, Log>,
    /// The stored output.
    pub(crate) stored: BTreeMap<(TaskId, Stream), Vec<u8>>,
    /// What the API gave out of it at the end; only of the tasks that were asked for.
    pub(crate) served: BTreeMap<(TaskId, Stream), Vec<u8>>,
    /// The lines of all canaries.
    pub(crate) starts: Vec<Start>,
    /// The nodes' identity keys.
    pub(crate) keys: BTreeMap<NodeId, Vec<[u8; 32]>>,
    /// Processes that carry a task's mark after everything was said to have ended.
    pub(crate) alive: Vec<(TaskId, u32)>,
}

/// What clients know of a task that was acknowledged to them.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// What it was to do.
    pub(crate) script: Script,
    /// Ends that were told, in the order in which they were; a second word must be the same.
    pub(crate) ends: Vec<State>,
}

/// A session's log.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// Its entries, in the order of the rows.
    pub(crate) entries: Vec<Entry>,
    /// What the session's row says of its receipts.
    pub(crate) receipts: Head,
}

/// One start of a task's program, as the program itself wrote it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Start {
    /// The task.
    pub(crate) task: TaskId,
    /// The attempt.
    pub(crate) attempt: u32,
}
