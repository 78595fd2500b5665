//! Tasks for which waiting comes to nothing: their time is over, or no node will ever take them.

use std::sync::Arc;
use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::TaskId;
use cortex_core::task::Outcome;
use cortex_core::task::TaskEvent;
use cortex_core::timestamp::Timestamp;

use super::Dispatch;
use super::queue::Head;
use crate::placement::Unplaced;

/// How long a task that did not ask to be queued may wait while no node is there that could take it.
const UNQUEUED_WAIT: Duration = Duration::from_secs(25);

impl Dispatch {
    /// Ends the tasks that wait and whose deadline has passed.
    pub(super) async fn end_overdue(&self, now: Timestamp) {
        for task in self.open.queue(|queue| queue.overdue(now)) {
            self.end_waiting(task, Outcome::TimedOut { processes: 0 }).await;
        }
    }

    /// Looks at each line whether some node could ever take its tasks.
    pub(super) async fn review(&self, now: Timestamp) {
        let lines = self.open.queue(|queue| queue.heads(1));
        for line in &lines {
            match self.last_word(line, now).await {
                Ok(Some(message)) => {
                    for task in self.open.queue(|queue| queue.line(&line.need)) {
                        let message = message.clone();
                        self.end_waiting(task, Outcome::Broken { message }).await;
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(session = %line.need.session, %error, "cannot review its tasks");
                }
            }
        }
        let needs: Vec<_> = lines.iter().map(|line| Arc::clone(&line.need)).collect();
        self.pool.keep_absences(&needs);
    }

    /// What the tasks of a line end with; nothing where they may wait on.
    async fn last_word(&self, line: &Head, now: Timestamp) -> Result<Option<String>> {
        let need = &line.need;
        let Some((_, first)) = line.tasks.first() else { return Ok(None) };
        let Some(task) = self.open.task(*first) else { return Ok(None) };
        let (session, by) = self.known(need).await?;
        let unplaced = self.admit(&session, task.id, &task.spec, &by).await?.err();
        let absence = self.pool.absence(need, unplaced.is_some(), now);
        let Some(reason) = unplaced else { return Ok(None) };
        if matches!(reason, Unplaced::Withdrawn { .. }) && need.target.is_closed() {
            return Ok(Some(reason.to_string()));
        }
        let is_over = !need.queue && absence >= UNQUEUED_WAIT;
        Ok(is_over.then(|| format!("no node took the task within {absence:?}: {reason}")))
    }

    async fn end_waiting(&self, id: TaskId, outcome: Outcome) {
        let Some(task) = self.open.task(id) else { return };
        match self.append_event(&task, TaskEvent::ended(task.attempt, outcome)).await {
            // It was assigned or cancelled in the same moment.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => tracing::warn!(task = %id, %error, "cannot end task that waits"),
            Ok(_) => {}
        }
    }
}
