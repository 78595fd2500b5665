//! Putting something into a running task: bytes, a terminal's size, the end of its input.

use bytes::Bytes;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Object;
use cortex_core::id::TaskId;
use cortex_core::task::Input;

use super::Hub;
use crate::audit::Note;

/// The most that goes to a node at once, in bytes.
const PIECE_BYTES: usize = 16 << 10;

/// The right to put things into one running task.
#[derive(Debug)]
pub struct Keyboard {
    hub: Hub,
    task: TaskId,
}

impl Hub {
    /// Opens a task for input. That is recorded; what is then put in is not.
    ///
    /// # Errors
    /// `NotFound`: no such task of `who`'s. `Denied`: the credential may not run tasks.
    /// `Precondition`: the task takes no input (`no_input`), waits for a node (`task_queued`), or
    /// has ended (`task_ended`).
    pub async fn keyboard(&self, who: &Principal, id: TaskId) -> Result<Keyboard> {
        let task = self.find_task(who, id, Scope::Exec).await?;
        self.inner.dispatch.placed(id).await;
        self.inner.dispatch.takes_input(id)?;
        let note = Note::by(who, Action::TaskInput, Object::Task(id)).owned_by(task.by);
        let hub = self.clone();
        self.finish(async move {
            let keyboard = Keyboard { hub: hub.clone(), task: id };
            hub.recorded(note, async { Ok(keyboard) }).await
        })
        .await
    }
}

impl Keyboard {
    /// Puts something in; waits while the task does not take what was put in before.
    ///
    /// It is taken in when this returns, and kept in memory until the task's node has passed it on:
    /// through a lost link, but not through the end of the hub's process.
    ///
    /// # Errors
    /// `Precondition`, code `task_ended`: the task has ended.
    ///
    /// # Cancel safety
    /// Where the future is dropped, a beginning of long data may have been put in.
    pub async fn put(&self, input: Input) -> Result<()> {
        let dispatch = self.hub.dispatch();
        let mut data = match input {
            Input::Data(data) => data,
            other => return dispatch.put(self.task, other).await,
        };
        while !data.is_empty() {
            let piece: Bytes = data.split_to(data.len().min(PIECE_BYTES));
            dispatch.put(self.task, Input::Data(piece)).await?;
        }
        Ok(())
    }
}
