//! What a running skill sees of the world: reports go to the outbox, input and the stop come from
//! here.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

use async_trait::async_trait;
use bytes::Bytes;
use cortex_core::Result;
use cortex_core::receipt::Output;
use cortex_core::skill;
use cortex_core::skill::Console;
use cortex_core::skill::StopReason;
use cortex_core::task::Input;
use cortex_core::task::Progress;
use cortex_core::task::Signal;
use cortex_core::task::Stream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::uplink::AttemptKey;
use crate::uplink::Outbox;
use crate::uplink::Transcript;

use super::attempt::Stop;
use super::input::InputQueue;
use super::workdir::Workdir;

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
}

impl AttemptConsole {
    pub(super) fn new(
        key: AttemptKey,
        outbox: Arc<Outbox>,
        stop: Stop,
        input: Arc<InputQueue>,
        workdir: Workdir,
        deadline: Option<Instant>,
    ) -> Self {
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
        }
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
    pub(super) async fn tell_progress(&self) -> std::convert::Infallible {
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
        self.outbox.write(self.key, stream, data, &self.transcript).await;
    }

    fn cut(&self, stream: Stream) {
        self.transcript.cut(stream);
    }

    fn progress(&self, progress: Progress) {
        *self.lock_progress() = Some(progress);
        self.advanced.notify_one();
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
