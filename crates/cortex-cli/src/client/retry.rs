//! When to try again, and when to give up.

use std::time::Duration;
use std::time::Instant;

/// The first pause is at most this long; each later one twice the one before.
const FIRST: Duration = Duration::from_millis(200);
/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(5);
/// After so long without a success, it is over.
const GIVE_UP: Duration = Duration::from_secs(300);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
    since: Option<Instant>,
}

impl Retry {
    /// Takes note of a success.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Whether the failure that was noted last is the first one in a row.
    pub(crate) fn is_first(&self) -> bool {
        self.failures == 1
    }

    /// Takes note of a failure at `now`; returns how long to wait before the next try, or `None`
    /// if it has been failing for five minutes. The pause is `random` within a bound that doubles.
    pub(crate) fn failed(&mut self, now: Instant, random: u64) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= GIVE_UP {
            return None;
        }
        let bound = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures += 1;
        let bound = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Some(Duration::from_millis(random % bound + 1))
    }
}

/// A random number; good enough to keep clients from coming back all at once.
#[must_use]
pub(crate) fn random() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let start = Instant::now();
        let mut retry = Retry::default();
        let mut longest = |_| retry.failed(start, u64::MAX - 1).unwrap();
        let pauses: Vec<Duration> = (0..12).map(&mut longest).collect();
        assert!(pauses[0] <= FIRST, "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= LONGEST && !pause.is_zero()), "{pauses:?}");
        assert!(pauses[11] > Duration::from_secs(1), "{pauses:?}");
    }

    #[test]
    fn it_gives_up_after_five_minutes_of_failures_only() {
        let start = Instant::now();
        let mut retry = Retry::default();
        assert!(retry.failed(start, 0).is_some());
        assert!(retry.failed(start + GIVE_UP - Duration::from_secs(1), 0).is_some());
        assert_eq!(retry.failed(start + GIVE_UP, 0), None);
        retry.succeeded();
        assert!(retry.failed(start + GIVE_UP, 0).is_some());
    }
}
