//! Numbers that look random and come again from the same seed.

use std::time::Duration;

/// The generator `SplitMix64`: small, and good enough to choose moments by.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed that somebody asked for in this variable, or a new one.
    pub(crate) fn seed(variable: &str) -> u64 {
        let asked = std::env::var(variable).ok();
        let clock = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            u64::from(now.expect("the clock is past 1970").subsec_nanos())
        };
        asked.map_or_else(clock, |text| text.parse().expect("a seed is a number"))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).expect("it is below that")
    }

    /// Whether something happens that does so once in `times`.
    pub(crate) fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// A place in a list of so many.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.next() % len as u64).expect("it is below that")
    }

    /// One of these.
    pub(crate) fn of_these<'a, T>(&mut self, these: &'a [T]) -> &'a T {
        &these[self.index(these.len())]
    }

    /// A span shorter than this many milliseconds.
    pub(crate) fn millis(&mut self, end: u32) -> Duration {
        Duration::from_millis(self.below(end).into())
    }
}
