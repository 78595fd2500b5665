//! Following a task's output from any point to its end.

use std::sync::Arc;

use bytes::Bytes;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::id::TaskId;
use cortex_core::session::SessionStore;
use cortex_core::task::Gap;
use cortex_core::task::Progress;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::feed::TaskTopic;

/// Bytes that one step reads from the store at most.
const STEP_BYTES: usize = 256 << 10;

/// A position in a task's output: bytes that were read of each stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputCursor {
    /// Bytes of standard output.
    pub stdout: u64,
    /// Bytes of standard error.
    pub stderr: u64,
}

impl OutputCursor {
    fn of(self, stream: Stream) -> u64 {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
            // Files are read when they are complete, not followed.
            Stream::Files => 0,
        }
    }

    fn advance(&mut self, stream: Stream, to: u64) {
        match stream {
            Stream::Stdout => self.stdout = to,
            Stream::Stderr => self.stderr = to,
            Stream::Files => {}
        }
    }
}

/// One step of following a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Follow {
    /// Output came.
    Output {
        /// Which stream.
        stream: Stream,
        /// Where in it the bytes begin.
        offset: u64,
        /// The bytes.
        data: Bytes,
        /// The position after them.
        cursor: OutputCursor,
    },
    /// Output between a stream's first and last bytes is left out, for the task's cap.
    Gap {
        /// Which stream.
        stream: Stream,
        /// What is left out of it, from where the reader was.
        gap: Gap,
        /// The position behind it.
        cursor: OutputCursor,
    },
    /// The task has come further.
    Progress(Progress),
    /// The task has ended and all its output was told.
    Ended(Arc<Task>),
}

/// Reads a task's output as it comes, each byte that is there once.
#[derive(Debug)]
pub struct OutputFollower {
    tail: Tail,
    cursor: OutputCursor,
    /// What was told of how far it has come.
    progress: Option<Progress>,
    /// Whether standard output, and standard error, are read.
    streams: &'static [Stream],
    is_finished: bool,
}

/// A task that is read while it runs, or after.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    id: TaskId,
    sessions: Arc<dyn SessionStore>,
    shutdown: CancellationToken,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Live { topic: Arc<TaskTopic>, bell: watch::Receiver<Arc<Task>>, shown: watch::Receiver<()> },
    Stored(Arc<Task>),
}

impl Hub {
    /// Follows a task's output from `from` on, to its end.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see.
    pub async fn follow(
        &self,
        who: &Principal,
        id: TaskId,
        from: OutputCursor,
    ) -> Result<OutputFollower> {
        let tail = self.tail(who, id).await?;
        let streams = &Stream::STANDARD;
        Ok(OutputFollower { tail, cursor: from, progress: None, streams, is_finished: false })
    }

    pub(super) async fn tail(&self, who: &Principal, id: TaskId) -> Result<Tail> {
        // The topic first: a task that ends in between is still read to its end.
        let topic = self.inner.dispatch.topic(id);
        let task = self.find_task(who, id, Scope::Read).await?;
        let source = match topic {
            Some(topic) => Source::Live { bell: topic.bell(), shown: topic.shown(), topic },
            None => Source::Stored(task),
        };
        let sessions = Arc::clone(&self.inner.sessions);
        Ok(Tail { id, sessions, shutdown: self.shutdown_token(), source })
    }
}

impl Tail {
    /// The task as it stands. What [`Self::moved`] waits for counts from here.
    pub(super) fn task(&mut self) -> Arc<Task> {
        match &mut self.source {
            Source::Live { topic, bell, .. } => {
                bell.borrow_and_update();
                topic.task()
            }
            Source::Stored(task) => task.clone(),
        }
    }

    /// The task as it stands, for a second look.
    fn known(&self) -> Arc<Task> {
        match &self.source {
            Source::Live { topic, .. } => topic.task(),
            Source::Stored(task) => task.clone(),
        }
    }

    /// Waits until the task has moved; false where it never will, or the hub shuts down.
    pub(super) async fn moved(&mut self) -> bool {
        let Source::Live { bell, .. } = &mut self.source else { return false };
        tokio::select! {
            changed = bell.changed() => changed.is_ok(),
            () = self.shutdown.cancelled() => false,
        }
    }

    /// As [`Self::moved`], or until a terminal shows something that is not stored yet.
    pub(super) async fn moved_or_shown(&mut self) -> bool {
        let Source::Live { bell, shown, .. } = &mut self.source else { return false };
        tokio::select! {
            changed = bell.changed() => changed.is_ok(),
            changed = shown.changed() => changed.is_ok(),
            () = self.shutdown.cancelled() => false,
        }
    }

    /// What a terminal shows from `offset` on, stored or not, to a reader who knows `noted` bytes
    /// of its changes of size. What [`Self::moved_or_shown`] waits for counts from here.
    pub(super) fn live_bytes(&mut self, offset: u64, noted: u64) -> Option<Bytes> {
        let Source::Live { topic, shown, .. } = &mut self.source else { return None };
        shown.borrow_and_update();
        topic.live_output(offset, noted)
    }

    /// Like [`Self::moved`]; where there are many readers, all of them go on at the same moments.
    async fn moved_for_many(&mut self) -> bool {
        if let Source::Live { topic, .. } = &self.source
            && let Some(beat) = topic.next_beat(Instant::now())
        {
            tokio::select! {
                () = tokio::time::sleep_until(beat) => {}
                () = self.shutdown.cancelled() => return false,
            }
        }
        self.moved().await
    }

    /// Stored bytes of a stream from `offset` on; some of them, or more than were known of. None
    /// where they are left out.
    pub(super) async fn bytes(&self, stream: Stream, offset: u64) -> Result<Bytes> {
        let recent = match &self.source {
            Source::Live { topic, .. } => topic.recent(stream, offset),
            Source::Stored(_) => None,
        };
        match recent {
            Some(data) => Ok(data),
            None => Ok(self.sessions.output(self.id, stream, offset, STEP_BYTES).await?.data),
        }
    }
}

impl OutputFollower {
    /// Reads one of the two standard streams only; of files nothing is followed.
    #[must_use]
    pub fn only(mut self, stream: Stream) -> Self {
        self.streams = match stream {
            Stream::Stdout => &[Stream::Stdout],
            Stream::Stderr => &[Stream::Stderr],
            Stream::Files => &[],
        };
        self
    }

    /// The task.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.tail.id
    }

    /// Waits for the next step; `None` after the end, or when the hub shuts down.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Follow>> {
        while !self.is_finished {
            let task = self.tail.task();
            if task.progress != self.progress {
                self.progress.clone_from(&task.progress);
                // A new attempt begins with none, which is no news.
                if let Some(progress) = &self.progress {
                    return Ok(Some(Follow::Progress(progress.clone())));
                }
            }
            if let Some(step) = self.read(&task).await? {
                return Ok(Some(step));
            }
            if task.state.is_end() {
                self.is_finished = true;
                return Ok(Some(Follow::Ended(task)));
            }
            if !self.tail.moved_for_many().await {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Whether many read the same task, and the same steps with it.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        match &self.tail.source {
            Source::Live { topic, .. } => topic.is_crowded(),
            Source::Stored(_) => false,
        }
    }

    /// Reads what is stored of `task` beyond the cursor.
    async fn read(&mut self, task: &Task) -> Result<Option<Follow>> {
        for stream in self.streams.iter().copied() {
            let offset = self.cursor.of(stream);
            let totals = task.output.of(stream);
            if offset >= totals.arrived() {
                continue;
            }
            let data = self.tail.bytes(stream, offset).await?;
            if data.is_empty() {
                // Left out, maybe since the look at the task. What nobody was told of yet is told soon.
                let totals = self.tail.known().output.of(stream);
                let Some(gap) = totals.gap_at(offset) else { continue };
                self.cursor.advance(stream, gap.to);
                let gap = Gap { from: offset, ..gap };
                return Ok(Some(Follow::Gap { stream, gap, cursor: self.cursor }));
            }
            self.cursor.advance(stream, offset + data.len() as u64);
            return Ok(Some(Follow::Output { stream, offset, data, cursor: self.cursor }));
        }
        Ok(None)
    }
}
