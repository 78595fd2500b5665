//! Where the last lines of a task's output begin, found from its end.

use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::id::TaskId;
use cortex_core::task::Stream;

use super::Hub;

/// Bytes that are looked at in one step.
const STEP_BYTES: u64 = 64 << 10;

/// Bytes from the end that are looked at; where these are fewer lines, they begin there.
const MOST_BYTES: u64 = 64 << 20;

impl Hub {
    /// Returns where the last `lines` lines of a task's output begin; fewer where something is left
    /// out among them, or where they have more than 64 MiB. Does not read what comes before.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see.
    pub async fn last_lines(
        &self,
        who: &Principal,
        id: TaskId,
        stream: Stream,
        lines: u32,
    ) -> Result<u64> {
        let totals = self.task(who, id).await?.output.of(stream);
        let (first, end) = (totals.last(MOST_BYTES), totals.arrived());
        let mut search = Search { wanted: lines, end };
        let mut behind = end;
        while behind > first {
            let begin = behind.saturating_sub(STEP_BYTES).max(first);
            let mut block = Vec::new();
            while begin + (block.len() as u64) < behind {
                let offset = begin + block.len() as u64;
                let limit = usize::try_from(behind - offset).unwrap_or(usize::MAX);
                let part = self.output(who, id, stream, offset, limit).await?;
                if part.data.is_empty() {
                    // Left out since the look at the task.
                    return Ok(part.totals.gap_at(offset).map_or(end, |gap| gap.to));
                }
                block.extend_from_slice(&part.data);
            }
            if let Some(found) = search.look(begin, &block) {
                return Ok(found);
            }
            behind = begin;
        }
        Ok(first)
    }
}

/// Counts the ends of lines from the end on.
struct Search {
    wanted: u32,
    /// Where the output ends. A line's end that is the last byte begins no other line.
    end: u64,
}

impl Search {
    /// Looks through the bytes from `begin` on, which are before all that was looked at. Returns
    /// where the last lines begin, if that is here.
    fn look(&mut self, begin: u64, block: &[u8]) -> Option<u64> {
        if self.wanted == 0 {
            return Some(self.end);
        }
        for (at, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let line = begin + at as u64 + 1;
            if line == self.end {
                continue;
            }
            self.wanted -= 1;
            if self.wanted == 0 {
                return Some(line);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(text: &[u8], wanted: u32, step: usize) -> u64 {
        let mut search = Search { wanted, end: text.len() as u64 };
        let mut behind = text.len();
        while behind > 0 {
            let begin = behind.saturating_sub(step);
            if let Some(found) = search.look(begin as u64, &text[begin..behind]) {
                return found;
            }
            behind = begin;
        }
        0
    }

    #[test]
    fn lines_are_counted_from_the_end_however_it_is_read() {
        for step in 1..12 {
            assert_eq!(last(b"a\nbb\nccc\n", 1, step), 5);
            assert_eq!(last(b"a\nbb\nccc\n", 2, step), 2);
            assert_eq!(last(b"a\nbb\nccc\n", 3, step), 0);
            assert_eq!(last(b"a\nbb\nccc", 1, step), 5);
            assert_eq!(last(b"a\n\n", 1, step), 2);
            assert_eq!(last(b"a\nbb\n", 0, step), 5);
            assert_eq!(last(b"no line", 4, step), 0);
        }
    }
}
