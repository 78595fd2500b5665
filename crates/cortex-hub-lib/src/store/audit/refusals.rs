//! How many refusals are recorded: what anybody can cause must not fill the disk.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

/// Refusals that are recorded one after the other.
const BURST: u32 = 60;

/// Time after which one more is.
const EVERY: Duration = Duration::from_secs(1);

/// Counts refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    state: Mutex<Option<State>>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    left: u32,
    since: Instant,
    skipped: u64,
}

impl Refusals {
    /// Whether one may be recorded at `now`; how many were left out before it.
    pub(super) fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = State { left: BURST, since: now, skipped: 0 };
        let state = state.get_or_insert(fresh);
        let passed = now.saturating_duration_since(state.since).as_secs() / EVERY.as_secs();
        if passed > 0 {
            let earned = u32::try_from(passed).unwrap_or(u32::MAX);
            state.left = state.left.saturating_add(earned).min(BURST);
            state.since = now;
        }
        if state.left == 0 {
            state.skipped += 1;
            return None;
        }
        state.left -= 1;
        Some(std::mem::take(&mut state.skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_instead_of_recorded() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(refusals.admit(start), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(refusals.admit(start), None);
        }
        assert_eq!(refusals.admit(start + EVERY), Some(1000));
        assert_eq!(refusals.admit(start + EVERY), None);
        assert_eq!(refusals.admit(start + EVERY * 1000), Some(1));
    }
}
