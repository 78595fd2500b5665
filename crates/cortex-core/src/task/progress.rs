//! How far a running task has come, as it says itself.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

/// The longest message, in bytes; longer ones are cut.
pub const MAX_PROGRESS_BYTES: usize = 256;

/// The least time between two reports of progress.
const LEAST_PAUSE: Duration = Duration::from_millis(250);

/// How far a task has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    done: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
}

impl Progress {
    /// So much is done; of how much, where that is known.
    ///
    /// What is done is never more than all. Control characters of the message become blanks.
    #[must_use]
    pub fn new(done: u64, total: Option<u64>, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        message.truncate(message.floor_char_boundary(MAX_PROGRESS_BYTES));
        if message.contains(char::is_control) {
            message = message.replace(char::is_control, " ");
        }
        Self { done: total.map_or(done, |total| done.min(total)), total, message }
    }

    /// So large a share is done, from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 1000")]
    #[expect(clippy::cast_sign_loss, reason = "from 0 to 1000")]
    pub fn share(share: f64, message: impl Into<String>) -> Self {
        // What is no number is nothing.
        Self::new((share.clamp(0.0, 1.0) * 1_000.0) as u64, Some(1_000), message)
    }

    /// What is done.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done
    }

    /// How much there is to do, where that is known.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// What is being done, for a person; may be empty.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole percent that are done, where the total is known.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let total = u128::from(self.total?);
        let percent = (u128::from(self.done) * 100).checked_div(total).unwrap_or(100);
        Some(u8::try_from(percent).unwrap_or(100))
    }

    /// How long to wait after a report until the next one, in an attempt that has run for `age`.
    ///
    /// A hundredth of its age, so that what is known is never much older than the task is slow, and
    /// a task of a month leaves a thousand reports, not a million.
    #[must_use]
    pub fn pause(age: Duration) -> Duration {
        LEAST_PAUSE.max(age / 100)
    }
}

impl fmt::Display for Progress {
    /// `42 % message`, or `17 message` where nobody knows of how much.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.percent() {
            Some(percent) => write!(f, "{percent} %")?,
            None => write!(f, "{}", self.done)?,
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, " {}", self.message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_percent_where_the_total_is_known() {
        assert_eq!(Progress::new(1, Some(3), "files").to_string(), "33 % files");
        assert_eq!(Progress::new(5, None, "").to_string(), "5");
        assert_eq!(Progress::share(0.5, "").percent(), Some(50));
        assert_eq!(Progress::share(f64::NAN, "").percent(), Some(0));
        assert_eq!(Progress::share(9.0, "").percent(), Some(100));
        assert_eq!(Progress::new(0, Some(0), "").percent(), Some(100));
        assert_eq!(Progress::new(u64::MAX, Some(7), "").done(), 7);
        assert_eq!(Progress::new(u64::MAX - 1, Some(u64::MAX), "").percent(), Some(99));
    }

    #[test]
    fn a_message_is_short_and_on_one_line() {
        let long = Progress::new(0, None, "ä".repeat(MAX_PROGRESS_BYTES));
        assert_eq!(long.message().len(), MAX_PROGRESS_BYTES);
        assert_eq!(Progress::new(0, None, "a\x1b[2J\nb").message(), "a [2J b");
    }

    #[test]
    fn a_long_task_reports_less_often() {
        let seconds = Duration::from_secs;
        assert_eq!(Progress::pause(seconds(1)), LEAST_PAUSE);
        assert_eq!(Progress::pause(seconds(3_600)), seconds(36));
        let (mut age, mut reports) = (Duration::ZERO, 0);
        while age < seconds(30 * 86_400) {
            age += Progress::pause(age);
            reports += 1;
        }
        assert!((500..2_000).contains(&reports), "{reports}");
    }
}
