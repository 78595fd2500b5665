//! Reports that the hub has not stored yet.
//!
//! Each attempt's reports are numbered from 1 and kept until they are acknowledged; a new stream
//! sends again from the first that is not. What waits is bounded: output beyond
//! [`ATTEMPT_BYTES`] of one attempt or [`TOTAL_BYTES`] of all waits in [`Outbox::write`], which
//! makes the process that writes it wait.

mod queue;
mod transcript;

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;
use cortex_core::id::TaskId;
use cortex_core::receipt;
use cortex_core::report::Ack;
use cortex_core::report::KnownAttempt;
use cortex_core::report::News;
use cortex_core::report::Report;
use cortex_core::task::Outcome;
use cortex_core::task::Progress;
use cortex_core::task::SentFile;
use cortex_core::task::Stream;
use cortex_proto::limits::MAX_CLAIMS;
use tokio::sync::Notify;

pub(crate) use transcript::Transcript;

use queue::Queue;

/// Output of one attempt that may wait for its acknowledgement, in bytes.
pub(crate) const ATTEMPT_BYTES: usize = 4 << 20;

/// Output of all attempts that may wait for its acknowledgement, in bytes.
pub(crate) const TOTAL_BYTES: usize = 32 << 20;

/// Attempts whose end may wait for its acknowledgement.
pub(crate) const MOST_KNOWN: usize = 16_384;

/// Output is taken in pieces of at most this size, in bytes.
const PIECE_BYTES: usize = 256 << 10;

/// Input that attempts may have got before the hub is told of it by itself, in bytes; told with the
/// next report, it costs nothing.
const GIVEN_BYTES: usize = 16 << 10;

/// What each input counts there beside its bytes.
const GIVEN_COST: usize = 1 << 10;

/// One attempt of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AttemptKey {
    /// The task.
    pub(crate) task: TaskId,
    /// The attempt, from 1.
    pub(crate) attempt: u32,
}

/// Whether an attempt's reports are kept from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// They are.
    New,
    /// They were before.
    Known,
    /// They are not: the hub has left [`MOST_KNOWN`] attempts unacknowledged.
    Full,
}

/// Keeps reports until the hub has stored them; shared by those who report and the stream.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    acked: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// The stream that is polling.
    waker: Option<Waker>,
    /// Counts the streams; an older one gets nothing any more.
    generation: u64,
    /// Input that attempts have got since the stream was told, by its number.
    given: BTreeMap<AttemptKey, u64>,
    /// Tasks of the pool that are to be claimed, in order.
    claims: VecDeque<TaskId>,
    /// What that input counts; the stream is told at [`GIVEN_BYTES`].
    given_bytes: usize,
}

/// What a stream is to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Send these.
    Batch(Vec<Report>),
    /// Say that attempts have got their input up to these numbers.
    Given(Vec<Ack>),
    /// Claim these tasks.
    Claims(Vec<TaskId>),
    /// Ask again at this time, or when woken.
    At(Instant),
    /// Ask again when woken.
    Idle,
    /// A newer stream has taken over.
    Superseded,
}

impl Outbox {
    /// Makes an empty outbox.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Begins to keep reports of an attempt.
    pub(crate) fn admit(&self, key: AttemptKey) -> Admission {
        self.lock().queue.admit(key)
    }

    /// What an attempt puts out goes out at once while little of it is on its way: somebody watches
    /// every character.
    pub(crate) fn be_prompt(&self, key: AttemptKey) {
        self.lock().queue.be_prompt(key);
    }

    /// Tells the hub that an attempt has got its input up to `number`, the last of it `weight`
    /// bytes: with the next report, or when much was not told.
    pub(crate) fn input_given(&self, key: AttemptKey, number: u64, weight: usize) {
        let mut state = self.lock();
        state.given.insert(key, number);
        state.given_bytes += weight + GIVEN_COST;
        if state.given_bytes >= GIVEN_BYTES {
            wake(state);
        }
    }

    /// Tells the hub once more what an attempt has got: it did not hear of that.
    pub(crate) fn input_known(&self, key: AttemptKey, number: u64) {
        self.input_given(key, number, GIVEN_BYTES);
    }

    /// Claims tasks that this stream has offered.
    pub(crate) fn claim(&self, tasks: Vec<TaskId>) {
        let mut state = self.lock();
        state.claims.extend(tasks);
        wake(state);
    }

    /// Takes an attempt over from an earlier run of the node: it has ended like this.
    pub(crate) fn restore(&self, key: AttemptKey, outcome: Outcome, receipt: Arc<receipt::Signed>) {
        let mut state = self.lock();
        state.queue.restore(key, News::Ended { outcome, receipt });
        wake(state);
    }

    /// Whether the attempt has put out anything.
    #[must_use]
    pub(crate) fn has_output(&self, key: AttemptKey) -> bool {
        self.lock().queue.has_output(key)
    }

    /// Reports that an attempt began; only the first time counts.
    pub(crate) fn started(&self, key: AttemptKey, pid: Option<u32>) {
        let mut state = self.lock();
        if state.queue.start(key, pid, Instant::now()) {
            wake(state);
        }
    }

    /// Reports how far an attempt has come; that it began, where nobody said so yet.
    pub(crate) fn progress(&self, key: AttemptKey, progress: Progress) {
        let (mut state, now) = (self.lock(), Instant::now());
        let started = state.queue.start(key, None, now);
        if state.queue.push(key, News::Progress(progress), now) || started {
            wake(state);
        }
    }

    /// Reports output and adds it to the attempt's transcript; waits while too much of it is not
    /// acknowledged.
    ///
    /// # Cancel safety
    /// If the future is dropped, a part of `data` may have been taken.
    pub(crate) async fn write(
        &self,
        key: AttemptKey,
        stream: Stream,
        mut data: Bytes,
        transcript: &Transcript,
    ) {
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE_BYTES));
            while !self.try_write(key, stream, &piece, transcript) {
                let acked = self.acked.notified();
                tokio::pin!(acked);
                // Registered before the second look, so that no acknowledgement slips between.
                acked.as_mut().enable();
                if self.try_write(key, stream, &piece, transcript) {
                    break;
                }
                acked.await;
            }
        }
    }

    /// How many bytes of a stream an attempt has reported.
    #[must_use]
    pub(crate) fn put_out(&self, key: AttemptKey, stream: Stream) -> u64 {
        self.lock().queue.put_out(key, stream)
    }

    /// Reports that a file is complete, whose bytes were written before; not once the attempt's
    /// transcript is closed, since bytes of it may be missing then.
    pub(crate) fn file(&self, key: AttemptKey, file: SentFile, transcript: &Transcript) {
        let transcript = transcript.lock();
        if transcript.is_closed() {
            return;
        }
        let (mut state, now) = (self.lock(), Instant::now());
        let started = state.queue.start(key, None, now);
        if state.queue.push(key, News::File(file), now) || started {
            wake(state);
        }
    }

    /// Reports an attempt's end; nothing is taken from it afterwards.
    pub(crate) fn ended(&self, key: AttemptKey, outcome: Outcome, receipt: Arc<receipt::Signed>) {
        let mut state = self.lock();
        state.queue.push(key, News::Ended { outcome, receipt }, Instant::now());
        wake(state);
    }

    /// Sends an attempt's reports once more, because the hub asked for it again.
    pub(crate) fn repeat(&self, key: AttemptKey) {
        let mut state = self.lock();
        state.queue.repeat(key);
        wake(state);
    }

    /// Drops what the hub has stored.
    pub(crate) fn acked(&self, ack: &Ack) {
        let key = AttemptKey { task: ack.task, attempt: ack.attempt };
        let freed = self.lock().queue.acked(key, ack.sequence);
        if freed {
            self.acked.notify_waiters();
        }
    }

    /// Attempts whose end was acknowledged since the last call.
    pub(crate) fn take_settled(&self) -> Vec<AttemptKey> {
        self.lock().queue.take_settled()
    }

    /// Resolves when every attempt's end is acknowledged.
    pub(crate) async fn emptied(&self) {
        loop {
            let acked = self.acked.notified();
            tokio::pin!(acked);
            acked.as_mut().enable();
            if self.lock().queue.is_empty() {
                return;
            }
            acked.await;
        }
    }

    /// Starts a new stream: all that is not acknowledged is to be sent again, on it alone.
    pub(super) fn begin(&self) -> (u64, Vec<KnownAttempt>) {
        let mut state = self.lock();
        state.generation += 1;
        let known = state.queue.rewind();
        // They were for what an earlier stream offered.
        state.claims.clear();
        let generation = state.generation;
        wake(state);
        (generation, known)
    }

    /// What the stream of `generation` is to do next; it is woken when that changes.
    pub(super) fn poll(&self, generation: u64, cx: &Context<'_>) -> Next {
        let mut state = self.lock();
        if state.generation != generation {
            return Next::Superseded;
        }
        if state.given_bytes >= GIVEN_BYTES {
            let given = std::mem::take(&mut state.given);
            state.given_bytes = 0;
            let ack = |(key, sequence): (AttemptKey, u64)| {
                let AttemptKey { task, attempt } = key;
                Ack { task, attempt, sequence }
            };
            return Next::Given(given.into_iter().map(ack).collect());
        }
        if !state.claims.is_empty() {
            let most = state.claims.len().min(MAX_CLAIMS);
            return Next::Claims(state.claims.drain(..most).collect());
        }
        let now = Instant::now();
        if let Some(batch) = state.queue.next_batch(now) {
            if !state.given.is_empty() {
                // Right behind it, on the same write.
                state.given_bytes = GIVEN_BYTES;
            }
            return Next::Batch(batch);
        }
        state.waker = Some(cx.waker().clone());
        match state.queue.next_due() {
            Some(due) => Next::At(due),
            None => Next::Idle,
        }
    }

    fn try_write(
        &self,
        key: AttemptKey,
        stream: Stream,
        piece: &Bytes,
        transcript: &Transcript,
    ) -> bool {
        let mut transcript = transcript.lock();
        if transcript.is_closed() {
            return true;
        }
        let mut state = self.lock();
        if !state.queue.has_room(key, piece.len()) {
            return false;
        }
        if state.queue.write(key, stream, piece.clone(), Instant::now()) {
            wake(state);
        } else {
            drop(state);
        }
        transcript.add(stream, piece);
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the stream, after the lock is released.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
