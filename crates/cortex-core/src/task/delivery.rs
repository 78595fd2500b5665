//! How soon a task is wanted, until when, and how often it may be tried.

use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use super::SpecError;
use super::TaskSpec;
use crate::timestamp::Timestamp;

/// The most attempts that a task may ask for.
pub const MAX_ATTEMPTS: u8 = 16;

/// How soon a task is wanted, until when, and how often it may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delivery {
    /// Among the tasks of one user that wait, the higher goes first; of equals the older.
    #[serde(skip_serializing_if = "is_ordinary")]
    pub priority: u8,
    /// A task that has not ended by then ends as timed out, whether it waits or runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// How many attempts may have been started or lost, 1 to [`MAX_ATTEMPTS`]. With more than one
    /// the task goes on elsewhere where its node is lost, so it may run twice, even at one time.
    #[serde(skip_serializing_if = "is_once")]
    pub attempts: u8,
}

/// A limit of nothing would be no limit.
const LEAST_TIME: Duration = Duration::from_millis(1);

impl Delivery {
    /// The priority of a task that says nothing of it.
    pub const ORDINARY: u8 = 128;

    /// Checks the number of attempts; a task that somebody types into has one only, since what was
    /// typed would be missing in the next.
    pub(super) fn check(&self, takes_input: bool) -> Result<(), SpecError> {
        if !(1..=MAX_ATTEMPTS).contains(&self.attempts) {
            return Err(SpecError::Attempts(self.attempts));
        }
        if self.attempts > 1 && takes_input {
            return Err(SpecError::Interactive);
        }
        Ok(())
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether it is what a task has that says nothing of it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl TaskSpec {
    /// Sets the priority among its user's tasks: the higher, the sooner.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.delivery.priority = priority;
        self
    }

    /// Sets when the task ends if it has not ended before, whether it waits or runs.
    #[must_use]
    pub fn deadline(mut self, deadline: Timestamp) -> Self {
        self.delivery.deadline = Some(deadline);
        self
    }

    /// Sets how many attempts the task may have, should its nodes be lost: it may run twice then.
    #[must_use]
    pub fn attempts(mut self, attempts: u8) -> Self {
        self.delivery.attempts = attempts;
        self
    }

    /// How long the task may run if it starts at `now`: its time limit, or what is left until its
    /// deadline if that is less.
    #[must_use]
    pub fn time_left(&self, now: Timestamp) -> Option<Duration> {
        let left = self.delivery.deadline.map(|deadline| deadline.since(now).max(LEAST_TIME));
        self.timeout.into_iter().chain(left).min()
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self { priority: Self::ORDINARY, deadline: None, attempts: 1 }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_ordinary(priority: &u8) -> bool {
    *priority == Delivery::ORDINARY
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_once(attempts: &u8) -> bool {
    *attempts == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_that_says_nothing_of_it_is_stored_as_before() {
        let spec = TaskSpec::argv(["true"]);
        assert!(spec.delivery.is_default());
        let json = serde_json::to_value(&spec).unwrap();
        assert_eq!(json.get("delivery"), None);
        let deadline = Some(Timestamp::from_millis(7));
        let delivery = Delivery { priority: 0, deadline, attempts: 3 };
        let spec = TaskSpec { delivery, ..spec };
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<TaskSpec>(&json).unwrap(), spec);
    }

    #[test]
    fn attempts_are_bounded_and_not_for_what_is_typed_into() {
        let with =
            |attempts, takes_input| Delivery { attempts, ..Delivery::default() }.check(takes_input);
        assert_eq!(with(1, true), Ok(()));
        assert_eq!(with(16, false), Ok(()));
        assert_eq!(with(0, false), Err(SpecError::Attempts(0)));
        assert_eq!(with(17, false), Err(SpecError::Attempts(17)));
        assert_eq!(with(2, true), Err(SpecError::Interactive));
    }

    #[test]
    fn a_deadline_passes_at_its_moment() {
        let deadline = Some(Timestamp::from_millis(7));
        let delivery = Delivery { deadline, ..Delivery::default() };
        assert!(!delivery.is_over(Timestamp::from_millis(6)));
        assert!(delivery.is_over(Timestamp::from_millis(7)));
        assert!(!Delivery::default().is_over(Timestamp::from_millis(i64::MAX)));
        let mut spec = TaskSpec { delivery, ..TaskSpec::argv(["true"]) };
        let at = |millis| spec.time_left(Timestamp::from_millis(millis));
        assert_eq!(at(3), Some(Duration::from_millis(4)));
        assert_eq!(at(9), Some(LEAST_TIME));
        spec.timeout = Some(Duration::from_millis(2));
        assert_eq!(spec.time_left(Timestamp::from_millis(3)), spec.timeout);
    }
}
