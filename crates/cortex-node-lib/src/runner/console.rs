//! What a running skill sees of the world: reports go to the outbox, input and the stop come from
//! here.

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

use async_trait::async_trait;
use bytes::Bytes;
use cortex_core::receipt::Output;
use cortex_core::skill::Console;
use cortex_core::skill::StopReason;
use cortex_core::task::Input;
use cortex_core::task::Stream;
use tokio::time::Instant;

use crate::uplink::AttemptKey;
use crate::uplink::Outbox;
use crate::uplink::Transcript;

use super::attempt::Stop;
use super::input::InputQueue;

/// The console of one attempt.
pub(super) struct AttemptConsole {
    key: AttemptKey,
    outbox: Arc<Outbox>,
    stop: Stop,
    input: Arc<InputQueue>,
    deadline: Option<Instant>,
    transcript: Transcript,
    pid: OnceLock<Option<u32>>,
}

impl AttemptConsole {
    pub(super) fn new(
        key: AttemptKey,
        outbox: Arc<Outbox>,
        stop: Stop,
        input: Arc<InputQueue>,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            key,
            outbox,
            stop,
            input,
            deadline,
            transcript: Transcript::default(),
            pid: OnceLock::new(),
        }
    }

    /// What the skill said about its process; `None` while it said nothing.
    pub(super) fn pid(&self) -> Option<Option<u32>> {
        self.pid.get().copied()
    }

    /// What was put out; from now on nothing is.
    pub(super) fn close(&self) -> Output {
        self.transcript.close()
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
