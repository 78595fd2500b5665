//! The short way for an AI service that has a hub in its own process.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskSpec;

use crate::hub::Hub;
use crate::hub::TaskDraft;

/// Output that an answer carries of each stream at most: the stream's end.
const OUTPUT_LIMIT: usize = 1 << 20;

/// Runs tasks for one principal in one session.
///
/// ```no_run
/// # async fn run(hub: cortex_hub_lib::Hub, who: cortex_core::account::Principal)
/// # -> cortex_core::Result<()> {
/// use cortex_core::task::TaskSpec;
/// use cortex_hub_lib::TaskAssistant;
///
/// let session = hub.create_session(&who, Some("review".into()), &["lab-7".into()]).await?;
/// let assistant = TaskAssistant::new(hub, who, session.id);
/// let done = assistant.dispatch_single("lab-7", TaskSpec::argv(["uname", "-a"])).await?;
/// println!("{} {}", done.task.state.word(), String::from_utf8_lossy(&done.stdout));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TaskAssistant {
    hub: Hub,
    who: Principal,
    session: SessionId,
}

/// A task that has ended, or whose time to wait was over, with the end of its output.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Done {
    /// The task as it stands.
    pub task: Arc<Task>,
    /// The last MiB of its standard output.
    pub stdout: Bytes,
    /// The last MiB of its standard error.
    pub stderr: Bytes,
}

impl TaskAssistant {
    /// Makes an assistant that acts for `who` in `session`.
    #[must_use]
    pub fn new(hub: Hub, who: Principal, session: SessionId) -> Self {
        Self { hub, who, session }
    }

    /// Runs a task on one node, by id or name, and waits for its end.
    ///
    /// The working directory is the spec's, or the session's workspace on that node. A task without
    /// a time limit is waited for without one.
    ///
    /// # Errors
    /// Those of [`Hub::submit`] and of reading the output.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the task running; [`Self::cancel`] ends it.
    pub async fn dispatch_single(&self, node: &str, spec: TaskSpec) -> Result<Done> {
        let task = self.submit(node, spec).await?;
        self.finish(task.id).await
    }

    /// Hands a task to one node and returns at once.
    ///
    /// # Errors
    /// Those of [`Hub::submit`].
    pub async fn submit(&self, node: &str, spec: TaskSpec) -> Result<Arc<Task>> {
        let draft = TaskDraft { spec, node: Some(node.to_owned()) };
        // The future of a submission is large, and this one is part of others.
        Box::pin(self.hub.submit(&self.who, &self.session.to_string(), draft, None)).await
    }

    /// Waits for the end of a task and collects its output.
    ///
    /// # Errors
    /// `NotFound`: no such task.
    pub async fn finish(&self, id: TaskId) -> Result<Done> {
        let task = loop {
            let task = self.hub.wait(&self.who, id, Duration::from_secs(3600)).await?;
            if task.state.is_end() || self.hub.shutdown_token().is_cancelled() {
                break task;
            }
        };
        let stdout = self.tail(&task, Stream::Stdout).await?;
        let stderr = self.tail(&task, Stream::Stderr).await?;
        Ok(Done { task, stdout, stderr })
    }

    /// Asks for the end of a task.
    ///
    /// # Errors
    /// Those of [`Hub::cancel`].
    pub async fn cancel(&self, id: TaskId, reason: &str) -> Result<Arc<Task>> {
        self.hub.cancel(&self.who, id, reason).await
    }

    async fn tail(&self, task: &Task, stream: Stream) -> Result<Bytes> {
        let totals = task.output.of(stream);
        let mut offset = totals.last(OUTPUT_LIMIT as u64);
        let mut tail = BytesMut::new();
        while offset < totals.arrived() {
            let part = self.hub.output(&self.who, task.id, stream, offset, OUTPUT_LIMIT).await?;
            if part.data.is_empty() {
                break;
            }
            offset += part.data.len() as u64;
            tail.extend_from_slice(&part.data);
        }
        Ok(tail.freeze())
    }
}
