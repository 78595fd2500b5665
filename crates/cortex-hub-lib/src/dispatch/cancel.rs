//! Ending a task on request.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::task::Outcome;
use cortex_core::task::State;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;

use super::Dispatch;
use crate::link::Down;

/// Stands in an envelope where the session is not known any more.
const NO_SESSION: SessionId = SessionId::from_bytes([0; 16]);

impl Dispatch {
    /// Ends a queued task at once; asks the node of a running one to end it.
    ///
    /// A task that is being cancelled already is returned as it stands.
    ///
    /// # Errors
    /// `Precondition`, code `task_ended`: the task has ended, or ended before the request was
    /// stored.
    pub(crate) async fn cancel(
        &self,
        id: TaskId,
        by: Option<UserId>,
        reason: &str,
    ) -> Result<Arc<Task>> {
        let Some(task) = self.open.task(id) else {
            return Err(Error::new(ErrorKind::Precondition, "cancel task", "the task has ended")
                .with_code("task_ended"));
        };
        if task.state == State::Cancelling {
            return Ok(task);
        }
        let event = if task.state == State::Queued {
            let outcome = Outcome::Cancelled { processes: 0 };
            TaskEvent::ended(task.attempt, outcome)
        } else {
            TaskEvent::CancelRequested { by, reason: reason.to_owned() }
        };
        let moved = match self.append_event(&task, event).await {
            Ok(moved) => moved.unwrap_or(task),
            // It was assigned, or came back, between the look and the append: once more, as it now is.
            Err(error) if error.kind() == ErrorKind::Conflict && self.has_moved(&task) => {
                return Box::pin(self.cancel(id, by, reason)).await;
            }
            Err(error) => return Err(error),
        };
        self.send_cancel(&moved, reason);
        Ok(moved)
    }

    /// Whether a task is not where it was any more.
    fn has_moved(&self, before: &Task) -> bool {
        self.open.task(before.id).is_none_or(|task| task.revision > before.revision)
    }

    /// Tells the node of a task that is being cancelled; a node that is away is told when it is back.
    pub(super) fn send_cancel(&self, task: &Task, reason: &str) {
        let Some(node) = task.node.filter(|_| task.state == State::Cancelling) else { return };
        let (session, task, attempt) = (task.session, task.id, task.attempt);
        let down = Down::Cancel { session, task, attempt, reason: reason.to_owned() };
        if let Err(error) = self.links.send(node, down) {
            tracing::info!(%task, %node, ?error, "cancel waits for the node");
        }
    }

    /// Tells a node to end an attempt that the hub counts as ended or never made.
    pub(super) fn stop(&self, node: NodeId, task: TaskId, attempt: u32) {
        let session = self.open.task(task).map_or(NO_SESSION, |task| task.session);
        let reason = "the hub counts this attempt as ended".to_owned();
        if self.links.send(node, Down::Cancel { session, task, attempt, reason }).is_err() {
            tracing::debug!(%task, %node, "stray attempt cannot be told to stop");
        }
    }
}
