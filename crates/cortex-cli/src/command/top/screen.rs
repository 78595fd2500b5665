//! The whole screen of the user's terminal, given back when it is dropped.

use crate::exit::Result;
use crate::output;

/// Another screen, without a cursor.
const TAKE: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
const GIVE_BACK: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// The screen.
#[derive(Debug)]
pub(super) struct Screen;

impl Screen {
    /// Takes it over.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn take() -> Result<Self> {
        output::write_stdout(TAKE)?;
        Ok(Self)
    }

    /// Shows these lines and nothing else, in one write, so that nothing flickers.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn show(&self, lines: &[String]) -> Result<()> {
        let mut text = String::from("\x1b[H");
        text.push_str(&lines.join("\x1b[K\r\n"));
        text.push_str("\x1b[K\x1b[J");
        output::write_stdout(text.as_bytes())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing else can be tried.
        let _ = output::write_stdout(GIVE_BACK);
    }
}
