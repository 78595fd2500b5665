//! Events that many readers are told at the same moment, encoded once.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;

use axum::body::Bytes;
use cortex_core::id::TaskId;
use cortex_core::task::Stream;

use crate::hub::OutputCursor;

/// Events that are kept: those of the last moments of some tasks.
const KEPT: usize = 64;

/// The most that is kept of one event, in bytes; longer ones are no news to a crowd.
const LONGEST: usize = 128 << 10;

/// What an event says: these bytes of a stream, and where its reader is behind them.
pub(super) type Key = (TaskId, Stream, u64, OutputCursor);

/// The newest encoded events.
#[derive(Debug, Default)]
pub(super) struct Frames {
    kept: Mutex<VecDeque<(Key, Bytes)>>,
}

impl Frames {
    /// The event, encoded by whoever asks first.
    pub(super) fn encoded(&self, key: Key, encode: impl FnOnce() -> Bytes) -> Bytes {
        // No code panics while it holds this lock, except a broken `encode`, which stores nothing.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = kept.iter().rev().find(|(known, _)| *known == key) {
            return known.clone();
        }
        // Under the lock: the others wait for it, and would only do the same.
        let encoded = encode();
        if encoded.len() <= LONGEST {
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back((key, encoded.clone()));
        }
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_encoded_once_and_forgotten_after_others() {
        let frames = Frames::default();
        let key = |offset| {
            let cursor = OutputCursor { stdout: offset + 1, stderr: 0 };
            (TaskId::from_bytes([1; 16]), Stream::Stdout, offset, cursor)
        };
        assert_eq!(frames.encoded(key(0), || "a".into()), "a");
        assert_eq!(frames.encoded(key(0), || "b".into()), "a");
        for offset in 1..=KEPT as u64 {
            frames.encoded(key(offset), || "x".into());
        }
        assert_eq!(frames.encoded(key(0), || "c".into()), "c");
        let long = frames.encoded(key(99), || vec![0; LONGEST + 1].into());
        assert_eq!(long.len(), LONGEST + 1);
        assert_eq!(frames.encoded(key(99), || "short".into()), "short");
    }
}
