//! Why a spec cannot be right.

use super::MAX_ARG_BYTES;
use super::MAX_STDIN_BYTES;
use crate::task::OutputCap;
use crate::task::delivery::MAX_ATTEMPTS;
use crate::task::file::MAX_FILE_BYTES;
use crate::task::file::MAX_FILES;
use crate::task::target::MAX_NAMED_NODES;
use crate::task::terminal::MAX_SIDE;

/// Why a spec cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Neither or both of argument vector and line.
    #[error(
        "give either \"argv\" with at least the program, or \"line\"; neither only in a terminal"
    )]
    Command,
    /// A text has a NUL byte, which no operating system takes.
    #[error("{0} has a NUL byte")]
    Nul(&'static str),
    /// An environment variable's name is empty or has `=`.
    #[error("\"{0}\" is no name of an environment variable")]
    Variable(String),
    /// Arguments and environment together are too long.
    #[error("arguments and environment take {0} bytes, at most {MAX_ARG_BYTES} are possible")]
    Arguments(usize),
    /// Standard input is too long.
    #[error("stdin takes {0} bytes, at most {MAX_STDIN_BYTES} are possible")]
    Stdin(usize),
    /// A terminal has no standard input of its own.
    #[error("a terminal takes no \"stdin\": send what is to be typed as input")]
    TerminalStdin,
    /// A terminal's size cannot be.
    #[error("a terminal has 1 to {MAX_SIDE} columns and rows, not {cols}x{rows}")]
    Window {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// A terminal's kind is no name of one.
    #[error("{0:?} is no kind of terminal: up to 64 letters, digits and -_.+")]
    Term(String),
    /// A time limit of zero or over 30 days.
    #[error("the time limit must be between 1 ms and 30 days")]
    Timeout,
    /// The nodes in order of preference are none, too many, or one of them twice.
    #[error("name 1 to {MAX_NAMED_NODES} nodes in order of preference, each once")]
    Nodes,
    /// Less output is to be kept than is possible.
    #[error("of a task's output at least {} bytes are kept", OutputCap::MIN.bytes())]
    OutputCap,
    /// A file's name is none, or there twice.
    #[error("{0:?} is no name of a file: one part of a path, each once")]
    FileName(String),
    /// There are too many files, or too much in them.
    #[error("{count} files with {bytes} bytes, at most {MAX_FILES} with {MAX_FILE_BYTES} can come")]
    Files {
        /// How many there are.
        count: usize,
        /// How many bytes they have together.
        bytes: usize,
    },
    /// A skill's name is empty or too long.
    #[error("a skill's name has 1 to 64 characters")]
    Skill,
    /// No attempt, or too many.
    #[error("a task has 1 to {MAX_ATTEMPTS} attempts, not {0}")]
    Attempts(u8),
    /// More than one attempt of something that is typed into.
    #[error("a task with a terminal or open standard input has one attempt")]
    Interactive,
}
