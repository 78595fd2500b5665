//! What was sent to a running attempt and waits for it. Signals do not wait behind other input.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use cortex_core::task::Input;
use cortex_core::task::Signal;
use tokio::sync::Notify;

use crate::uplink::MAX_WAITING_INPUT_BYTES;

/// Numbered input, each taken once; bounded, since the hub sends on only as it is acknowledged.
#[derive(Debug, Default)]
pub(super) struct InputQueue {
    state: Mutex<State>,
    grown: Notify,
    signalled: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Signals keep their place here when they have gone ahead, so that numbers stay in order.
    waiting: VecDeque<(u64, Input)>,
    signals: VecDeque<Signal>,
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
    /// It need not wait, or was taken before; the attempt has got all up to this number.
    Given(u64),
    /// There is more than a hub may send.
    Full,
}

impl InputQueue {
    /// Takes an input in, unless it or a later one was taken before.
    pub(super) fn offer(&self, number: u64, input: Input) -> Offer {
        let mut state = self.lock();
        if number <= state.last {
            return Offer::Given(state.given);
        }
        let weight = input.weight();
        if state.weight + weight > MAX_WAITING_INPUT_BYTES {
            return Offer::Full;
        }
        state.last = number;
        state.weight += weight;
        if let Input::Signal(signal) = input {
            state.signals.push_back(signal);
            self.signalled.notify_one();
        }
        state.waiting.push_back((number, input));
        state.skip_signals();
        let is_given = state.waiting.is_empty();
        drop(state);
        if is_given {
            return Offer::Given(number);
        }
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

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    pub(super) async fn signal(&self) -> Signal {
        loop {
            let next = self.lock().signals.pop_front();
            match next {
                Some(signal) => return signal,
                None => self.signalled.notified().await,
            }
        }
    }

    /// The next input, with the number up to which all is taken then.
    fn take(&self) -> Option<(u64, Input)> {
        let mut state = self.lock();
        let (number, input) = state.waiting.pop_front()?;
        state.weight -= input.weight();
        state.given = number;
        state.skip_signals();
        Some((state.given, input))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Leaves out signals at the front: they went ahead.
    fn skip_signals(&mut self) {
        while let Some((number, input)) =
            self.waiting.pop_front_if(|(_, input)| matches!(input, Input::Signal(_)))
        {
            self.weight -= input.weight();
            self.given = number;
        }
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
        assert_eq!(queue.offer(5, key("a")), Offer::Given(0));
        assert_eq!(queue.next().now_or_never(), Some((5, key("a"))));
        assert_eq!(queue.offer(9, key("b")), Offer::Given(5));
        assert_eq!(queue.next().now_or_never(), Some((9, key("b"))));
        assert_eq!(queue.next().now_or_never(), None);
        // A number of an earlier stream comes too late.
        assert_eq!(queue.offer(8, key("x")), Offer::Given(9));
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

    #[test]
    fn a_signal_goes_ahead_of_what_waits_and_is_given_in_its_turn() {
        let queue = InputQueue::default();
        assert_eq!(queue.offer(1, Input::Signal(Signal::Hup)), Offer::Given(1));
        assert_eq!(queue.offer(2, key("a")), Offer::Taken);
        assert_eq!(queue.offer(3, Input::Signal(Signal::Int)), Offer::Taken);
        assert_eq!(queue.offer(4, key("b")), Offer::Taken);
        assert_eq!(queue.offer(3, Input::Signal(Signal::Int)), Offer::Given(1));
        assert_eq!(queue.signal().now_or_never(), Some(Signal::Hup));
        assert_eq!(queue.signal().now_or_never(), Some(Signal::Int));
        assert_eq!(queue.signal().now_or_never(), None);
        // What was taken counts for the signal behind it, too.
        assert_eq!(queue.next().now_or_never(), Some((3, key("a"))));
        assert_eq!(queue.next().now_or_never(), Some((4, key("b"))));
        assert_eq!(queue.next().now_or_never(), None);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let queue = InputQueue::default();
        let ((number, input), offered) =
            tokio::join!(queue.next(), async { queue.offer(1, Input::Close) });
        assert_eq!((number, input, offered), (1, Input::Close, Offer::Taken));
    }
}
