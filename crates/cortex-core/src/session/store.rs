//! The seam behind which a hub keeps sessions, their logs, their tasks and the tasks' output.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::Entry;
use super::Happening;
use super::Seq;
use super::Session;
use crate::error::Result;
use crate::id::NodeId;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::id::UserId;
use crate::task::Stream;
use crate::task::StreamTotals;
use crate::task::Task;
use crate::timestamp::Timestamp;

/// Keeps sessions, logs, tasks and output.
///
/// A log only grows. The store moves sessions and tasks with [`Session::apply`] and
/// [`Task::apply`], refuses what does not fit, and so holds the truth about every task: of two
/// writers that want to end one task, one succeeds. Once a method returns `Ok`, its effect
/// survives a crash.
#[async_trait]
pub trait SessionStore: Send + Sync + std::fmt::Debug {
    /// Stores a new session.
    ///
    /// # Errors
    /// `Exists`: a session of that id is stored.
    ///
    /// # Cancel safety
    /// If the future is dropped, the session may or may not be stored.
    async fn create(&self, session: Session) -> Result<()>;

    /// Returns a session.
    ///
    /// # Errors
    /// `NotFound`: no such session.
    async fn get(&self, id: SessionId) -> Result<Session>;

    /// Lists the sessions of `owner`, or all, newest first.
    ///
    /// # Errors
    /// Only those of the backend.
    async fn list(&self, owner: Option<UserId>) -> Result<Vec<Session>>;

    /// Appends entries to a session's log, all or none, and moves session and tasks by them.
    ///
    /// With `after`, takes effect only if the log still ends there. Without, the state machines
    /// alone decide: enough for events of one task, whose attempts fence each other.
    ///
    /// # Errors
    /// `NotFound`: no such session (`session_not_found`), or an event of a task that was never
    /// submitted (`task_not_found`). `Exists` (`task_exists`): a task of that id was submitted
    /// before. `Conflict`: the log does not end at `after` (`log_moved`), or an event does not fit
    /// its task. `Precondition`: the session is closed, or the node is attached already or not at
    /// all. `Invalid`: an output entry's data is not as long as the entry says.
    ///
    /// # Cancel safety
    /// If the future is dropped, the entries may or may not be stored.
    async fn append(
        &self,
        id: SessionId,
        after: Option<Seq>,
        what: Vec<Happening>,
        now: Timestamp,
    ) -> Result<Appended>;

    /// Returns at most `limit` entries that follow `after`, in order; fewer at the log's end.
    ///
    /// # Errors
    /// `NotFound`: no such session.
    async fn read(&self, id: SessionId, after: Seq, limit: usize) -> Result<Vec<Entry>>;

    /// Returns the tasks that fit, newest first.
    ///
    /// # Errors
    /// Only those of the backend.
    async fn tasks(&self, filter: TaskFilter) -> Result<Vec<Arc<Task>>>;

    /// Returns stored bytes of a task's output from `offset` on, at most `limit`.
    ///
    /// May return fewer bytes than are stored; an empty part means that nothing is stored there:
    /// its totals say whether that is because it was left out.
    ///
    /// # Errors
    /// `NotFound`: no such task.
    async fn output(
        &self,
        task: TaskId,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputPart>;
}

/// What an append did.
#[derive(Debug, Clone, PartialEq)]
pub struct Appended {
    /// The entries with their numbers.
    pub entries: Vec<Arc<Entry>>,
    /// The tasks that moved, as they now are.
    pub tasks: Vec<Arc<Task>>,
}

/// Some bytes of a task's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPart {
    /// Where in the stream they begin.
    pub offset: u64,
    /// The bytes.
    pub data: Bytes,
    /// How much of the stream came by now, and what of it is left out.
    pub totals: StreamTotals,
}

/// Which tasks to list. The default lists all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFilter {
    /// Only this one.
    pub id: Option<TaskId>,
    /// Only those of this session.
    pub session: Option<SessionId>,
    /// Only those that this user submitted.
    pub by: Option<UserId>,
    /// Only those whose current or last attempt is on this node.
    pub node: Option<NodeId>,
    /// Only those that have not ended.
    pub open: bool,
    /// Only those older than this one: the cursor of a list.
    pub before: Option<TaskId>,
    /// At most this many; 0 for no limit.
    pub limit: usize,
}

impl TaskFilter {
    /// All tasks that have not ended.
    #[must_use]
    pub fn open() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// Whether `task` fits; the limit aside.
    #[must_use]
    pub fn fits(&self, task: &Task) -> bool {
        self.id.is_none_or(|id| task.id == id)
            && self.session.is_none_or(|session| task.session == session)
            && self.by.is_none_or(|by| task.by == by)
            && self.node.is_none_or(|node| task.node == Some(node))
            && !(self.open && task.state.is_end())
            && self.before.is_none_or(|before| task.id < before)
    }

    /// One task.
    #[must_use]
    pub fn one(id: TaskId) -> Self {
        Self { id: Some(id), limit: 1, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trait_is_dyn_compatible() {
        fn _takes(_: &dyn SessionStore) {}
    }
}
