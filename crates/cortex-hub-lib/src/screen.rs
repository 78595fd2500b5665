//! What a terminal shows: its output, drawn by the rules of a VT100 and its heirs.
//!
//! Pure: the same output with the same changes of size gives the same screen, so a screen is never
//! stored. And a drawing of it is exact: a terminal that gets the drawing, and then what follows,
//! shows what one shows that got everything. Nothing else names `vt100`.

mod dialect;
mod drawing;
mod look;
mod unfinished;

use std::fmt;
use std::num::NonZeroU16;

use bytes::Bytes;
use cortex_core::task::Window;
use vt100::Parser;

use dialect::Interpreter;
use dialect::Modes;
pub use look::Colour;
pub use look::Run;
use unfinished::Unfinished;

/// Characters that have scrolled out of a screen and are kept, whatever its width.
const SCROLLBACK_CELLS: usize = 200_000;

/// The most rows that are kept of what has scrolled out.
const SCROLLBACK_ROWS: usize = 2_000;

/// A terminal's screen.
pub(crate) struct Screen {
    reader: vte::Parser,
    parser: Parser,
    modes: Modes,
    unfinished: Unfinished,
}

/// A screen as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreenText {
    /// Its size.
    pub window: Window,
    /// Rows that have scrolled out, oldest first; as many as were asked for and are kept.
    pub scrollback: Vec<String>,
    /// The rows, without blanks at their ends.
    pub rows: Vec<String>,
    /// Where the cursor is: row and column, from 0.
    pub cursor: (u16, u16),
    /// Whether the cursor is shown.
    pub has_cursor: bool,
    /// Whether a full-screen program has the screen.
    pub is_alternate: bool,
    /// Whether arrows are to be typed as keys of an application.
    pub has_application_arrows: bool,
    /// Whether a paste is to be typed between brackets.
    pub has_bracketed_paste: bool,
    /// The rows with how they look.
    pub runs: Vec<Vec<Run>>,
    /// Bytes of output that it shows.
    pub offset: u64,
    /// What makes another terminal of the same size show the same.
    pub drawing: String,
}

impl Screen {
    /// An empty screen.
    pub(crate) fn new(window: Window) -> Self {
        let (rows, cols) = sides(window);
        let kept = (SCROLLBACK_CELLS / usize::from(cols.get())).min(SCROLLBACK_ROWS);
        Self {
            reader: vte::Parser::new(),
            parser: Parser::new(rows, cols, kept),
            modes: Modes::default(),
            unfinished: Unfinished::default(),
        }
    }

    /// Takes output in; it may be cut anywhere.
    pub(crate) fn show(&mut self, output: &[u8]) {
        self.unfinished.take(output);
        let Self { reader, parser: emulator, modes, .. } = self;
        let mut interpreter = Interpreter { emulator, modes, words: Vec::new() };
        reader.advance(&mut interpreter, output);
        interpreter.flush();
    }

    /// Takes another size.
    pub(crate) fn resize(&mut self, window: Window) {
        let (rows, cols) = sides(window);
        self.parser.set_size(rows, cols);
    }

    /// Its size.
    pub(crate) fn window(&self) -> Window {
        let (rows, cols) = self.parser.screen().size();
        // It was set from one.
        Window::new(cols.get(), rows.get()).unwrap_or_default()
    }

    /// What makes another terminal of the same size show the same: the cells with their looks, the
    /// cursor, and what keys and mouse are to send.
    pub(crate) fn drawing(&self) -> String {
        drawing::draw(&self.parser, &self.modes)
    }

    /// The same for a terminal that is shown what follows: with the beginning of a character or a
    /// sequence that the output breaks off in.
    pub(crate) fn handover(&self) -> Bytes {
        let mut drawing = self.drawing().into_bytes();
        drawing.extend_from_slice(self.unfinished.bytes());
        drawing.into()
    }

    /// As text, with at most `scrollback` rows of what has scrolled out; `offset` is how many bytes
    /// it was shown.
    pub(crate) fn text(&mut self, scrollback: usize, offset: u64) -> ScreenText {
        let window = self.window();
        let screen = self.parser.screen_mut();
        let mut scrolled = Vec::new();
        let mut left = screen.scrollback_len().min(scrollback);
        while left > 0 {
            screen.set_scrollback(left);
            let seen = left.min(usize::from(window.rows()));
            scrolled.extend(screen.rows(0, window.cols()).take(seen).map(without_blanks));
            left -= seen;
        }
        screen.set_scrollback(0);
        ScreenText {
            window,
            scrollback: scrolled,
            rows: screen.rows(0, window.cols()).map(without_blanks).collect(),
            cursor: screen.cursor_position(),
            has_cursor: !screen.hide_cursor(),
            is_alternate: screen.alternate_screen(),
            has_application_arrows: screen.application_cursor(),
            has_bracketed_paste: screen.bracketed_paste(),
            runs: look::runs(screen),
            offset,
            drawing: self.drawing(),
        }
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("window", &self.window()).finish_non_exhaustive()
    }
}

/// A row without the blanks at its end, be they written or not.
fn without_blanks(mut row: String) -> String {
    row.truncate(row.trim_end_matches(' ').len());
    row
}

fn sides(window: Window) -> (NonZeroU16, NonZeroU16) {
    let side = |side| NonZeroU16::new(side).unwrap_or(NonZeroU16::MIN);
    (side(window.rows()), side(window.cols()))
}

#[cfg(test)]
mod tests;
