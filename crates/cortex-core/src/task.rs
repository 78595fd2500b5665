//! A task's life: one state machine, pure, the only place where a task's state changes.
//!
//! ```text
//! submitted ─▶ queued ─▶ assigned ─▶ running ─▶ cancelling ─▶ exactly one end
//!               ▲  ▲          │          │
//!               │  └─ returned ┤          │  (it never left the hub)
//!               └─── retried ──┴──────────┘  (its node was lost, and it may run again)
//! ```
//! Ends: succeeded, failed, cancelled, `timed_out`, rejected, interrupted, lost. A task may end from
//! every state; from an end it never moves again.

mod cap;
mod delivery;
mod event;
mod file;
mod millis;
mod outcome;
mod progress;
mod published;
mod secret;
mod signal;
mod spec;
mod state;
mod target;
mod terminal;
mod totals;

use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

pub use cap::Excess;
pub use cap::OutputCap;
pub use delivery::Delivery;
pub use delivery::MAX_ATTEMPTS;
pub use event::TaskEvent;
pub use file::InputFile;
pub use file::MAX_FILE_BYTES;
pub use file::MAX_FILES;
pub use outcome::Outcome;
pub use progress::MAX_PROGRESS_BYTES;
pub use progress::Progress;
pub use published::FileFault;
pub use published::MAX_PUBLISHED;
pub use published::MAX_PUBLISHED_BYTES;
pub use published::MAX_PUBLISHED_FILE;
pub use published::PublishedFile;
pub use published::SentFile;
pub use published::check_name;
pub use published::is_portable;
pub use secret::MAX_SECRET_BYTES;
pub use secret::MAX_SECRETS;
pub use secret::MIN_SECRET_BYTES;
pub use secret::SealedSecrets;
pub use secret::SecretError;
pub use secret::Secrets;
pub use signal::Signal;
pub use signal::UnknownSignal;
pub use spec::MAX_ARG_BYTES;
pub use spec::MAX_STDIN_BYTES;
pub use spec::ShellWork;
pub use spec::SpecError;
pub use spec::TaskSpec;
pub use spec::Work;
pub use state::State;
pub use target::FirstOf;
pub use target::MAX_NAMED_NODES;
pub use target::Otherwise;
pub use target::Target;
pub use terminal::Input;
pub use terminal::MAX_SIDE;
pub use terminal::SizeChange;
pub use terminal::Terminal;
pub use terminal::Window;
pub use totals::Gap;
pub use totals::OutputTotals;
pub use totals::Stream;
pub use totals::StreamTotals;

use crate::id::NodeId;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::id::UserId;
use crate::timestamp::Timestamp;

/// A task as it stands: what was asked for, and where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its name.
    pub id: TaskId,
    /// The session it belongs to.
    pub session: SessionId,
    /// Who asked for it.
    pub by: UserId,
    /// What is to be done.
    pub spec: Arc<TaskSpec>,
    /// Where it is in its life.
    pub state: State,
    /// Counts its events, from 1.
    pub revision: u64,
    /// The current or last attempt, 0 before the first.
    pub attempt: u32,
    /// The node of that attempt.
    pub node: Option<NodeId>,
    /// Process id on that node.
    pub pid: Option<u32>,
    /// Attempts that were interrupted or lost before the current one.
    #[serde(default)]
    pub spent: u8,
    /// Bytes put out so far, by all attempts: what one puts out follows what the last one did.
    pub output: OutputTotals,
    /// Of these, what earlier attempts put out: where the current one's output begins.
    #[serde(default)]
    pub before: OutputTotals,
    /// The files that it has published, in the order in which they were complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PublishedFile>,
    /// How far it has come, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When the node said that it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Why an event does not fit a task's state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransitionError {
    /// The task has ended.
    #[error("the task has already {}", .0.word())]
    Ended(State),
    /// The event belongs to another attempt than the current one.
    #[error("the event is of attempt {found}, the task is at attempt {current}")]
    Attempt {
        /// The event's attempt.
        found: u32,
        /// The task's attempt.
        current: u32,
    },
    /// The state does not allow it.
    #[error("{event} does not fit a task that is {}", .state.word())]
    State {
        /// The event's name.
        event: &'static str,
        /// The task's state.
        state: State,
    },
    /// Output that does not continue where the stored output ends.
    #[error("output begins at byte {found}, {stored} bytes came before")]
    Offset {
        /// Where the new output begins.
        found: u64,
        /// How many came before.
        stored: u64,
    },
    /// A file that cannot be published.
    #[error("{0}")]
    File(#[from] FileFault),
    /// Bytes are to be left out that are not stored, or not behind those that are left out.
    #[error("{len} bytes from byte {from} on cannot be left out")]
    Gap {
        /// The first of them.
        from: u64,
        /// How many.
        len: u64,
    },
}

impl Task {
    /// Makes the task that a [`TaskEvent::Submitted`] describes.
    #[must_use]
    pub fn submitted(
        id: TaskId,
        session: SessionId,
        by: UserId,
        spec: Arc<TaskSpec>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            session,
            by,
            spec,
            state: State::Queued,
            revision: 1,
            attempt: 0,
            node: None,
            pid: None,
            spent: 0,
            output: OutputTotals::default(),
            before: OutputTotals::default(),
            files: Vec::new(),
            progress: None,
            outcome: None,
            created_at: now,
            started_at: None,
            ended_at: None,
        }
    }

    /// Moves the task by one event, or leaves it as it is and says why the event does not fit.
    ///
    /// # Errors
    /// [`TransitionError`]: the task has ended, the event is of another attempt, comes in the
    /// wrong state, or leaves a gap in the output.
    pub fn apply(&mut self, event: &TaskEvent, now: Timestamp) -> Result<(), TransitionError> {
        if self.state.is_end() {
            return Err(TransitionError::Ended(self.state));
        }
        match event {
            TaskEvent::Submitted { .. } => return Err(self.misfit("submitted")),
            TaskEvent::Assigned { attempt, node } => self.assign(*attempt, *node)?,
            TaskEvent::Returned { attempt, .. } => self.take_back(*attempt)?,
            TaskEvent::Retried { attempt, outcome } => self.retry(*attempt, outcome)?,
            TaskEvent::Started { attempt, pid } => self.start(*attempt, *pid, now)?,
            TaskEvent::Output { attempt, stream, offset, len } => {
                self.grow(*attempt, *stream, *offset, *len)?;
            }
            TaskEvent::Truncated { attempt, stream, from, dropped } => {
                self.expect_attempt(*attempt)?;
                self.output.of_mut(*stream).leave_out(*from, *dropped)?;
            }
            TaskEvent::Published { file } => {
                self.expect_running(file.attempt, "published")?;
                file.join(&mut self.files, &self.output, &self.before)?;
            }
            TaskEvent::Progress { attempt, progress } => {
                self.expect_running(*attempt, "progress")?;
                self.progress = Some(progress.clone());
            }
            TaskEvent::CancelRequested { .. } => {
                // One that waits is on no node that could confirm: it is ended at once.
                if matches!(self.state, State::Queued | State::Cancelling) {
                    return Err(self.misfit("cancel"));
                }
                self.state = State::Cancelling;
            }
            TaskEvent::Ended { attempt, outcome, .. } => {
                self.expect_attempt(*attempt)?;
                self.state = outcome.state();
                self.outcome = Some(outcome.clone());
                self.ended_at = Some(now);
                if self.spec.sealed.is_some() {
                    // Nobody needs them any more.
                    Arc::make_mut(&mut self.spec).sealed = None;
                }
            }
        }
        self.revision += 1;
        Ok(())
    }

    fn assign(&mut self, attempt: u32, node: NodeId) -> Result<(), TransitionError> {
        if self.state != State::Queued {
            return Err(self.misfit("assigned"));
        }
        if attempt != self.attempt + 1 {
            return Err(TransitionError::Attempt { found: attempt, current: self.attempt });
        }
        self.state = State::Assigned;
        self.progress = None;
        self.attempt = attempt;
        self.node = Some(node);
        Ok(())
    }

    fn take_back(&mut self, attempt: u32) -> Result<(), TransitionError> {
        self.expect_attempt(attempt)?;
        if self.state != State::Assigned {
            return Err(self.misfit("returned"));
        }
        self.state = State::Queued;
        self.node = None;
        Ok(())
    }

    /// Whether the current attempt may be followed by another one if it ends like this.
    #[must_use]
    pub fn may_retry(&self, outcome: &Outcome) -> bool {
        let is_open_end = matches!(outcome, Outcome::Interrupted { .. } | Outcome::Lost { .. });
        let is_wanted = matches!(self.state, State::Assigned | State::Running);
        is_open_end && is_wanted && self.spent + 1 < self.spec.delivery.attempts
    }

    /// What becomes of the task if its current attempt ends like this: another one, or its end.
    #[must_use]
    pub fn after(&self, outcome: Outcome) -> TaskEvent {
        let attempt = self.attempt;
        match self.may_retry(&outcome) {
            true => TaskEvent::Retried { attempt, outcome },
            false => TaskEvent::ended(attempt, outcome),
        }
    }

    fn retry(&mut self, attempt: u32, outcome: &Outcome) -> Result<(), TransitionError> {
        self.expect_attempt(attempt)?;
        if !self.may_retry(outcome) {
            return Err(self.misfit("retried"));
        }
        self.state = State::Queued;
        self.spent += 1;
        self.before = self.output;
        (self.node, self.pid, self.started_at) = (None, None, None);
        Ok(())
    }

    fn start(
        &mut self,
        attempt: u32,
        pid: Option<u32>,
        now: Timestamp,
    ) -> Result<(), TransitionError> {
        self.expect_attempt(attempt)?;
        // A cancel may overtake the report of the start: the start is recorded, the cancel stays.
        let is_first = self.started_at.is_none();
        match self.state {
            State::Assigned => self.state = State::Running,
            State::Cancelling if is_first => {}
            _ => return Err(self.misfit("started")),
        }
        self.pid = pid;
        self.started_at = Some(now);
        Ok(())
    }

    fn grow(
        &mut self,
        attempt: u32,
        stream: Stream,
        offset: u64,
        len: u32,
    ) -> Result<(), TransitionError> {
        self.expect_running(attempt, "output")?;
        self.output.of_mut(stream).grow(offset, len)
    }

    fn expect_attempt(&self, found: u32) -> Result<(), TransitionError> {
        if found == self.attempt {
            return Ok(());
        }
        Err(TransitionError::Attempt { found, current: self.attempt })
    }

    fn expect_running(&self, attempt: u32, event: &'static str) -> Result<(), TransitionError> {
        self.expect_attempt(attempt)?;
        match self.state {
            State::Running | State::Cancelling => Ok(()),
            _ => Err(self.misfit(event)),
        }
    }

    fn misfit(&self, event: &'static str) -> TransitionError {
        TransitionError::State { event, state: self.state }
    }
}

#[cfg(test)]
mod tests;
