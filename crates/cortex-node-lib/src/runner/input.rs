//! What was sent to a running attempt and waits for it.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use cortex_core::task::Input;
use tokio::sync::Notify;

use crate::uplink::MAX_WAITING_INPUT_BYTES;

/// Numbered input, each taken once; bounded, since the hub sends on only as it is acknowledged.
#[derive(Debug, Default)]
pub(super) struct InputQueue {
    state: Mutex<State>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(u64, Input)>,
    weight: usize,
    /// The highest number that was ever taken in.
    last: u64,
    /// The number of the last that the attempt has got.
    given: u64,
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// It waits for the attempt.
    Taken,
    /// It was taken before; the attempt has got all up to this number.
    Known {
        /// The number.
        given: u64,
    },
    /// There is more than a hub may send.
    Full,
}

impl InputQueue {
    /// Takes an input in, unless it or a later one was taken before.
    pub(super) fn offer(&self, number: u64, input: Input) -> Offer {
        let mut state = self.lock();
        if number <= state.last {
            return Offer::Known { given: state.given };
        }
        let weight = input.weight();
        if state.weight + weight > MAX_WAITING_INPUT_BYTES {
            return Offer::Full;
        }
        state.last = number;
        state.weight += weight;
        state.waiting.push_back((number, input));
        drop(state);
        self.grown.notify_one();
        Offer::Taken
    }

    /// Waits for the next input and its number.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    pub(super) async fn next(&self) -> (u64, Input) {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.grown.notified().await;
        }
    }

    fn take(&self) -> Option<(u64, Input)> {
        let mut state = self.lock();
        let (number, input) = state.waiting.pop_front()?;
        state.weight -= input.weight();
        state.given = number;
        Some((number, input))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt as _;

    use super::*;

    fn key(text: &'static str) -> Input {
        Input::Data(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn each_input_is_taken_once_and_in_order() {
        let queue = InputQueue::default();
        assert_eq!(queue.offer(5, key("a")), Offer::Taken);
        assert_eq!(queue.offer(9, key("b")), Offer::Taken);
        assert_eq!(queue.offer(5, key("a")), Offer::Known { given: 0 });
        assert_eq!(queue.next().now_or_never(), Some((5, key("a"))));
        assert_eq!(queue.offer(9, key("b")), Offer::Known { given: 5 });
        assert_eq!(queue.next().now_or_never(), Some((9, key("b"))));
        assert_eq!(queue.next().now_or_never(), None);
        // A number of an earlier stream comes too late.
        assert_eq!(queue.offer(8, key("x")), Offer::Known { given: 9 });
    }

    #[test]
    fn what_waits_is_bounded() {
        let queue = InputQueue::default();
        let full = Input::Data(Bytes::from(vec![0; MAX_WAITING_INPUT_BYTES]));
        assert_eq!(queue.offer(1, full), Offer::Taken);
        assert_eq!(queue.offer(2, key("a")), Offer::Full);
        assert!(queue.next().now_or_never().is_some());
        // It was not taken, so it may come again.
        assert_eq!(queue.offer(2, key("a")), Offer::Taken);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let queue = InputQueue::default();
        let ((number, input), offered) =
            tokio::join!(queue.next(), async { queue.offer(1, Input::Close) });
        assert_eq!((number, input, offered), (1, Input::Close, Offer::Taken));
    }
}
