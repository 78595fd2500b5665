//! Putting something into a running task: bytes, a terminal's size, the end of its input, signals.

use bytes::Bytes;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Object;
use cortex_core::id::TaskId;
use cortex_core::task::Input;
use cortex_core::task::Signal;

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
        self.open_keyboard(who, id, false).await
    }

    /// As [`Self::keyboard`], to go on where bytes were put in before: that is recorded once for
    /// each user, not for every piece.
    ///
    /// # Errors
    /// Those of [`Self::keyboard`].
    pub async fn keyboard_again(&self, who: &Principal, id: TaskId) -> Result<Keyboard> {
        self.open_keyboard(who, id, true).await
    }

    async fn open_keyboard(&self, who: &Principal, id: TaskId, again: bool) -> Result<Keyboard> {
        let task = self.find_task(who, id, Scope::Exec).await?;
        self.inner.dispatch.placed(id).await;
        self.inner.dispatch.takes_input(id)?;
        if !self.inner.dispatch.begins_input(&task, who.user) && again {
            return Ok(Keyboard { hub: self.clone(), task: id });
        }
        let note = Note::by(who, Action::TaskInput, Object::Task(id)).owned_by(task.by);
        let hub = self.clone();
        self.finish(async move {
            let keyboard = Keyboard { hub: hub.clone(), task: id };
            hub.recorded(note, async { Ok(keyboard) }).await
        })
        .await
    }
}

impl Hub {
    /// Sends a signal to a running program and its group: in a terminal, to what is in the
    /// foreground; KILL to all that belongs to the task. It goes ahead of input that waits, and
    /// waits for a node that is away.
    ///
    /// # Errors
    /// `NotFound`: no such task of `who`'s. `Denied`: the credential may not run tasks.
    /// `Precondition`: the task is no program (`no_process`), waits for a node (`task_queued`), or
    /// has ended (`task_ended`).
    pub async fn signal(&self, who: &Principal, id: TaskId, signal: Signal) -> Result<()> {
        let task = self.find_task(who, id, Scope::Exec).await?;
        self.inner.dispatch.takes_signals(id)?;
        let note = Note::by(who, Action::TaskSignal, Object::Task(id)).owned_by(task.by);
        let note = note.detail(signal.word());
        let hub = self.clone();
        self.finish(async move {
            hub.recorded(note, hub.inner.dispatch.put(id, Input::Signal(signal), None)).await
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
        self.put_from(None, input).await
    }

    /// Puts something in that begins at byte `at` of all that is put into the task: what of it was
    /// put in before is left out, so that a repeat does nothing. Waits as [`Self::put`] does.
    ///
    /// # Errors
    /// `Precondition`, code `task_ended`: the task has ended. `Conflict`, code `input_gap`: what came
    /// before it was never put in, or the hub was started anew since.
    ///
    /// # Cancel safety
    /// Where the future is dropped, a beginning of long data may have been put in.
    pub async fn put_at(&self, at: u64, input: Input) -> Result<()> {
        self.put_from(Some(at), input).await
    }

    async fn put_from(&self, mut at: Option<u64>, input: Input) -> Result<()> {
        let dispatch = self.hub.dispatch();
        let mut data = match input {
            Input::Data(data) => data,
            other => return dispatch.put(self.task, other, at).await,
        };
        while !data.is_empty() {
            let piece: Bytes = data.split_to(data.len().min(PIECE_BYTES));
            let len = piece.len() as u64;
            dispatch.put(self.task, Input::Data(piece), at).await?;
            at = at.map(|at| at + len);
        }
        Ok(())
    }
}
