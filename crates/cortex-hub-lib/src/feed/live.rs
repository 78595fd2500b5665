//! What a terminal has put out and the hub has not stored yet, for those who watch it.
//!
//! A keystroke's echo does not wait for a disk: whoever watches sees it when the node reports it.
//! That is safe because a terminal's bytes are fixed by its node, which keeps them until they are
//! stored: if the hub dies in between, the same bytes come again at the same place, and a watcher
//! who saw them goes on behind them. Nothing else is told before it is stored, and nothing is
//! derived from these bytes. [`MOST_AHEAD`] is as far as they run ahead.

use std::collections::VecDeque;

use bytes::Bytes;
use cortex_core::task::OutputTotals;
use cortex_core::task::Stream;

/// How far a watcher may be ahead of what is stored, in bytes.
pub(crate) const MOST_AHEAD: u64 = 64 << 10;

/// A terminal's newest output, stored or not.
#[derive(Debug, Default)]
pub(super) struct Live {
    pieces: VecDeque<Piece>,
    /// Bytes that were put out in place of standard error: its changes of size.
    noted: u64,
}

#[derive(Debug)]
struct Piece {
    offset: u64,
    data: Bytes,
    /// Bytes of the changes of size that come before it.
    noted: u64,
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset + self.data.len() as u64
    }
}

impl Live {
    /// Takes in what a node reports, in its order; `stored` is how much of the task is stored by
    /// now. Whether there is something to see.
    pub(super) fn take(
        &mut self,
        stored: &OutputTotals,
        stream: Stream,
        offset: u64,
        data: &Bytes,
    ) -> bool {
        if stream == Stream::Stderr {
            self.noted = self.noted.max(offset.saturating_add(data.len() as u64));
            return false;
        }
        self.noted = self.noted.max(stored.stderr.arrived());
        let stored = stored.stdout.stored;
        while self.pieces.pop_front_if(|piece| piece.end() <= stored).is_some() {}
        let is_repeated = self.pieces.back().is_some_and(|last| offset < last.end());
        let end = offset.saturating_add(data.len() as u64);
        if is_repeated || end <= stored || end > stored.saturating_add(MOST_AHEAD) {
            return false;
        }
        self.pieces.push_back(Piece { offset, data: data.clone(), noted: self.noted });
        true
    }

    /// Output from `offset` on, for a reader who knows `noted` bytes of the changes of size.
    pub(super) fn after(&self, offset: u64, noted: u64) -> Option<Bytes> {
        let is_next = |piece: &&Piece| piece.offset <= offset && offset < piece.end();
        let piece = self.pieces.iter().find(is_next).filter(|piece| piece.noted <= noted)?;
        let skip = usize::try_from(offset - piece.offset).unwrap_or(usize::MAX);
        Some(piece.data.slice(skip..))
    }

    /// Forgets everything: the task has ended, and all of it is stored.
    pub(super) fn clear(&mut self) {
        self.pieces = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::task::StreamTotals;

    use super::*;

    fn stored(stdout: u64, stderr: u64) -> OutputTotals {
        let totals = |stored| StreamTotals { stored, ..StreamTotals::default() };
        let (stdout, stderr) = (totals(stdout), totals(stderr));
        OutputTotals { stdout, stderr, ..OutputTotals::default() }
    }

    fn out(live: &mut Live, stored: &OutputTotals, offset: u64, data: &'static str) -> bool {
        live.take(stored, Stream::Stdout, offset, &Bytes::from_static(data.as_bytes()))
    }

    #[test]
    fn what_is_not_stored_is_seen_from_any_place_in_it() {
        let mut live = Live::default();
        assert!(out(&mut live, &stored(10, 0), 10, "abc"));
        assert!(out(&mut live, &stored(10, 0), 13, "de"));
        assert_eq!(live.after(10, 0), Some("abc".into()));
        assert_eq!(live.after(12, 0), Some("c".into()));
        assert_eq!(live.after(13, 0), Some("de".into()));
        assert_eq!((live.after(9, 0), live.after(15, 0)), (None, None));
        // What a new stream of the node repeats is there once.
        assert!(!out(&mut live, &stored(10, 0), 10, "abc"));
        assert!(out(&mut live, &stored(13, 0), 15, "f"));
        assert_eq!((live.after(10, 0), live.after(13, 0)), (None, Some("de".into())));
        live.clear();
        assert_eq!(live.after(13, 0), None);
    }

    #[test]
    fn nobody_sees_what_comes_behind_a_change_of_size_before_that_change() {
        let mut live = Live::default();
        let line = Bytes::from_static(b"3 80x24\n");
        assert!(out(&mut live, &stored(0, 0), 0, "abc"));
        assert!(!live.take(&stored(0, 0), Stream::Stderr, 0, &line));
        assert!(out(&mut live, &stored(0, 0), 3, "de"));
        assert_eq!(live.after(0, 0), Some("abc".into()));
        assert_eq!((live.after(3, 0), live.after(3, 8)), (None, Some("de".into())));
        // A hub that was restarted knows of the changes by what is stored.
        let mut live = Live::default();
        assert!(out(&mut live, &stored(3, 8), 3, "de"));
        assert_eq!((live.after(3, 7), live.after(3, 8)), (None, Some("de".into())));
    }

    #[test]
    fn nobody_gets_far_ahead_of_what_is_stored() {
        let mut live = Live::default();
        let long = Bytes::from(vec![b'x'; usize::try_from(MOST_AHEAD).unwrap()]);
        assert!(live.take(&stored(5, 0), Stream::Stdout, 5, &long));
        let end = 5 + MOST_AHEAD;
        assert!(!out(&mut live, &stored(5, 0), end, "y"));
        // Behind a gap there is something again once the gap is near enough.
        assert!(out(&mut live, &stored(end, 0), end + 1, "z"));
        assert_eq!((live.after(end, 0), live.after(end + 1, 0)), (None, Some("z".into())));
    }
}
