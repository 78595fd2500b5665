//! What a round measured, and how several rounds become one figure.

use std::time::Duration;

/// The times of single tasks.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    times: Vec<Duration>,
}

impl Sample {
    /// Adds the time of one task.
    pub(crate) fn add(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// The time in milliseconds that `share` of all tasks did not exceed (nearest rank).
    ///
    /// # Panics
    /// Nothing was measured.
    pub(crate) fn quantile(&mut self, share: f64) -> f64 {
        assert!(!self.times.is_empty(), "a round measures something");
        self.times.sort_unstable();
        let last = self.times.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "a share of an index is one")]
        let rank = (share * last as f64).round() as usize;
        self.times[rank.min(last)].as_secs_f64() * 1e3
    }
}

/// The middle of some figures; the mean of the two middle ones where their number is even.
///
/// `None` where there are none.
pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    Some(f64::midpoint(sorted[middle - 1], *upper))
}
