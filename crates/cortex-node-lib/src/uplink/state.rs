//! When to dial again: a pure state machine.
//!
//! Waits are *full jitter*: a random share of a span that doubles with each failed attempt, so
//! that many nodes do not come back to a restarted hub at the same moment.

use std::time::Duration;
use std::time::Instant;

use cortex_core::Error;
use cortex_core::ErrorKind;

const BASE: Duration = Duration::from_millis(500);
/// The longest span: whoever was cut off is back so soon after that is over.
const CAP: Duration = Duration::from_secs(10);

/// How long a node waits at most that the hub does not want now.
const UNWANTED: Duration = Duration::from_secs(30);

/// A stream that lived this long proves that all is well, however it ended.
const PROVEN: Duration = Duration::from_secs(60);

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A control stream was opened.
    Opened,
    /// The attempt failed, or the stream ended.
    Ended(Cause),
}

/// Why an attempt or a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Something that may be better next time.
    Passing,
    /// The hub says that the node broke the protocol.
    Protocol,
    /// Another process connected with the same identity.
    TakenOver,
    /// The hub takes the node no more, or says so: nobody signed that.
    Refused,
    /// Trying again cannot help.
    Terminal,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Action {
    /// Nothing.
    Stay,
    /// Wait, then dial again.
    Wait(Duration),
    /// End with the last error.
    GiveUp,
}

/// Counts failures and decides on the next wait.
#[derive(Debug)]
pub(super) struct Reconnect {
    failures: u32,
    opened_at: Option<Instant>,
    limit: Option<u32>,
}

impl Cause {
    /// Reads the cause off an error; while enrolling, another hub than the pinned one is the end.
    pub(super) fn of(error: &Error, enrolling: bool) -> Self {
        let code = error.code();
        match error.kind() {
            ErrorKind::Denied if enrolling && !code.starts_with("hub_certificate") => {
                Cause::Terminal
            }
            ErrorKind::Invalid if enrolling => Cause::Terminal,
            ErrorKind::Denied if code == "node_revoked" => Cause::Refused,
            _ => Cause::Passing,
        }
    }
}

impl Reconnect {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self { failures: 0, opened_at: None, limit }
    }

    /// Moves by one event; `jitter` is a random share from 0 to 1.
    pub(super) fn on(&mut self, event: Event, now: Instant, jitter: f64) -> Action {
        let cause = match event {
            Event::Opened => {
                self.opened_at = Some(now);
                return Action::Stay;
            }
            Event::Ended(cause) => cause,
        };
        let lived = self.opened_at.take().map(|at| now.saturating_duration_since(at));
        let is_proven = lived.is_some_and(|lived| lived >= PROVEN);
        match cause {
            Cause::Terminal => return Action::GiveUp,
            // Two processes with one identity must not throw each other out in a tight loop.
            // A locked node that comes back too often is a burden, one that never does is lost.
            Cause::TakenOver | Cause::Refused => {
                return Action::Wait(UNWANTED.mul_f64(0.5 + jitter / 2.0));
            }
            Cause::Passing if lived.is_some() => self.failures = 0,
            Cause::Protocol if is_proven => self.failures = 0,
            Cause::Passing | Cause::Protocol => self.failures = self.failures.saturating_add(1),
        }
        if self.limit.is_some_and(|limit| self.failures >= limit) {
            return Action::GiveUp;
        }
        let doublings = self.failures.saturating_sub(1).min(16);
        Action::Wait((BASE * 2u32.pow(doublings)).min(CAP).mul_f64(jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Event = Event::Ended(Cause::Passing);

    fn longest_wait(reconnect: &mut Reconnect, event: Event, now: Instant) -> Duration {
        match reconnect.on(event, now, 1.0) {
            Action::Wait(span) => span,
            other => panic!("expected a wait, got {other:?}"),
        }
    }

    #[test]
    fn waits_double_up_to_the_cap_for_ever() {
        let (mut reconnect, now) = (Reconnect::new(None), Instant::now());
        let seconds: Vec<f64> =
            (0..8).map(|_| longest_wait(&mut reconnect, LOST, now).as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]);
        for _ in 0..100_000 {
            assert_eq!(longest_wait(&mut reconnect, LOST, now), CAP);
        }
    }

    #[test]
    fn jitter_takes_any_share_of_the_wait() {
        let now = Instant::now();
        for (jitter, millis) in [(0.0, 0), (0.5, 250), (1.0, 500)] {
            let action = Reconnect::new(None).on(LOST, now, jitter);
            assert_eq!(action, Action::Wait(Duration::from_millis(millis)));
        }
    }

    #[test]
    fn an_opened_stream_starts_the_count_anew() {
        let (mut reconnect, now) = (Reconnect::new(Some(3)), Instant::now());
        longest_wait(&mut reconnect, LOST, now);
        longest_wait(&mut reconnect, LOST, now);
        assert_eq!(reconnect.on(Event::Opened, now, 1.0), Action::Stay);
        assert_eq!(longest_wait(&mut reconnect, LOST, now), BASE);
        longest_wait(&mut reconnect, LOST, now);
        longest_wait(&mut reconnect, LOST, now);
        assert_eq!(reconnect.on(LOST, now, 1.0), Action::GiveUp);
    }

    #[test]
    fn a_stream_that_breaks_the_protocol_must_prove_itself_first() {
        let (mut reconnect, now) = (Reconnect::new(None), Instant::now());
        let broken = Event::Ended(Cause::Protocol);
        for expected in [BASE, BASE * 2] {
            reconnect.on(Event::Opened, now, 1.0);
            assert_eq!(longest_wait(&mut reconnect, broken, now), expected);
        }
        reconnect.on(Event::Opened, now, 1.0);
        assert_eq!(longest_wait(&mut reconnect, broken, now + PROVEN), BASE);
    }

    #[test]
    fn a_stream_that_was_taken_over_or_refused_comes_back_slowly() {
        let (mut reconnect, now) = (Reconnect::new(None), Instant::now());
        reconnect.on(Event::Opened, now, 1.0);
        let action = reconnect.on(Event::Ended(Cause::TakenOver), now, 0.0);
        assert_eq!(action, Action::Wait(UNWANTED / 2));
        let action = reconnect.on(Event::Ended(Cause::Refused), now, 1.0);
        assert_eq!(action, Action::Wait(UNWANTED));
        assert_eq!(reconnect.on(Event::Ended(Cause::Terminal), now, 0.0), Action::GiveUp);
    }

    #[test]
    fn another_hub_ends_an_enrolment_but_not_a_node() {
        let pin = Error::new(ErrorKind::Denied, "dial", "x").with_code("hub_pin_mismatch");
        assert_eq!(Cause::of(&pin, true), Cause::Terminal);
        assert_eq!(Cause::of(&pin, false), Cause::Passing);
        let revoked = Error::new(ErrorKind::Denied, "dial", "x").with_code("node_revoked");
        assert_eq!(Cause::of(&revoked, false), Cause::Refused);
        let gone = Error::new(ErrorKind::Unavailable, "dial", "x");
        assert_eq!(Cause::of(&gone, true), Cause::Passing);
    }
}
