//! Tasks: submit, look, wait, cancel, read output.

use std::sync::Arc;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Object;
use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::session::OutputPart;
use cortex_core::session::Session;
use cortex_core::session::TaskFilter;
use cortex_core::task::Stream;
use cortex_core::task::Target;
use cortex_core::task::Task;
use cortex_core::task::TaskSpec;

use super::Hub;
use super::check_access;
use super::check_scope;
use super::secrets::name_secrets;
use crate::audit::Note;
use crate::dispatch::Submission;

/// A task that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDraft {
    /// What is to be done.
    pub spec: TaskSpec,
    /// The node by id or name; where given, it takes the place of the spec's target.
    pub node: Option<String>,
}

impl Hub {
    /// Stores a task and hands it to a node. When this returns, the task survives a crash.
    ///
    /// With the same `idempotency` key and the same draft, the same task comes again.
    ///
    /// # Errors
    /// `NotFound`: no such session or node of `who`'s. `Denied`: the credential may not run tasks.
    /// Code `node_not_shared`: it was shared with them, and is no more.
    /// `Invalid`: the spec, or a repeat with another draft (code `idempotency_mismatch`).
    /// `Precondition`: closed session, node not attached, no fitting node. `Unavailable`, code
    /// `node_offline`: and the task does not ask to be queued. `Exhausted`: too many open tasks.
    pub async fn submit(
        &self,
        who: &Principal,
        session: &str,
        draft: TaskDraft,
        idempotency: Option<&str>,
    ) -> Result<Arc<Task>> {
        let mut session = self.find_session(who, session, Scope::Exec).await?;
        let mut spec = draft.spec;
        name_secrets(&mut spec)?;
        if let Some(key) = &draft.node {
            spec.target = Target::Node(self.target_of(who, &session, key, Scope::Exec).await?);
        }
        if draft.node.is_some() || matches!(spec.target, Target::FirstOf(_)) {
            session = self.attach_named(who, session, &spec.target).await?;
        }
        let id = match idempotency {
            Some(key) => {
                let body = serde_json::to_vec(&(session.id, &spec)).unwrap_or_default();
                self.repeatable_task(who.user, key, &body).await?
            }
            None => TaskId::generate(),
        };
        let note = Note::by(who, Action::TaskSubmit, Object::Task(id))
            .owned_by(who.user)
            .detail(session.id.to_string());
        self.seal_secrets(id, &mut spec)?;
        let submission = Submission { id, by: who.clone(), spec };
        let hub = self.clone();
        let is_repeatable = idempotency.is_some();
        self.finish(async move {
            // Boxed: whoever submits does not carry all that may come of it.
            let submitting = Box::pin(hub.inner.dispatch.submit(&session, submission));
            let submitted = hub.recorded(note, submitting).await;
            match submitted {
                Err(error) if error.kind() == ErrorKind::Exists && is_repeatable => {
                    hub.stored_task(id).await
                }
                done => done,
            }
        })
        .await
    }

    /// Returns a task.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see.
    pub async fn task(&self, who: &Principal, id: TaskId) -> Result<Arc<Task>> {
        self.find_task(who, id, Scope::Read).await
    }

    /// Lists the tasks that fit and that `who` may see, newest first.
    ///
    /// # Errors
    /// `Denied`: the credential may not read.
    pub async fn tasks(&self, who: &Principal, filter: TaskFilter) -> Result<Vec<Arc<Task>>> {
        check_scope(who, Scope::Read)?;
        let by = who.visible_owner().or(filter.by);
        self.inner.sessions.tasks(TaskFilter { by, ..filter }).await
    }

    /// Asks for a task's end and returns the task as it then is: ended if it was still queued,
    /// else cancelling until its node has confirmed.
    ///
    /// # Errors
    /// `NotFound`: no such task of `who`'s. `Precondition`, code `task_ended`: it has ended.
    pub async fn cancel(&self, who: &Principal, id: TaskId, reason: &str) -> Result<Arc<Task>> {
        let task = self.find_task(who, id, Scope::Exec).await?;
        if task.state.is_end() {
            let message = format!("the task has already {}", task.state.word());
            return Err(
                Error::new(ErrorKind::Precondition, "cancel task", message).with_code("task_ended")
            );
        }
        let note = Note::by(who, Action::TaskCancel, Object::Task(id)).owned_by(task.by);
        let (hub, by, reason) = (self.clone(), who.user, reason.to_owned());
        self.finish(async move {
            hub.recorded(note, hub.inner.dispatch.cancel(id, Some(by), &reason)).await
        })
        .await
    }

    /// Waits for a task's end, at most for `limit`, and returns it as it then is.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn wait(&self, who: &Principal, id: TaskId, limit: Duration) -> Result<Arc<Task>> {
        let Some(topic) = self.inner.dispatch.topic(id) else {
            return self.find_task(who, id, Scope::Read).await;
        };
        check_access(who, Scope::Read, topic.task().by, || not_found(id))?;
        let mut bell = topic.bell();
        let ended = async {
            // The topic is held here, so its bell cannot be lost.
            let _ = bell.wait_for(|task| task.state.is_end()).await;
        };
        tokio::select! {
            () = ended => {}
            () = tokio::time::sleep(limit) => {}
            () = self.inner.shutdown.cancelled() => {}
        }
        Ok(topic.task())
    }

    /// Returns stored output of a task from `offset` on, at most `limit` bytes; maybe fewer than
    /// are stored, and none where it is left out: the part's totals say where it goes on.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see.
    pub async fn output(
        &self,
        who: &Principal,
        id: TaskId,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputPart> {
        let totals = self.find_task(who, id, Scope::Read).await?.output.of(stream);
        let readable = usize::try_from(totals.readable(offset)).unwrap_or(usize::MAX);
        let recent = self.inner.dispatch.recent_output(id, stream, offset);
        if let Some(mut data) = recent.filter(|_| readable > 0) {
            data.truncate(limit.min(readable));
            return Ok(OutputPart { offset, data, totals });
        }
        self.inner.sessions.output(id, stream, offset, limit).await
    }

    /// Finds a task that `who` may use as `scope` says.
    pub(super) async fn find_task(
        &self,
        who: &Principal,
        id: TaskId,
        scope: Scope,
    ) -> Result<Arc<Task>> {
        let task = match self.inner.dispatch.topic(id) {
            Some(topic) => topic.task(),
            None => self.stored_task(id).await?,
        };
        check_access(who, scope, task.by, || not_found(id))?;
        Ok(task)
    }

    /// The node that a task is for. One that is attached to the session is no secret to who may
    /// use the session: whether they still may use the node is then said in words.
    pub(super) async fn target_of(
        &self,
        who: &Principal,
        session: &Session,
        key: &str,
        scope: Scope,
    ) -> Result<NodeId> {
        match self.resolve_node(who, key, scope).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let attached = key.parse().ok().filter(|node| session.nodes.contains(node));
                attached.ok_or(error)
            }
            found => found,
        }
    }

    /// Attaches the nodes that a task names to the default session, as far as `who` may use them:
    /// the others are told apart when the task is placed.
    async fn attach_named(
        &self,
        who: &Principal,
        mut session: Arc<Session>,
        target: &Target,
    ) -> Result<Arc<Session>> {
        for node in target.named() {
            match self.resolve_node(who, &node.to_string(), Scope::Exec).await {
                Ok(node) => session = self.attach_to_default(who, session, node).await?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(session)
    }

    async fn stored_task(&self, id: TaskId) -> Result<Arc<Task>> {
        let found = self.inner.sessions.tasks(TaskFilter::one(id)).await?;
        found.into_iter().next().ok_or_else(|| not_found(id))
    }
}

fn not_found(id: TaskId) -> Error {
    Error::new(ErrorKind::NotFound, "find task", format!("no task \"{id}\""))
        .with_code("task_not_found")
        .with_hint("cortex-cli task list")
}
