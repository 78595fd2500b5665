//! What an attempt has put out, hashed as it goes into the outbox.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use cortex_core::receipt::Output;
use cortex_core::receipt::StreamHash;
use cortex_core::task::Stream;

/// One attempt's output so far. Its lock is held while a piece goes into the outbox, so that what is
/// hashed is what is sent, in that order, whoever writes and whatever is dropped half-way.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    streams: [StreamHash; 2],
    cut: [bool; 2],
    closed: bool,
}

impl Transcript {
    /// Notes that the process put out more than was written.
    pub(crate) fn cut(&self, stream: Stream) {
        if let Some(cut) = self.lock().cut.get_mut(stream as usize) {
            *cut = true;
        }
    }

    /// Ends the transcript: what is written from now on is neither hashed nor sent.
    pub(crate) fn close(&self) -> Output {
        let mut state = self.lock();
        state.closed = true;
        let [stdout, stderr] = state.streams.clone();
        let [cut_stdout, cut_stderr] = state.cut;
        Output::Known { stdout: stdout.finish(cut_stdout), stderr: stderr.finish(cut_stderr) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A piece is hashed after it was taken, in one step that cannot fail.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn add(&mut self, stream: Stream, piece: &[u8]) {
        // Files have digests of their own.
        if let Some(hash) = self.streams.get_mut(stream as usize) {
            hash.update(piece);
        }
    }
}
