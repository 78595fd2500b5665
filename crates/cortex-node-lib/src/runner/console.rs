//! What a running skill sees of the world: reports go to the outbox, input and the stop come from
//! here.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cortex_core::Result;
use cortex_core::receipt::Output;
use cortex_core::skill;
use cortex_core::skill::Console;
use cortex_core::skill::FileContent;
use cortex_core::skill::StopReason;
use cortex_core::task::Input;
use cortex_core::task::Outcome;
use cortex_core::task::Progress;
use cortex_core::task::Secrets;
use cortex_core::task::Signal;
use cortex_core::task::Stream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::uplink::AttemptKey;
use crate::uplink::Outbox;
use crate::uplink::Transcript;

use super::attempt::Stop;
use super::input::InputQueue;
use super::publish::Shelf;
use super::publish::Way;
use super::redact::Redacted;
use super::redact::Redactor;
use super::workdir::Workdir;

/// How long a stream is silent before what was held back of it is let out.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the rest of a stream may take to go out, should the hub be away.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The console of one attempt.
pub(super) struct AttemptConsole {
    key: AttemptKey,
    outbox: Arc<Outbox>,
    stop: Stop,
    input: Arc<InputQueue>,
    workdir: Workdir,
    deadline: Option<Instant>,
    transcript: Transcript,
    pid: OnceLock<Option<u32>>,
    /// The newest that the skill said and that was not reported.
    progress: Mutex<Option<Progress>>,
    advanced: Notify,
    began: Instant,
    lanes: [Lane; 3],
    files: Shelf,
    redactor: Option<Redactor>,
    /// Rings when something is held back that a pause would let out.
    held: Notify,
}

/// One stream on its way out.
#[derive(Debug, Default)]
struct Lane {
    put_out: AtomicU64,
    /// What is looked for secrets; who holds it puts out next.
    redacted: Option<tokio::sync::Mutex<Lookout>>,
}

#[derive(Debug)]
struct Lookout {
    stream: Redacted,
    last: Instant,
}

impl AttemptConsole {
    pub(super) fn new(
        key: AttemptKey,
        outbox: Arc<Outbox>,
        stop: Stop,
        input: Arc<InputQueue>,
        workdir: Workdir,
        deadline: Option<Instant>,
        secrets: &Secrets,
    ) -> Self {
        let redactor = Redactor::of(secrets);
        let lane = || {
            let stream = redactor.as_ref().map(Redactor::stream);
            let lookout =
                |stream| tokio::sync::Mutex::new(Lookout { stream, last: Instant::now() });
            Lane { put_out: AtomicU64::new(0), redacted: stream.map(lookout) }
        };
        Self {
            key,
            outbox,
            stop,
            input,
            workdir,
            deadline,
            transcript: Transcript::default(),
            pid: OnceLock::new(),
            progress: Mutex::default(),
            advanced: Notify::new(),
            began: Instant::now(),
            lanes: [lane(), lane(), Lane::default()],
            files: Shelf::default(),
            redactor,
            held: Notify::new(),
        }
    }

    /// Lets out what was held back where nothing comes for a while. Never resolves.
    pub(super) async fn watch_pauses(&self) -> Infallible {
        loop {
            self.held.notified().await;
            while let Some(due) = self.next_pause().await {
                tokio::time::sleep_until(due).await;
                for stream in Stream::STANDARD {
                    let Some(lookout) = &self.lane(stream).redacted else { continue };
                    let mut lookout = lookout.lock().await;
                    if lookout.last + PAUSE <= Instant::now() {
                        let out = lookout.stream.pause();
                        self.send(stream, out.into()).await;
                    }
                }
            }
        }
    }

    /// Puts out what was held back: nothing follows. What cannot go out soon is left out.
    pub(super) async fn finish(&self) {
        for stream in Stream::STANDARD {
            let Some(lookout) = &self.lane(stream).redacted else { continue };
            let out = lookout.lock().await.stream.finish();
            if tokio::time::timeout(LAST_WORD, self.send(stream, out.into())).await.is_err() {
                self.transcript.cut(stream);
            }
        }
    }

    /// An outcome without secrets in its words.
    pub(super) fn redact(&self, outcome: Outcome) -> Outcome {
        match &self.redactor {
            Some(redactor) => redactor.outcome(outcome),
            None => outcome,
        }
    }

    async fn next_pause(&self) -> Option<Instant> {
        let mut next = None;
        for lane in &self.lanes {
            let Some(lookout) = &lane.redacted else { continue };
            let lookout = lookout.lock().await;
            if lookout.stream.is_waiting() {
                let due = lookout.last + PAUSE;
                next = Some(next.map_or(due, |next: Instant| next.min(due)));
            }
        }
        next
    }

    fn lane(&self, stream: Stream) -> &Lane {
        &self.lanes[stream as usize]
    }

    async fn send(&self, stream: Stream, data: Bytes) {
        let len = data.len() as u64;
        self.outbox.write(self.key, stream, data, &self.transcript).await;
        self.lane(stream).put_out.fetch_add(len, Ordering::Relaxed);
    }

    /// What the skill said about its process; `None` while it said nothing.
    pub(super) fn pid(&self) -> Option<Option<u32>> {
        self.pid.get().copied()
    }

    /// Removes what the call had on disk.
    pub(super) async fn clean_up(&self) {
        self.workdir.remove().await;
    }

    /// What was put out; from now on nothing is.
    pub(super) fn close(&self) -> Output {
        self.report_progress();
        self.transcript.close()
    }

    /// Reports how far the skill says that it has come: the newest only, and not too often. What
    /// comes last goes out with [`Self::close`].
    pub(super) async fn tell_progress(&self) -> Infallible {
        loop {
            self.advanced.notified().await;
            self.report_progress();
            tokio::time::sleep(Progress::pause(self.began.elapsed())).await;
        }
    }

    /// Reports what was not reported yet.
    fn report_progress(&self) {
        let newest = self.lock_progress().take();
        if let Some(progress) = newest {
            self.outbox.progress(self.key, progress);
        }
    }

    fn lock_progress(&self) -> MutexGuard<'_, Option<Progress>> {
        // No code panics while it holds this lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when the attempt is to stop: on request, or because its time is over.
    pub(super) async fn stop_asked(&self) -> StopReason {
        let Some(deadline) = self.deadline else { return self.stop.asked().await };
        tokio::select! {
            biased;
            reason = self.stop.asked() => reason,
            () = tokio::time::sleep_until(deadline) => StopReason::Timeout,
        }
    }
}

#[async_trait]
impl Console for AttemptConsole {
    async fn started(&self, pid: Option<u32>) {
        if self.pid.set(pid).is_ok() {
            self.outbox.started(self.key, pid);
        }
    }

    async fn write(&self, stream: Stream, data: Bytes) {
        if stream == Stream::Files {
            // What belongs to no file would be none.
            return;
        }
        let Some(lookout) = &self.lane(stream).redacted else {
            return self.send(stream, data).await;
        };
        let mut lookout = lookout.lock().await;
        let out = lookout.stream.take(&data);
        self.send(stream, out.into()).await;
        lookout.last = Instant::now();
        if lookout.stream.is_waiting() {
            self.held.notify_one();
        }
    }

    async fn put_out(&self, stream: Stream) -> u64 {
        self.lane(stream).put_out.load(Ordering::Relaxed)
    }

    fn cut(&self, stream: Stream) {
        self.transcript.cut(stream);
    }

    fn progress(&self, progress: Progress) {
        let progress = match &self.redactor {
            Some(redactor) => {
                let message = redactor.text(progress.message());
                Progress::new(progress.done(), progress.total(), message)
            }
            None => progress,
        };
        *self.lock_progress() = Some(progress);
        self.advanced.notify_one();
    }

    async fn publish(&self, name: &str, content: FileContent) -> Result<()> {
        let way = Way { key: self.key, outbox: &self.outbox, transcript: &self.transcript };
        self.files.publish(&way, &self.workdir, name, content).await
    }

    async fn workdir(&self) -> Result<skill::Workdir> {
        self.workdir.get().await
    }

    async fn signal(&self) -> Signal {
        self.input.signal().await
    }

    async fn input(&self) -> Input {
        let (number, input) = self.input.next().await;
        self.outbox.input_given(self.key, number, input.weight());
        input
    }

    async fn stopped(&self) -> StopReason {
        self.stop_asked().await
    }
}

impl fmt::Debug for AttemptConsole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptConsole").field("key", &self.key).finish_non_exhaustive()
    }
}
