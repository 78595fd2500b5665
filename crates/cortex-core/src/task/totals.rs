//! The output streams of a task, and how much of them is stored.

use serde::Deserialize;
use serde::Serialize;

/// One of a process's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Bytes a task has put out so far, by stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutputTotals {
    /// Standard output.
    pub stdout: StreamTotals,
    /// Standard error.
    pub stderr: StreamTotals,
}

/// Bytes of one output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamTotals {
    /// Bytes that are stored: the stream's first ones.
    pub stored: u64,
    /// Bytes after them that were dropped because the task's output cap was reached.
    #[serde(default)]
    pub dropped: u64,
}

impl StreamTotals {
    /// Bytes that arrived: where the next ones begin.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.stored.saturating_add(self.dropped)
    }
}

impl OutputTotals {
    /// The totals of one stream.
    #[must_use]
    pub fn of(&self, stream: Stream) -> StreamTotals {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        }
    }

    /// Stored bytes of both streams.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.stdout.stored + self.stderr.stored
    }

    /// Dropped bytes of both streams.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.stdout.dropped.saturating_add(self.stderr.dropped)
    }

    pub(super) fn of_mut(&mut self, stream: Stream) -> &mut StreamTotals {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}
