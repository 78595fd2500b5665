//! The input of one attempt, in order.

use std::collections::VecDeque;
use std::sync::Arc;

use cortex_core::id::UserId;
use cortex_core::task::Input;
use tokio::sync::Notify;

/// Input of one task that may wait for it, in bytes; who sends more waits.
const MOST_BYTES: usize = 64 << 10;

/// The same in pieces.
const MOST_WAITING: usize = 64;

/// The input of one attempt.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) attempt: u32,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// How many of those that wait were sent on the newest stream.
    pub(super) sent: usize,
    /// The highest number that was given.
    last: u64,
    /// Bytes that were put in.
    taken: u64,
    /// Its end was put in.
    closed: bool,
    /// Who puts it in.
    pub(super) feeder: Option<UserId>,
    /// Rings when there is room, or nothing to wait for.
    pub(super) room: Arc<Notify>,
}

#[derive(Debug)]
struct Waiting {
    number: Option<u64>,
    input: Input,
}

impl Line {
    /// The line of an attempt.
    pub(super) fn of(attempt: u32) -> Self {
        Self { attempt, ..Self::default() }
    }

    /// Whether an input may wait.
    pub(super) fn has_room(&self, input: &Input) -> bool {
        if matches!(input, Input::Signal(_)) {
            // It does not wait behind what the task does not read.
            return self.waiting.len() < 2 * MOST_WAITING;
        }
        let fits = self.bytes + input.weight() <= MOST_BYTES && self.waiting.len() < MOST_WAITING;
        fits || self.waiting.is_empty()
    }

    /// What of an input that begins at byte `at` of all input was not put in before: nothing where
    /// all of it was.
    ///
    /// # Errors
    /// How many bytes were put in, where some before it are missing.
    pub(super) fn fresh(&self, input: Input, at: Option<u64>) -> Result<Option<Input>, u64> {
        let Some(at) = at else { return Ok(Some(input)) };
        let known = self.taken.checked_sub(at).ok_or(self.taken)?;
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        Ok(match input {
            Input::Data(data) if known >= data.len() => None,
            Input::Data(data) => Some(Input::Data(data.slice(known..))),
            Input::Close if self.closed => None,
            other => Some(other),
        })
    }

    /// Takes an input in.
    pub(super) fn push(&mut self, input: Input) {
        match &input {
            Input::Data(data) => self.taken += data.len() as u64,
            Input::Close => self.closed = true,
            Input::Resize(_) | Input::Signal(_) => {}
        }
        self.bytes += input.weight();
        self.waiting.push_back(Waiting { number: None, input });
    }

    /// The next input to send on a stream of `epoch`, with its number.
    pub(super) fn next(&mut self, epoch: u64) -> Option<(u64, Input)> {
        let next = self.waiting.get_mut(self.sent)?;
        let number = *next.number.get_or_insert_with(|| {
            self.last = (self.last + 1).max(epoch << 32);
            self.last
        });
        Some((number, next.input.clone()))
    }

    /// Drops what the attempt has got, and rings.
    pub(super) fn given(&mut self, number: u64) {
        let is_given = |waiting: &Waiting| waiting.number.is_some_and(|own| own <= number);
        while let Some(front) = self.waiting.pop_front_if(|front| is_given(front)) {
            self.bytes -= front.input.weight();
            self.sent = self.sent.saturating_sub(1);
        }
        self.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cortex_core::task::Signal;

    use super::*;

    fn key(text: &str) -> Input {
        Input::Data(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn what_was_put_in_before_is_left_out_and_a_gap_is_seen() {
        let mut line = Line::default();
        let fresh = |line: &Line, text, at| line.fresh(key(text), at);
        line.push(key("abc"));
        assert_eq!(fresh(&line, "abc", Some(0)), Ok(None));
        assert_eq!(fresh(&line, "bcde", Some(1)), Ok(Some(key("de"))));
        assert_eq!(fresh(&line, "de", Some(3)), Ok(Some(key("de"))));
        assert_eq!(fresh(&line, "e", Some(4)), Err(3));
        assert_eq!(fresh(&line, "abc", None), Ok(Some(key("abc"))));
        assert_eq!(line.fresh(Input::Close, Some(3)), Ok(Some(Input::Close)));
        line.push(Input::Close);
        assert_eq!(line.fresh(Input::Close, Some(3)), Ok(None));
    }

    #[test]
    fn a_signal_has_room_where_bytes_have_none() {
        let mut line = Line::default();
        line.push(Input::Data(Bytes::from(vec![0; MOST_BYTES])));
        assert!(!line.has_room(&key("a")));
        assert!(line.has_room(&Input::Signal(Signal::Int)));
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
