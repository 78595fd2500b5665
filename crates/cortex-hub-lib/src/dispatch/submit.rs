//! Taking a task in, and handing it to a node.

use std::sync::Arc;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::session::Happening;
use cortex_core::session::Session;
use cortex_core::session::SessionStatus;
use cortex_core::task::Outcome;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use cortex_core::task::TaskSpec;
use cortex_core::timestamp::Timestamp;

use super::Dispatch;
use crate::link::Down;
use crate::placement;
use crate::placement::Unplaced;

const OPERATION: &str = "submit task";

/// How long a task that did not ask to be queued may wait after its node was lost on the way.
pub(super) const UNQUEUED_WAIT: Duration = Duration::from_secs(25);

/// A task that was asked for.
#[derive(Debug)]
pub(crate) struct Submission {
    /// Its id, chosen by the hub.
    pub(crate) id: TaskId,
    /// Who asks.
    pub(crate) by: Principal,
    /// What is to be done.
    pub(crate) spec: TaskSpec,
}

impl Dispatch {
    /// Stores a task and hands it to a node. When this returns, the task survives a crash.
    ///
    /// # Errors
    /// `Invalid`: the spec. `Precondition`: closed session, no fitting node. `Denied`: the node is shared with
    /// the user no more. `Unavailable`: the node is offline, and the task does not ask to be queued. `Exhausted`: the user's quota.
    pub(crate) async fn submit(
        &self,
        session: &Session,
        submission: Submission,
    ) -> Result<Arc<Task>> {
        let Submission { id, by, spec } = submission;
        spec.check().map_err(|error| {
            Error::new(ErrorKind::Invalid, OPERATION, error.to_string()).with_code("bad_task")
        })?;
        if session.status == SessionStatus::Closed {
            return Err(Error::new(ErrorKind::Precondition, OPERATION, "the session is closed")
                .with_code("session_closed")
                .with_hint("make a new one: cortex-cli session create"));
        }
        self.check_quota(by.user)?;
        self.check_skill_input(session, &spec).await?;
        let candidates = self.candidates(session, &spec.target, &by).await?;
        let node = match placement::choose(id, &spec, &candidates) {
            Ok(node) => Some(node),
            Err(Unplaced::Offline { .. } | Unplaced::Cordoned { .. }) if spec.queue => None,
            Err(reason) => return Err(refuse(&reason)),
        };
        let submitted = TaskEvent::Submitted { by: by.user, spec: Arc::new(spec) };
        let mut what = vec![Happening::task(id, submitted)];
        if let Some(node) = node {
            what.push(Happening::task(id, TaskEvent::Assigned { attempt: 1, node }));
        }
        let appended = self.store.append(session.id, None, what, crate::clock::now()).await?;
        let task = appended.tasks.first().cloned().ok_or_else(|| {
            Error::new(ErrorKind::Internal, OPERATION, "the store lost the task it stored")
        })?;
        self.open.insert(&task);
        self.metrics.tasks_submitted.inc();
        self.tell(session.id, &appended);
        if let Some(node) = node {
            self.hand_over_if_allowed(&task, &by, node).await?;
        }
        Ok(task)
    }

    /// Hands a task over, having looked again whether its user may use the node. The task can be
    /// found now: whoever takes the grant back after this look cancels it, and before it, we do.
    async fn hand_over_if_allowed(
        &self,
        task: &Arc<Task>,
        by: &Principal,
        node: NodeId,
    ) -> Result<()> {
        if !self.is_withdrawn(by, node) {
            self.hand_over(task).await;
            return Ok(());
        }
        self.cancel(task.id, None, &Unplaced::Withdrawn { node }.to_string()).await.map(drop)
    }

    /// Sends an assigned task to its node, or puts it back into the queue.
    pub(super) async fn hand_over(&self, task: &Arc<Task>) {
        let Some(node) = task.node else { return };
        let Err(reason) = self.links.send(node, Down::Run(task.clone())) else { return };
        tracing::info!(task = %task.id, %node, ?reason, "node cannot take task, queued again");
        let event = TaskEvent::Returned { attempt: task.attempt, reason: format!("{reason:?}") };
        if let Err(error) = self.append_event(task, event).await {
            tracing::warn!(task = %task.id, %error, "cannot queue task again");
        }
    }

    /// Hands a queued task to a node that is there now, or ends it where none will ever be.
    pub(super) async fn place_queued(&self, session: &Session, task: &Arc<Task>, now: Timestamp) {
        if let Err(error) = self.try_to_place(session, task, now).await {
            tracing::warn!(task = %task.id, %error, "cannot place queued task");
        }
    }

    async fn try_to_place(
        &self,
        session: &Session,
        task: &Arc<Task>,
        now: Timestamp,
    ) -> Result<()> {
        let by = self.user_of(task).await?;
        let candidates = self.candidates(session, &task.spec.target, &by).await?;
        let event = match placement::choose(task.id, &task.spec, &candidates) {
            Ok(node) => TaskEvent::Assigned { attempt: task.attempt + 1, node },
            Err(reason) => {
                let Some(message) = last_word(task, &reason, now) else { return Ok(()) };
                TaskEvent::ended(task.attempt, Outcome::Broken { message })
            }
        };
        let moved = self.append_event(task, event).await?;
        if let Some((moved, node)) = moved.and_then(|moved| moved.node.map(|node| (moved, node)))
            && !moved.state.is_end()
        {
            self.hand_over_if_allowed(&moved, &by, node).await?;
        }
        Ok(())
    }

    fn check_quota(&self, by: UserId) -> Result<()> {
        if self.open.count_of(by) < self.limits.open_tasks {
            return Ok(());
        }
        let message = format!("{} of your tasks have not ended", self.limits.open_tasks);
        Err(Error::new(ErrorKind::Exhausted, OPERATION, message)
            .with_code("too_many_tasks")
            .with_hint("wait for some, or cancel them: cortex-cli task list"))
    }
}

/// What a queued task ends with for which no node was found; nothing if it may wait on.
fn last_word(task: &Task, reason: &Unplaced, now: Timestamp) -> Option<String> {
    let is_hopeless = matches!(reason, Unplaced::Withdrawn { .. }) && task.spec.target.is_closed();
    if is_hopeless {
        return Some(reason.to_string());
    }
    let waited = now.since(task.created_at);
    let is_over = !task.spec.queue && waited >= UNQUEUED_WAIT;
    is_over.then(|| format!("no node took the task within {waited:?}: {reason}"))
}

fn refuse(reason: &Unplaced) -> Error {
    let (kind, code, hint) = match reason {
        Unplaced::NoNodes => {
            (ErrorKind::Precondition, "no_nodes", "attach one: cortex-cli session attach")
        }
        Unplaced::NotAttached => (
            ErrorKind::Precondition,
            "node_not_attached",
            "attach it: cortex-cli session attach SESSION NODE",
        ),
        Unplaced::Withdrawn { .. } => (
            ErrorKind::Denied,
            "node_not_shared",
            "ask its owner, or detach it: cortex-cli session detach SESSION NODE",
        ),
        Unplaced::Unfit(_) => (
            ErrorKind::Precondition,
            "no_fitting_node",
            "ask for all reasons: cortex-cli explain, with the same options",
        ),
        Unplaced::Offline { .. } => (
            ErrorKind::Unavailable,
            "node_offline",
            "start it, or let the task wait for it: --queue",
        ),
        Unplaced::Cordoned { .. } => {
            (ErrorKind::Unavailable, "node_cordoned", "cortex-cli node uncordon NODE, or --queue")
        }
    };
    Error::new(kind, OPERATION, reason.to_string()).with_code(code).with_hint(hint)
}
