//! Taking a task in, and handing it to a node.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::placement::Candidate;
use cortex_core::placement::Objection;
use cortex_core::placement::judge;
use cortex_core::session::Happening;
use cortex_core::session::Session;
use cortex_core::session::SessionStatus;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use cortex_core::task::TaskSpec;

use super::Dispatch;
use super::open::Bounds;
use super::open::Hold;
use crate::link::Down;
use crate::placement;
use crate::placement::Unplaced;

const OPERATION: &str = "submit task";

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
        let Submission { id, by, mut spec } = submission;
        spec.check().map_err(|error| {
            Error::new(ErrorKind::Invalid, OPERATION, error.to_string()).with_code("bad_task")
        })?;
        if session.status == SessionStatus::Closed {
            return Err(Error::new(ErrorKind::Precondition, OPERATION, "the session is closed")
                .with_code("session_closed")
                .with_hint("make a new one: cortex-cli session create"));
        }
        if spec.delivery.is_over(crate::clock::now()) {
            return Err(Error::new(ErrorKind::Invalid, OPERATION, "the deadline has passed")
                .with_code("bad_task"));
        }
        self.check_quota(by.user)?;
        self.check_skill_input(session, &spec).await?;
        let hold = self.place(session, id, &spec, &by).await?;
        let cap = self.limits.output_cap();
        spec.output_cap = Some(spec.output_cap.map_or(cap, |asked| asked.min(cap)));
        let submitted = TaskEvent::Submitted { by: by.user, spec: Arc::new(spec) };
        let mut what = vec![Happening::task(id, submitted)];
        if let Some(hold) = &hold {
            let node = hold.node;
            what.push(Happening::task(id, TaskEvent::Assigned { attempt: 1, node }));
        }
        let appended = self.store.append(session.id, None, what, crate::clock::now()).await?;
        let task = appended.tasks.first().cloned().ok_or_else(|| {
            Error::new(ErrorKind::Internal, OPERATION, "the store lost the task it stored")
        })?;
        crash_point!("hub::task-stored");
        self.open.insert(&task);
        self.metrics.tasks_submitted.inc();
        self.tell(session.id, &appended);
        match hold {
            Some(hold) => {
                let node = hold.node;
                // The task itself takes the slot from now on.
                drop(hold);
                self.hand_over_if_allowed(&task, &by, node).await?;
            }
            None => self.pool.ring(),
        }
        crash_point!("hub::task-sent");
        Ok(task)
    }

    /// Decides whether a task gets its slot at once or waits for its turn: at once where it names
    /// its nodes, one of them has a free slot, and no pass is due that would give it to another.
    ///
    /// # Errors
    /// No node can take it, and it does not ask to be queued.
    async fn place(
        &self,
        session: &Session,
        id: TaskId,
        spec: &TaskSpec,
        by: &Principal,
    ) -> Result<Option<Hold<'_>>> {
        if !spec.target.is_closed() {
            return match self.admit(session, id, spec, by).await? {
                Ok(()) => Ok(None),
                Err(reason) => refuse_unless_queued(spec, &reason),
            };
        }
        let candidates = self.candidates(session, &spec.target, by).await?;
        match placement::choose(id, spec, &candidates) {
            Ok(_) if self.pool.is_due() => Ok(None),
            Ok(node) => {
                let chosen = candidates.iter().find(|one| one.id == node);
                let slots = chosen.map_or(0, Candidate::slots);
                let bounds = Bounds { slots, quota: self.limits.running_tasks };
                Ok(self.open.hold(node, by.user, bounds))
            }
            Err(Unplaced::Full { .. }) => Ok(None),
            Err(reason) => refuse_unless_queued(spec, &reason),
        }
    }

    /// Whether some node could take a task, be it when it has a free slot again.
    pub(super) async fn admit(
        &self,
        session: &Session,
        id: TaskId,
        spec: &TaskSpec,
        by: &Principal,
    ) -> Result<std::result::Result<(), Unplaced>> {
        let is_meant =
            |node: &&NodeId| !spec.target.is_closed() || spec.target.named().contains(node);
        let mut candidates = Vec::new();
        for node in session.nodes.iter().filter(is_meant) {
            let candidate = self.candidate(*node, by).await?;
            let objections = judge(spec, &candidate);
            if objections.iter().all(|one| matches!(one, Objection::Full { .. })) {
                return Ok(Ok(()));
            }
            candidates.push(candidate);
        }
        Ok(placement::choose(id, spec, &candidates).map(drop))
    }

    /// Hands a task over, having looked again whether its user may use the node. The task can be
    /// found now: whoever takes the grant back after this look cancels it, and before it, we do.
    pub(super) async fn hand_over_if_allowed(
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

/// A task that asks to be queued waits for a node that is away or takes no tasks now.
fn refuse_unless_queued<T>(spec: &TaskSpec, reason: &Unplaced) -> Result<Option<T>> {
    match reason {
        Unplaced::Offline { .. } | Unplaced::Cordoned { .. } if spec.queue => Ok(None),
        _ => Err(refuse(reason)),
    }
}

fn refuse(reason: &Unplaced) -> Error {
    let (kind, hint) = match reason {
        Unplaced::NoNodes => (ErrorKind::Precondition, "attach one: cortex-cli session attach"),
        Unplaced::NotAttached => {
            (ErrorKind::Precondition, "attach it: cortex-cli session attach SESSION NODE")
        }
        Unplaced::Withdrawn { .. } => (
            ErrorKind::Denied,
            "ask its owner, or detach it: cortex-cli session detach SESSION NODE",
        ),
        Unplaced::Unfit(_) => (
            ErrorKind::Precondition,
            "ask for all reasons: cortex-cli explain, with the same options",
        ),
        Unplaced::Offline { .. } => {
            (ErrorKind::Unavailable, "start it, or let the task wait for it: --queue")
        }
        Unplaced::Cordoned { .. } => {
            (ErrorKind::Unavailable, "cortex-cli node uncordon NODE, or --queue")
        }
        Unplaced::Full { .. } => (ErrorKind::Unavailable, "wait until one of its tasks has ended"),
    };
    Error::new(kind, OPERATION, reason.to_string()).with_code(reason.code()).with_hint(hint)
}
