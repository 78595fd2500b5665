//! Terminals: their size, and what is put into a task that runs.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;

use super::Signal;
use super::SpecError;

/// The most columns or rows that a terminal has.
pub const MAX_SIDE: u16 = 500;

/// The longest name of a terminal's kind, in bytes.
const MAX_TERM_BYTES: usize = 64;

/// A terminal that a program runs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// Its size at the start.
    pub window: Window,
    /// What kind of terminal it is, for the program's `TERM`.
    pub term: String,
}

/// The size of a terminal in characters: 1 to [`MAX_SIDE`] each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Sides", into = "Sides")]
pub struct Window {
    cols: u16,
    rows: u16,
}

#[derive(Serialize, Deserialize)]
struct Sides {
    cols: u16,
    rows: u16,
}

/// What is put into a running task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Bytes for its standard input, or typed into its terminal.
    Data(Bytes),
    /// Its terminal has another size now.
    Resize(Window),
    /// Nothing follows: standard input is closed; a terminal is told that its input ends.
    Close,
    /// Its program is sent a signal, ahead of all input that waits.
    Signal(Signal),
}

/// From where in a terminal's output on it has another size.
///
/// A terminal has one stream of output. In place of standard error its task keeps these, one a
/// line, `<bytes of output before it> <columns>x<rows>`, as `script` keeps a file of times: what
/// was on the screen at any time can be told from the two streams alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeChange {
    /// Bytes of output before it.
    pub at: u64,
    /// The size from there on.
    pub window: Window,
}

impl Window {
    /// A size.
    ///
    /// # Errors
    /// [`SpecError::Window`]: a side is 0, or longer than [`MAX_SIDE`].
    pub fn new(cols: u16, rows: u16) -> Result<Self, SpecError> {
        let is_side = |side| (1..=MAX_SIDE).contains(&side);
        if is_side(cols) && is_side(rows) {
            return Ok(Self { cols, rows });
        }
        Err(SpecError::Window { cols, rows })
    }

    /// Characters in a row.
    #[must_use]
    pub fn cols(self) -> u16 {
        self.cols
    }

    /// Rows.
    #[must_use]
    pub fn rows(self) -> u16 {
        self.rows
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { cols: 80, rows: 24 }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.cols, self.rows)
    }
}

impl TryFrom<Sides> for Window {
    type Error = SpecError;

    fn try_from(Sides { cols, rows }: Sides) -> Result<Self, SpecError> {
        Self::new(cols, rows)
    }
}

impl From<Window> for Sides {
    fn from(Window { cols, rows }: Window) -> Self {
        Self { cols, rows }
    }
}

impl Terminal {
    /// What `TERM` is where nobody says.
    pub const TERM: &str = "xterm-256color";

    pub(super) fn check(&self) -> Result<(), SpecError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        let is_name = !self.term.is_empty() && self.term.len() <= MAX_TERM_BYTES;
        if is_name && self.term.chars().all(is_plain) {
            return Ok(());
        }
        Err(SpecError::Term(self.term.clone()))
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self { window: Window::default(), term: Self::TERM.to_owned() }
    }
}

impl Input {
    /// How many bytes it is counted as where input is bounded.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Input::Data(data) => data.len(),
            Input::Resize(_) | Input::Close | Input::Signal(_) => 1,
        }
    }
}

impl SizeChange {
    /// Reads a line without its end; `None` for what is none.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let (at, window) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        let (cols, rows) = window.split_once('x')?;
        let window = Window::new(cols.parse().ok()?, rows.parse().ok()?).ok()?;
        Some(Self { at: at.parse().ok()?, window })
    }

    /// The line, with its end.
    #[must_use]
    pub fn to_line(self) -> Bytes {
        format!("{} {}\n", self.at, self.window).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_sane_sides_wherever_it_comes_from() {
        assert!(Window::new(1, MAX_SIDE).is_ok());
        for (cols, rows) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, u16::MAX)] {
            assert!(Window::new(cols, rows).is_err(), "{cols}x{rows}");
        }
        assert!(serde_json::from_str::<Window>(r#"{"cols":0,"rows":5}"#).is_err());
        let window: Window = serde_json::from_str(r#"{"cols":7,"rows":5}"#).unwrap();
        assert_eq!(window, Window::new(7, 5).unwrap());
    }

    #[test]
    fn a_change_of_size_survives_as_a_line() {
        let change = SizeChange { at: u64::MAX, window: Window::new(132, 43).unwrap() };
        let line = change.to_line();
        assert_eq!(SizeChange::parse(&line[..line.len() - 1]), Some(change));
        for bad in ["", "5", "5 80", "5 0x5", "x 80x24", "5 80x24 ", "-1 80x24", "5 80x24\n"] {
            assert_eq!(SizeChange::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn the_kind_of_a_terminal_is_a_plain_name() {
        let check = |term: &str| Terminal { term: term.into(), ..Terminal::default() }.check();
        assert_eq!(check(Terminal::TERM), Ok(()));
        for bad in ["", "a b", "a=b", "a\0", "../x"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check(&"x".repeat(65)).is_err());
    }
}
