//! The line at the bottom of the user's terminal that says how far a task has come.

use cortex_proto::json::ProgressInfo;

use crate::output;
use crate::output::row;
use crate::output::style::inert;

/// Goes to the line's start and empties it.
const CLEAR: &[u8] = b"\r\x1b[K";

/// The line; only where standard error is a terminal.
#[derive(Debug, Default)]
pub(crate) struct ProgressLine {
    is_shown: bool,
    /// What was printed last stands in the middle of a line.
    is_amid: bool,
}

impl ProgressLine {
    /// Shows how far the task has come, in place of what was shown before.
    pub(crate) fn show(&mut self, progress: &ProgressInfo) {
        // An unfinished line of the task's own is left alone.
        if self.is_amid {
            return;
        }
        let text = inert(&row::progress(progress));
        let mut bytes = CLEAR.to_vec();
        bytes.extend_from_slice(text.as_bytes());
        // Nobody to tell that nobody listens.
        let _ = output::write_stderr(&bytes);
        self.is_shown = true;
    }

    /// Makes room for other output, `data` at last.
    pub(crate) fn make_room(&mut self, data: &[u8]) {
        self.clear();
        if let Some(last) = data.last() {
            self.is_amid = *last != b'\n';
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            // As above.
            let _ = output::write_stderr(CLEAR);
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}
