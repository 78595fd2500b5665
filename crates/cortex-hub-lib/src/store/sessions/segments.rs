//! How long output is cut into files, so that what is left out gives its room back.
//!
//! A file holds a fixed stretch of its stream; nothing is ever moved. Once all of a stretch is left
//! out, its file goes.

use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;

use cortex_core::id::TaskId;
use cortex_core::session::Happening;
use cortex_core::task::Gap;
use cortex_core::task::Stream;
use cortex_core::task::TaskEvent;
use cortex_core::task::TaskSpec;

/// Files into which as many bytes as the cap are cut.
const FILES_PER_CAP: u64 = 64;

/// The smallest and the largest file, in bytes.
const SMALLEST: u64 = 64 << 10;
const LARGEST: u64 = 64 << 20;

/// Files before the new ones of which one may be left behind by a hub that was killed.
const LOOKED_BACK: u64 = 64;

/// The cut of one task's output; the same for all its life, as its cap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segments {
    bytes: u64,
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Which file.
    pub(super) index: u64,
    /// Where in it the part begins.
    pub(super) at: u64,
    /// What it holds of the bytes that were asked for.
    pub(super) range: Range<usize>,
}

impl Segments {
    /// Of a task; output without a cap is in one file.
    pub(super) fn of(spec: &TaskSpec) -> Self {
        let bytes = spec.output_cap.map(|cap| cap.bytes() / FILES_PER_CAP);
        Self { bytes: bytes.map_or(u64::MAX, |bytes| bytes.clamp(SMALLEST, LARGEST)) }
    }

    /// Of a task that is not stored yet, and must be submitted by what happens here.
    pub(super) fn of_new(id: TaskId, what: &[Happening]) -> Self {
        let spec = what.iter().find_map(|what| match what {
            Happening::Task { task, event: TaskEvent::Submitted { spec, .. }, .. }
                if *task == id =>
            {
                Some(spec)
            }
            _ => None,
        });
        spec.map_or(Self { bytes: u64::MAX }, |spec| Self::of(spec))
    }

    /// The files that `len` bytes from `offset` on lie in.
    pub(super) fn parts(self, offset: u64, len: usize) -> Vec<Part> {
        let mut parts = Vec::with_capacity(1);
        let mut done = 0;
        while done < len {
            let offset = offset.saturating_add(done as u64);
            let (index, at) = (offset / self.bytes, offset % self.bytes);
            let room = usize::try_from(self.bytes - at).unwrap_or(usize::MAX);
            let end = done.saturating_add(room).min(len);
            parts.push(Part { index, at, range: done..end });
            done = end;
        }
        parts
    }

    /// The files of which nothing is stored any more, since `from` is left out: those that lie in
    /// the gap, and not all before `from`.
    pub(super) fn emptied(self, gap: Gap, from: u64) -> Range<u64> {
        let first = gap.from.div_ceil(self.bytes);
        let fresh = (from / self.bytes).max(first);
        let end = gap.to / self.bytes;
        if fresh < end { fresh.saturating_sub(LOOKED_BACK).max(first)..end } else { 0..0 }
    }
}

/// The path of a file; the first one's name has no number.
pub(super) fn file_of(directory: &Path, task: TaskId, stream: Stream, index: u64) -> PathBuf {
    let stream = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::Files => "files",
    };
    match index {
        0 => directory.join(format!("{task}.{stream}")),
        index => directory.join(format!("{task}.{stream}.{index}")),
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::task::OutputCap;

    use super::*;

    const KIB: u64 = 1 << 10;

    fn segments(cap: u64) -> Segments {
        let mut spec = TaskSpec::argv(["ls"]);
        spec.output_cap = Some(OutputCap::of(cap));
        Segments::of(&spec)
    }

    #[test]
    fn bytes_lie_in_the_files_of_their_stretches() {
        let part = |index, at, range| Part { index, at, range };
        let whole = Segments::of(&TaskSpec::argv(["ls"]));
        assert_eq!(whole.parts(1 << 40, 7), [part(0, 1 << 40, 0..7)]);
        let cut = segments(1 << 20);
        assert_eq!(cut.parts(10, 0), []);
        let parts = cut.parts(100 * KIB, 100 << 10);
        let (one, two) = (28 << 10, 92 << 10);
        assert_eq!(
            parts,
            [part(1, 36 * KIB, 0..one), part(2, 0, one..two), part(3, 0, two..100 << 10)]
        );
    }

    #[test]
    fn a_file_goes_once_nothing_of_it_is_stored() {
        let cut = segments(1 << 20);
        let gap = |to| Gap { from: 100 * KIB, to: to * KIB };
        assert_eq!(cut.emptied(gap(150), 100 * KIB), 0..0);
        assert_eq!(cut.emptied(gap(192), 150 * KIB), 2..3);
        assert_eq!(cut.emptied(gap(250), 192 * KIB), 0..0);
        assert_eq!(cut.emptied(gap(256), 250 * KIB), 2..4);
        assert_eq!(cut.emptied(gap(64_000), 6_400 * KIB), 36..1000);
        assert_eq!(Segments::of(&TaskSpec::argv(["ls"])).emptied(gap(1 << 30), 0), 0..0);
    }
}
