//! How much output of a task is kept, and which part of it: both ends.

use serde::Deserialize;
use serde::Serialize;

use super::OutputTotals;
use super::Stream;

/// Eighths of the cap that each stream's last bytes may take, and its first bytes may always take.
const END: u64 = 1;

/// Eighths of the cap that the first bytes of both streams share.
const FRONTS: u64 = 6;

const EIGHTHS: u64 = 8;

/// How many bytes of a task's output are kept, both streams together.
///
/// Of each stream the last eighth of the cap is kept; the first bytes of both share the rest as they
/// come, and an eighth of the cap is there for the first bytes of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OutputCap(u64);

/// Stored bytes that are to be left out from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Excess {
    /// The first of them.
    pub from: u64,
    /// How many.
    pub len: u64,
}

impl OutputCap {
    /// The smallest cap: 1 MiB.
    pub const MIN: Self = Self(1 << 20);

    /// A cap of `bytes`, or the smallest.
    #[must_use]
    pub fn at_least(bytes: u64) -> Self {
        Self(bytes).max(Self::MIN)
    }

    /// A cap of exactly `bytes`, which may be too few: see [`Self::is_possible`].
    #[must_use]
    pub fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Whether it is not below the smallest one.
    #[must_use]
    pub fn is_possible(self) -> bool {
        self >= Self::MIN
    }

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// What of a standard stream is more than may be kept of it, once it has grown. Of files nothing is
    /// ever left out: a task that would publish too much is told so.
    #[must_use]
    pub fn excess(self, totals: &OutputTotals, stream: Stream) -> Option<Excess> {
        let (own, most_behind) = (totals.of(stream), self.eighths(END));
        if let Some(gap) = own.gap() {
            let len = own.tail.saturating_sub(most_behind);
            return (len > 0).then_some(Excess { from: gap.to, len });
        }
        let other = totals.of(match stream {
            Stream::Stdout => Stream::Stderr,
            Stream::Stderr => Stream::Stdout,
            Stream::Files => return None,
        });
        let others_front = match other.gap() {
            Some(gap) => gap.from,
            None => other.stored.saturating_sub(most_behind),
        };
        let from = self.eighths(FRONTS).saturating_sub(others_front.max(self.eighths(END)));
        let len = own.stored.saturating_sub(from).saturating_sub(most_behind);
        (len > 0).then_some(Excess { from, len })
    }

    fn eighths(self, count: u64) -> u64 {
        self.0 / EIGHTHS * count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn put_out(totals: &mut OutputTotals, cap: OutputCap, stream: Stream, len: u32) {
        let offset = totals.of(stream).arrived();
        totals.of_mut(stream).grow(offset, len).unwrap();
        if let Some(Excess { from, len }) = cap.excess(totals, stream) {
            totals.of_mut(stream).leave_out(from, len).unwrap();
        }
    }

    #[test]
    fn of_one_stream_six_eighths_are_kept_at_both_ends() {
        let (cap, mut totals) = (OutputCap::of(8 * MIB), OutputTotals::default());
        for _ in 0..100 {
            put_out(&mut totals, cap, Stream::Stdout, 1 << 20);
        }
        let gap = totals.stdout.gap().unwrap();
        assert_eq!((gap.from, gap.to), (5 * MIB, 99 * MIB));
        put_out(&mut totals, cap, Stream::Stderr, 1 << 20);
        assert_eq!(totals.stderr.gap(), None);
    }

    proptest! {
        #[test]
        fn the_cap_holds_and_both_ends_are_there(
            cap in MIB..20 * MIB,
            pieces in prop::collection::vec((any::<bool>(), 1u32..4 << 20), 0..40),
        ) {
            let (cap, mut totals) = (OutputCap::of(cap), OutputTotals::default());
            for (is_stdout, len) in pieces {
                let stream = if is_stdout { Stream::Stdout } else { Stream::Stderr };
                put_out(&mut totals, cap, stream, len);
                prop_assert!(totals.stored() <= cap.bytes());
                for stream in Stream::STANDARD {
                    let totals = totals.of(stream);
                    if let Some(gap) = totals.gap() {
                        prop_assert!(gap.from >= cap.bytes() / 8);
                        prop_assert_eq!(totals.tail, cap.bytes() / 8);
                    }
                }
            }
        }
    }
}
