//! Taking a task in, and handing it to a node.

use std::sync::Arc;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::session::Happening;
use cortex_core::session::Session;
use cortex_core::session::SessionStatus;
use cortex_core::task::Outcome;
use cortex_core::task::Target;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use cortex_core::task::TaskSpec;
use cortex_core::timestamp::Timestamp;

use super::Dispatch;
use crate::link::Down;
use crate::placement;
use crate::placement::Candidate;
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
    pub(crate) by: UserId,
    /// What is to be done.
    pub(crate) spec: TaskSpec,
}

impl Dispatch {
    /// Stores a task and hands it to a node. When this returns, the task survives a crash.
    ///
    /// # Errors
    /// `Invalid`: the spec. `Precondition`: closed session, no fitting node. `Unavailable`: the
    /// node is offline, and the task does not ask to be queued. `Exhausted`: the user's quota.
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
        self.check_quota(by)?;
        let node = match placement::choose(&spec, &self.candidates(session, &spec.target)) {
            Ok(node) => Some(node),
            Err(Unplaced::Offline { .. } | Unplaced::Cordoned { .. }) if spec.queue => None,
            Err(reason) => return Err(refuse(&reason)),
        };
        let mut what = vec![Happening::task(id, TaskEvent::Submitted { by, spec: Arc::new(spec) })];
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
        if node.is_some() {
            self.hand_over(&task).await;
        }
        Ok(task)
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

    /// Hands queued tasks of one session to nodes that are there now.
    pub(super) async fn place_queued(&self, session: &Session, task: &Arc<Task>, now: Timestamp) {
        let candidates = self.candidates(session, &task.spec.target);
        let event = match placement::choose(&task.spec, &candidates) {
            Ok(node) => TaskEvent::Assigned { attempt: task.attempt + 1, node },
            Err(reason) => {
                let waited = now.since(task.created_at);
                if task.spec.queue || waited < UNQUEUED_WAIT {
                    return;
                }
                let message = format!("no node took the task within {waited:?}: {reason}");
                TaskEvent::ended(task.attempt, Outcome::Broken { message })
            }
        };
        match self.append_event(task, event).await {
            Ok(Some(moved)) if !moved.state.is_end() => self.hand_over(&moved).await,
            Ok(_) => {}
            Err(error) => tracing::warn!(task = %task.id, %error, "cannot place queued task"),
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

    /// The session's nodes that the target may mean, with what is known of them live.
    fn candidates(&self, session: &Session, target: &Target) -> Vec<Candidate> {
        let wanted = |node: &&NodeId| match target {
            Target::Node(only) => *node == only,
            _ => true,
        };
        session.nodes.iter().filter(wanted).map(|node| self.candidate(*node)).collect()
    }

    fn candidate(&self, id: NodeId) -> Candidate {
        let load = self.load_of(id);
        let Some(link) = self.links.get(id) else {
            let name = id.to_string();
            let (labels, skills) = Default::default();
            return Candidate {
                node: id,
                name,
                labels,
                online: false,
                cordoned: false,
                skills,
                load,
            };
        };
        let node = link.node();
        let capabilities = node.capabilities.as_ref();
        Candidate {
            node: id,
            name: node.name.clone(),
            labels: node.labels.clone(),
            online: link.is_live(),
            cordoned: node.cordoned,
            skills: capabilities
                .map(|known| known.skills.iter().map(|skill| skill.name.clone()).collect())
                .unwrap_or_default(),
            load,
        }
    }
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
        Unplaced::Unfit(_) => (ErrorKind::Precondition, "no_fitting_node", "cortex-cli node list"),
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
