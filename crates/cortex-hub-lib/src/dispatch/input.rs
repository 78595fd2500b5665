//! What is put into running tasks, on its way to their nodes.
//!
//! Nothing of it is stored: whoever types sees by the output what came of it. An input is numbered
//! when it is first sent, kept until the attempt has got it, and sent again under its number when
//! the node comes back. Numbers begin with the stream's epoch, which the store hands out: they grow
//! over streams and over restarts of the hub, so that a node takes each input at most once.

mod line;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::report::Ack;
use cortex_core::task::Input;
use cortex_core::task::State;
use cortex_core::task::Task;
use tokio::sync::Notify;

use self::line::Line;
use super::Dispatch;
use crate::link::Down;
use crate::link::Link;

/// How long an input waits for its task to get a node.
const PLACED_WITHIN: Duration = Duration::from_secs(2);

const OPERATION: &str = "put in";

/// The input of all tasks that have some on its way.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    lines: Mutex<HashMap<TaskId, Line>>,
}

/// What became of an input.
#[derive(Debug)]
enum Offered {
    /// It is on its way, or was put in before.
    Taken,
    /// There is no room for it; the bell rings when there may be.
    Full(Arc<Notify>),
    /// What came before it was never put in.
    Gap {
        /// Bytes that were.
        taken: u64,
    },
}

impl Inputs {
    /// Takes an input in and sends it, unless it was put in before.
    fn offer(&self, task: &Task, input: Input, at: Option<u64>, link: Option<&Link>) -> Offered {
        let mut lines = self.lock();
        let line = lines.entry(task.id).or_default();
        if line.attempt != task.attempt {
            // What was for an earlier attempt is of no use to another process.
            line.room.notify_waiters();
            *line = Line::of(task.attempt);
        }
        let fresh = match line.fresh(input, at) {
            Ok(Some(fresh)) => fresh,
            Ok(None) => return Offered::Taken,
            Err(taken) => return Offered::Gap { taken },
        };
        if !line.has_room(&fresh) {
            return Offered::Full(Arc::clone(&line.room));
        }
        line.push(fresh);
        if let Some(link) = link {
            send(task, line, link);
        }
        Offered::Taken
    }

    /// Sends what has not been sent, or all once more on a new stream.
    fn send_again(&self, task: &Task, link: &Link, is_new: bool) {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(&task.id).filter(|line| line.attempt == task.attempt) else {
            return;
        };
        if is_new {
            line.sent = 0;
        }
        send(task, line, link);
    }

    /// Whether this user has begun to put input into the attempt; from now on, they have.
    fn begins(&self, task: &Task, user: UserId) -> bool {
        let mut lines = self.lock();
        let line = lines.entry(task.id).or_insert_with(|| Line::of(task.attempt));
        line.feeder.replace(user) != Some(user)
    }

    /// The attempt has got its input up to this.
    fn given(&self, ack: &Ack) {
        let mut lines = self.lock();
        if let Some(line) = lines.get_mut(&ack.task).filter(|line| line.attempt == ack.attempt) {
            line.given(ack.sequence);
        }
    }

    /// The task has ended.
    pub(super) fn forget(&self, task: TaskId) {
        let line = self.lock().remove(&task);
        if let Some(line) = line {
            line.room.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Line>> {
        // No code panics while it holds this lock.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what the link takes, in order; the rest waits for the next sweep or stream.
fn send(task: &Task, line: &mut Line, link: &Link) {
    while let Some((number, input)) = line.next(link.epoch) {
        let (session, attempt) = (task.session, task.attempt);
        if link.send(Down::Input { session, task: task.id, attempt, number, input }).is_err() {
            return;
        }
        line.sent += 1;
    }
}

fn gap(taken: u64) -> Error {
    let message = format!("{taken} bytes were put in, and not what came between them and these");
    Error::new(ErrorKind::Conflict, OPERATION, message)
        .with_code("input_gap")
        .with_hint("the hub or the task was started anew: its input cannot be continued")
}

fn refusal(code: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Precondition, OPERATION, message).with_code(code)
}

impl Dispatch {
    /// Puts something into a running task; waits while too much waits for it already. Where it is
    /// said at which byte of all input it begins, what was put in before is left out.
    ///
    /// # Errors
    /// `Conflict` (`input_gap`): input before that byte was never put in.
    /// `Precondition`: the task takes no input (`no_input`) or is no program (`no_process`), waits for
    /// a node (`task_queued`), or has ended (`task_ended`).
    ///
    /// # Cancel safety
    /// It is put in as a whole or not at all.
    pub(crate) async fn put(&self, id: TaskId, input: Input, at: Option<u64>) -> Result<()> {
        self.placed(id).await;
        loop {
            let task = match &input {
                Input::Signal(_) => self.takes_signals(id)?,
                _ => self.takes_input(id)?,
            };
            let link = task.node.and_then(|node| self.links.get(node));
            let room = match self.inputs.offer(&task, input.clone(), at, link.as_deref()) {
                Offered::Taken => break,
                Offered::Gap { taken } => return Err(gap(taken)),
                Offered::Full(room) => room,
            };
            let rings = room.notified();
            tokio::pin!(rings);
            // Registered before the second look, so that no ring is missed.
            rings.as_mut().enable();
            match self.inputs.offer(&task, input.clone(), at, link.as_deref()) {
                Offered::Taken => break,
                Offered::Gap { taken } => return Err(gap(taken)),
                Offered::Full(_) => {}
            }
            if self.open.task(id).is_some() {
                rings.await;
            }
        }
        if self.open.task(id).is_none() {
            // It ended meanwhile, and was forgotten before this came.
            self.inputs.forget(id);
        }
        Ok(())
    }

    /// Waits for a moment until a task has a node: one that was just submitted is about to get one.
    pub(crate) async fn placed(&self, id: TaskId) {
        let Some(topic) = self.open.topic(id).filter(|topic| topic.task().spec.takes_input())
        else {
            return;
        };
        let mut bell = topic.bell();
        let placed = bell.wait_for(|task| task.state != State::Queued);
        // How it stands then is looked at next.
        drop(tokio::time::timeout(PLACED_WITHIN, placed).await);
    }

    /// Whether this user begins to put input into a task, rather than to go on with it.
    pub(crate) fn begins_input(&self, task: &Task, user: UserId) -> bool {
        let begins = self.inputs.begins(task, user);
        if self.open.task(task.id).is_none() {
            // It ended meanwhile, and was forgotten before this came.
            self.inputs.forget(task.id);
        }
        begins
    }

    /// The task, if something can be put into it now.
    ///
    /// # Errors
    /// Those of [`Self::put`].
    pub(crate) fn takes_input(&self, id: TaskId) -> Result<Arc<Task>> {
        self.under_way(id, |task| match task.spec.takes_input() {
            true => Ok(()),
            false => Err(refusal("no_input", "the task takes no input while it runs")
                .with_hint("ask for it when you send the task: \"open_stdin\" or \"terminal\"")),
        })
    }

    /// The task, if it can be sent a signal now.
    ///
    /// # Errors
    /// Those of [`Self::put`].
    pub(crate) fn takes_signals(&self, id: TaskId) -> Result<Arc<Task>> {
        self.under_way(id, |task| match task.spec.takes_signals() {
            true => Ok(()),
            false => Err(refusal("no_process", "only programs can be sent signals, skills cannot")
                .with_hint("cortex-cli task cancel ends it")),
        })
    }

    /// A task that is on a node, after `check`.
    fn under_way(&self, id: TaskId, check: impl FnOnce(&Task) -> Result<()>) -> Result<Arc<Task>> {
        let Some(task) = self.open.task(id) else {
            return Err(refusal("task_ended", "the task has ended"));
        };
        check(&task)?;
        if task.state == State::Queued {
            return Err(refusal("task_queued", "the task waits for a node"));
        }
        Ok(task)
    }

    /// Attempts on a node have got their input up to this.
    pub(crate) fn input_given(&self, node: NodeId, acks: &[Ack]) {
        for ack in acks {
            if self.open.task(ack.task).is_some_and(|task| task.node == Some(node)) {
                self.inputs.given(ack);
            }
        }
    }

    /// A node is back: what its attempts have not got is sent once more.
    pub(super) fn send_inputs_again(&self, node: NodeId) {
        let Some(link) = self.links.get(node) else { return };
        for task in self.open.on_node(node) {
            self.inputs.send_again(&task, &link, true);
        }
    }

    /// Sends what a full link did not take.
    pub(super) fn send_waiting_inputs(&self) {
        let ids: Vec<TaskId> = self.inputs.lock().keys().copied().collect();
        for task in ids.into_iter().filter_map(|id| self.open.task(id)) {
            if let Some(link) = task.node.and_then(|node| self.links.get(node)) {
                self.inputs.send_again(&task, &link, false);
            }
        }
    }
}
