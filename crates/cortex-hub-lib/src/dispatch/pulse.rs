//! How many tasks begin and end a second, counted for the last minute.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use cortex_core::id::UserId;
use cortex_core::session::Appended;
use cortex_core::session::Happening;
use cortex_core::task::State;
use cortex_core::task::TaskEvent;
use cortex_core::timestamp::Timestamp;

/// Whole seconds that are kept, and the one that has begun.
const SECONDS: usize = 61;

/// With so many users, those are forgotten who did nothing for a minute.
const MANY_USERS: usize = 1_024;

/// What happened in some span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Beats {
    /// Tasks that were asked for.
    pub(crate) submitted: u32,
    /// Attempts that began.
    pub(crate) started: u32,
    /// Tasks that ended, however.
    pub(crate) ended: u32,
    /// Those of them that neither succeeded nor were cancelled.
    pub(crate) failed: u32,
}

/// Counts for everybody together and for each user.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    state: Mutex<Rings>,
}

#[derive(Debug, Default)]
struct Rings {
    all: Ring,
    by_user: HashMap<UserId, Ring>,
}

/// A minute, second by second.
#[derive(Debug)]
struct Ring {
    seconds: [Beats; SECONDS],
    /// The newest second, since the epoch.
    now: i64,
}

impl Default for Ring {
    fn default() -> Self {
        Self { seconds: [Beats::default(); SECONDS], now: 0 }
    }
}

impl Beats {
    fn add(&mut self, more: Beats) {
        self.submitted = self.submitted.saturating_add(more.submitted);
        self.started = self.started.saturating_add(more.started);
        self.ended = self.ended.saturating_add(more.ended);
        self.failed = self.failed.saturating_add(more.failed);
    }

    /// What an event counts as.
    fn of(event: &TaskEvent) -> Option<Self> {
        let none = Self::default();
        Some(match event {
            TaskEvent::Submitted { .. } => Self { submitted: 1, ..none },
            TaskEvent::Started { .. } => Self { started: 1, ..none },
            TaskEvent::Ended { outcome, .. } => {
                let is_good = matches!(outcome.state(), State::Succeeded | State::Cancelled);
                Self { ended: 1, failed: u32::from(!is_good), ..none }
            }
            _ => return None,
        })
    }
}

impl Ring {
    fn slot(second: i64) -> usize {
        usize::try_from(second.rem_euclid(SECONDS as i64)).unwrap_or(0)
    }

    /// Empties what is older than a minute.
    fn advance(&mut self, second: i64) {
        if second - self.now >= SECONDS as i64 {
            self.seconds = [Beats::default(); SECONDS];
        } else {
            for between in self.now + 1..=second {
                self.seconds[Self::slot(between)] = Beats::default();
            }
        }
        // A clock that was set back counts on in the newest second.
        self.now = self.now.max(second);
    }

    fn add(&mut self, beats: Beats, second: i64) {
        self.advance(second);
        self.seconds[Self::slot(self.now)].add(beats);
    }

    /// What happened in the last `span` whole seconds.
    fn sum(&mut self, span: usize, second: i64) -> Beats {
        self.advance(second);
        let mut sum = Beats::default();
        for back in 1..=span.min(SECONDS - 1) as i64 {
            sum.add(self.seconds[Self::slot(self.now - back)]);
        }
        sum
    }
}

impl Pulse {
    /// Counts what was stored.
    pub(super) fn note(&self, appended: &Appended, now: Timestamp) {
        let second = second_of(now);
        for entry in &appended.entries {
            let Happening::Task { task, event, .. } = &entry.what else { continue };
            let Some(beats) = Beats::of(event) else { continue };
            let by = appended.tasks.iter().find(|one| one.id == *task).map(|one| one.by);
            let mut rings = self.lock();
            rings.all.add(beats, second);
            let Some(by) = by else { continue };
            if rings.by_user.len() >= MANY_USERS {
                rings.by_user.retain(|_, ring| second - ring.now < SECONDS as i64);
            }
            rings.by_user.entry(by).or_default().add(beats, second);
        }
    }

    /// What happened in the last `span` whole seconds, up to 60, to a user's tasks or to all.
    pub(crate) fn sum(&self, of: Option<UserId>, span: usize, now: Timestamp) -> Beats {
        let second = second_of(now);
        let mut rings = self.lock();
        match of {
            None => rings.all.sum(span, second),
            Some(user) => match rings.by_user.get_mut(&user) {
                Some(ring) => ring.sum(span, second),
                None => Beats::default(),
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        // Each change is one addition: even a panic leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn second_of(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Beats = Beats { submitted: 1, started: 0, ended: 0, failed: 0 };

    #[test]
    fn what_is_older_than_the_span_does_not_count() {
        let mut ring = Ring::default();
        for second in 1_000..1_100 {
            ring.add(ONE, second);
        }
        // The second that has begun is not over.
        assert_eq!(ring.sum(10, 1_099).submitted, 10);
        assert_eq!(ring.sum(60, 1_099).submitted, 60);
        assert_eq!(ring.sum(10, 1_104).submitted, 6);
        assert_eq!(ring.sum(60, 1_200).submitted, 0);
    }

    #[test]
    fn a_clock_that_jumps_loses_no_more_than_it_must() {
        let mut ring = Ring::default();
        ring.add(ONE, 1_000);
        ring.add(ONE, 400);
        assert_eq!(ring.sum(10, 1_001).submitted, 2);
        ring.add(ONE, 10_000);
        assert_eq!(ring.sum(60, 10_001).submitted, 1);
    }
}
