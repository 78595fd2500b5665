//! The output streams of a task, and how much of them is stored.

use serde::Deserialize;
use serde::Serialize;

use super::TransitionError;

/// One of the streams that a task puts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The bytes of files that a skill publishes, one file after the other.
    Files,
}

impl Stream {
    /// The two of a process, in their order: what people read, and what the cap is for.
    pub const STANDARD: [Stream; 2] = [Stream::Stdout, Stream::Stderr];
}

/// Bytes a task has put out so far, by stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutputTotals {
    /// Standard output.
    pub stdout: StreamTotals,
    /// Standard error.
    pub stderr: StreamTotals,
    /// Files.
    #[serde(default, skip_serializing_if = "StreamTotals::is_empty")]
    pub files: StreamTotals,
}

/// Bytes of one output stream: its first ones and its last ones are stored. What lies between them
/// is left out once the task's [cap](super::OutputCap) is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamTotals {
    /// Bytes that are stored.
    pub stored: u64,
    /// Bytes that are left out.
    #[serde(default)]
    pub dropped: u64,
    /// Of the stored bytes, those behind what is left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tail: u64,
}

/// Bytes of a stream that are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gap {
    /// The first of them.
    pub from: u64,
    /// The first that is stored behind them, or will be.
    pub to: u64,
}

impl Gap {
    /// Whether the byte at `offset` is left out.
    #[must_use]
    pub fn contains(&self, offset: u64) -> bool {
        (self.from..self.to).contains(&offset)
    }
}

impl StreamTotals {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes that arrived: where the next ones begin.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.stored.saturating_add(self.dropped)
    }

    /// What is left out, if anything is.
    #[must_use]
    pub fn gap(&self) -> Option<Gap> {
        let from = self.stored.saturating_sub(self.tail);
        (self.dropped > 0).then(|| Gap { from, to: from.saturating_add(self.dropped) })
    }

    /// What is left out, if the byte at `offset` is among it.
    #[must_use]
    pub fn gap_at(&self, offset: u64) -> Option<Gap> {
        self.gap().filter(|gap| gap.contains(offset))
    }

    /// How many bytes are stored from `offset` on, without anything left out between them.
    #[must_use]
    pub fn readable(&self, offset: u64) -> u64 {
        let end = match self.gap() {
            Some(gap) if offset < gap.to => gap.from,
            _ => self.arrived(),
        };
        end.saturating_sub(offset)
    }

    /// Where the last `most` bytes begin; fewer of them where something is left out among them.
    #[must_use]
    pub fn last(&self, most: u64) -> u64 {
        let behind_gap = self.gap().map_or(0, |gap| gap.to);
        self.arrived().saturating_sub(most).max(behind_gap)
    }

    /// Whether none of `len` bytes from `offset` on is left out.
    #[must_use]
    pub fn keeps(&self, offset: u64, len: u64) -> bool {
        self.gap().is_none_or(|gap| offset >= gap.to || offset.saturating_add(len) <= gap.from)
    }

    /// Adds `len` bytes that begin at `offset`.
    pub(super) fn grow(&mut self, offset: u64, len: u32) -> Result<(), TransitionError> {
        if offset != self.arrived() {
            return Err(TransitionError::Offset { found: offset, stored: self.arrived() });
        }
        self.stored += u64::from(len);
        if self.dropped > 0 {
            self.tail += u64::from(len);
        }
        Ok(())
    }

    /// Leaves out `len` stored bytes from `from` on: the first that are, or those right behind the
    /// ones that are already.
    pub(super) fn leave_out(&mut self, from: u64, len: u64) -> Result<(), TransitionError> {
        let begin = self.gap().map_or(from, |gap| gap.to);
        let behind = match self.dropped {
            0 => self.stored.checked_sub(from),
            _ => Some(self.tail),
        };
        let tail = behind.and_then(|behind| behind.checked_sub(len));
        match tail.filter(|_| from == begin) {
            Some(tail) => {
                *self = Self { stored: self.stored - len, dropped: self.dropped + len, tail };
                Ok(())
            }
            None => Err(TransitionError::Gap { from, len }),
        }
    }
}

impl OutputTotals {
    /// The totals of one stream.
    #[must_use]
    pub fn of(&self, stream: Stream) -> StreamTotals {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
            Stream::Files => self.files,
        }
    }

    /// Stored bytes of both standard streams.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.stdout.stored + self.stderr.stored
    }

    /// Bytes of both standard streams that are left out.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.stdout.dropped.saturating_add(self.stderr.dropped)
    }

    pub(super) fn of_mut(&mut self, stream: Stream) -> &mut StreamTotals {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
            Stream::Files => &mut self.files,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_grows_at_its_end_only() {
        let mut totals = StreamTotals::default();
        totals.grow(0, 100).unwrap();
        assert_eq!((totals.gap(), totals.readable(5), totals.readable(101)), (None, 95, 0));
        assert!(totals.leave_out(60, 41).is_err());
        totals.leave_out(60, 30).unwrap();
        assert_eq!(totals, StreamTotals { stored: 70, dropped: 30, tail: 10 });
        totals.grow(100, 20).unwrap();
        assert!(totals.grow(70, 1).is_err());
        for (from, len) in [(60, 5), (89, 1), (91, 1), (90, 31)] {
            assert_eq!(totals.leave_out(from, len), Err(TransitionError::Gap { from, len }));
        }
        totals.leave_out(90, 30).unwrap();
        assert_eq!(totals.gap(), Some(Gap { from: 60, to: 120 }));
        assert_eq!((totals.arrived(), totals.stored, totals.tail), (120, 60, 0));
        assert_eq!((totals.readable(0), totals.readable(60), totals.readable(120)), (60, 0, 0));
        assert_eq!((totals.gap_at(119), totals.gap_at(120)), (totals.gap(), None));
        assert!(totals.keeps(0, 60) && !totals.keeps(59, 2) && !totals.keeps(119, 9));
        assert!(totals.keeps(120, 1));
        totals.grow(120, 9).unwrap();
        assert_eq!((totals.last(5), totals.last(500)), (124, 120));
    }

    #[test]
    fn totals_of_an_older_hub_are_read() {
        let old: StreamTotals = serde_json::from_str(r#"{"stored": 7, "dropped": 3}"#).unwrap();
        assert_eq!(old.gap(), Some(Gap { from: 7, to: 10 }));
    }
}
