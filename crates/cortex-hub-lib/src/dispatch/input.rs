//! What is put into running tasks, on its way to their nodes.
//!
//! Nothing of it is stored: whoever types sees by the output what came of it. An input is numbered
//! when it is first sent, kept until the attempt has got it, and sent again under its number when
//! the node comes back. Numbers begin with the stream's epoch, which the store hands out: they grow
//! over streams and over restarts of the hub, so that a node takes each input at most once.

use std::collections::HashMap;
use std::collections::VecDeque;
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
use cortex_core::report::Ack;
use cortex_core::task::Input;
use cortex_core::task::State;
use cortex_core::task::Task;
use tokio::sync::Notify;

use super::Dispatch;
use crate::link::Down;
use crate::link::Link;

/// Input of one task that may wait for it, in bytes; who sends more waits.
const MOST_BYTES: usize = 64 << 10;

/// The same in pieces.
const MOST_WAITING: usize = 64;

/// How long an input waits for its task to get a node.
const PLACED_WITHIN: Duration = Duration::from_secs(2);

const OPERATION: &str = "put in";

/// The input of all tasks that have some on its way.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    lines: Mutex<HashMap<TaskId, Line>>,
}

/// The input of one attempt.
#[derive(Debug, Default)]
struct Line {
    attempt: u32,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// How many of those that wait were sent on the newest stream.
    sent: usize,
    /// The highest number that was given.
    last: u64,
    /// Rings when there is room, or nothing to wait for.
    room: Arc<Notify>,
}

#[derive(Debug)]
struct Waiting {
    number: Option<u64>,
    input: Input,
}

impl Line {
    fn has_room(&self, input: &Input) -> bool {
        let fits = self.bytes + input.weight() <= MOST_BYTES && self.waiting.len() < MOST_WAITING;
        fits || self.waiting.is_empty()
    }

    fn push(&mut self, input: Input) {
        self.bytes += input.weight();
        self.waiting.push_back(Waiting { number: None, input });
    }

    /// The next input to send on a stream of `epoch`, with its number.
    fn next(&mut self, epoch: u64) -> Option<(u64, Input)> {
        let next = self.waiting.get_mut(self.sent)?;
        let number = *next.number.get_or_insert_with(|| {
            self.last = (self.last + 1).max(epoch << 32);
            self.last
        });
        Some((number, next.input.clone()))
    }

    /// Drops what the attempt has got, and rings.
    fn given(&mut self, number: u64) {
        let is_given = |waiting: &Waiting| waiting.number.is_some_and(|own| own <= number);
        while let Some(front) = self.waiting.pop_front_if(|front| is_given(front)) {
            self.bytes -= front.input.weight();
            self.sent = self.sent.saturating_sub(1);
        }
        self.room.notify_waiters();
    }
}

impl Inputs {
    /// Takes an input in and sends it; `Err` gives it back with a bell that rings when there may be
    /// room.
    fn offer(
        &self,
        task: &Task,
        input: Input,
        link: Option<&Link>,
    ) -> Result<(), (Input, Arc<Notify>)> {
        let mut lines = self.lock();
        let line = lines.entry(task.id).or_default();
        if line.attempt != task.attempt {
            // What was for an earlier attempt is of no use to another process.
            line.room.notify_waiters();
            *line = Line { attempt: task.attempt, ..Line::default() };
        }
        if !line.has_room(&input) {
            return Err((input, Arc::clone(&line.room)));
        }
        line.push(input);
        if let Some(link) = link {
            send(task, line, link);
        }
        Ok(())
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

impl Dispatch {
    /// Puts something into a running task; waits while too much waits for it already.
    ///
    /// # Errors
    /// `Precondition`: the task takes no input (`no_input`), waits for a node (`task_queued`), or
    /// has ended (`task_ended`).
    ///
    /// # Cancel safety
    /// It is put in as a whole or not at all.
    pub(crate) async fn put(&self, id: TaskId, mut input: Input) -> Result<()> {
        self.placed(id).await;
        loop {
            let task = self.takes_input(id)?;
            let link = task.node.and_then(|node| self.links.get(node));
            let room = match self.inputs.offer(&task, input, link.as_deref()) {
                Ok(()) => break,
                Err((back, room)) => {
                    input = back;
                    room
                }
            };
            let rings = room.notified();
            tokio::pin!(rings);
            // Registered before the second look, so that no ring is missed.
            rings.as_mut().enable();
            match self.inputs.offer(&task, input, link.as_deref()) {
                Ok(()) => break,
                Err((back, _)) => input = back,
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

    /// The task, if something can be put into it now.
    ///
    /// # Errors
    /// Those of [`Self::put`].
    pub(crate) fn takes_input(&self, id: TaskId) -> Result<Arc<Task>> {
        let refuse = |code, message: &str| {
            Error::new(ErrorKind::Precondition, OPERATION, message).with_code(code)
        };
        let Some(task) = self.open.task(id) else {
            return Err(refuse("task_ended", "the task has ended"));
        };
        if !task.spec.takes_input() {
            return Err(refuse("no_input", "the task takes no input while it runs")
                .with_hint("ask for it when you send the task: \"open_stdin\" or \"terminal\""));
        }
        if task.state == State::Queued {
            return Err(refuse("task_queued", "the task waits for a node"));
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn key(text: &str) -> Input {
        Input::Data(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// Sends all there is on a stream of `epoch`.
    fn sent(line: &mut Line, epoch: u64) -> Vec<(u64, Input)> {
        let mut all = Vec::new();
        while let Some(next) = line.next(epoch) {
            all.push(next);
            line.sent += 1;
        }
        all
    }

    #[test]
    fn numbers_grow_over_streams_and_stay_with_what_is_sent_again() {
        let mut line = Line::default();
        line.push(key("a"));
        line.push(key("b"));
        let base = 7 << 32;
        assert_eq!(sent(&mut line, 7), [(base, key("a")), (base + 1, key("b"))]);
        line.given(base);
        line.push(key("c"));
        line.sent = 0;
        let newer = 8 << 32;
        assert_eq!(sent(&mut line, 8), [(base + 1, key("b")), (newer, key("c"))]);
        line.given(newer);
        assert_eq!((line.waiting.len(), line.bytes, line.sent), (0, 0, 0));
        // A hub that was restarted knows nothing of these numbers, and has a newer epoch.
        let mut restarted = Line::default();
        restarted.push(key("d"));
        assert!(sent(&mut restarted, 9)[0].0 > newer);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_pieces() {
        let mut line = Line::default();
        let long = Input::Data(Bytes::from(vec![0; MOST_BYTES]));
        assert!(line.has_room(&long));
        line.push(long);
        assert!(!line.has_room(&key("a")));
        let (number, _) = line.next(1).unwrap();
        line.sent = 1;
        line.given(number);
        for _ in 0..MOST_WAITING {
            assert!(line.has_room(&key("a")));
            line.push(key("a"));
        }
        assert!(!line.has_room(&key("a")));
    }
}
