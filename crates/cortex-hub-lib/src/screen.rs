//! What a terminal shows: its output, drawn by the rules of a VT100 and its heirs.
//!
//! Pure: the same output with the same changes of size gives the same screen, so a screen is never
//! stored. Nothing else names `vt100`.

use std::fmt;
use std::num::NonZeroU16;

use cortex_core::task::Window;
use vt100::Parser;

/// Characters that have scrolled out of a screen and are kept, whatever its width.
const SCROLLBACK_CELLS: usize = 200_000;

/// The most rows that are kept of what has scrolled out.
const SCROLLBACK_ROWS: usize = 2_000;

/// Switches to the screen of full-screen programs, and back.
const TO_ALTERNATE: &str = "\x1b[?1049h";
const TO_NORMAL: &str = "\x1b[?1049l";

/// A terminal's screen.
pub(crate) struct Screen {
    parser: Parser,
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
    /// What makes another terminal of the same size show the same.
    pub drawing: String,
}

impl Screen {
    /// An empty screen.
    pub(crate) fn new(window: Window) -> Self {
        let (rows, cols) = sides(window);
        let kept = (SCROLLBACK_CELLS / usize::from(cols.get())).min(SCROLLBACK_ROWS);
        Self { parser: Parser::new(rows, cols, kept) }
    }

    /// Takes output in; it may be cut anywhere.
    pub(crate) fn show(&mut self, output: &[u8]) {
        self.parser.process(output);
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
        let screen = self.parser.screen();
        let which = if screen.alternate_screen() { TO_ALTERNATE } else { TO_NORMAL };
        format!("{which}{}", screen.state_formatted())
    }

    /// As text, with at most `scrollback` rows of what has scrolled out.
    pub(crate) fn text(&mut self, scrollback: usize) -> ScreenText {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(cols: u16, rows: u16) -> Window {
        Window::new(cols, rows).unwrap()
    }

    fn shown(output: &[u8]) -> Screen {
        let mut screen = Screen::new(window(20, 4));
        screen.show(output);
        screen
    }

    /// All that can be seen: cells with their looks, the cursor, the modes.
    fn all(screen: &Screen) -> (String, (u16, u16), bool) {
        let seen = screen.parser.screen();
        (screen.drawing(), seen.cursor_position(), seen.alternate_screen())
    }

    #[test]
    fn what_scrolled_out_can_be_read_and_the_screen_stays() {
        let text: String = (1..=9).map(|line| format!("line {line}\r\n")).collect();
        let mut screen = shown(text.as_bytes());
        let before = all(&screen);
        let seen = screen.text(100);
        let lines =
            |from: u16, to: u16| (from..=to).map(|n| format!("line {n}")).collect::<Vec<_>>();
        assert_eq!(seen.scrollback, lines(1, 6));
        assert_eq!(seen.rows[..3], lines(7, 9)[..]);
        assert_eq!((seen.cursor, seen.has_cursor, seen.is_alternate), ((3, 0), true, false));
        assert_eq!(screen.text(2).scrollback, lines(5, 6));
        assert_eq!(screen.text(0).scrollback, Vec::<String>::new());
        assert_eq!(all(&screen), before);
    }

    #[test]
    fn output_may_be_cut_within_a_character_or_a_sequence() {
        let output =
            "\x1b[1;31mrot \u{e4}\u{1f980}\x1b[0m\x1b[?1049h\x1b[2;3Hvoll\x1b[?25l".as_bytes();
        let whole = all(&shown(output));
        for cut in 1..output.len() {
            let mut screen = shown(&output[..cut]);
            screen.show(&output[cut..]);
            assert_eq!(all(&screen), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_drawing_makes_the_same_screen() {
        let outputs: [&[u8]; 4] = [
            b"plain\r\nand \x1b[7mreverse\x1b[0m",
            b"\x1b[?1049h\x1b[H\x1b[2Jtop\x1b[4;1H\x1b[44mbar\x1b[?25l",
            b"\x1b[?2004h\x1b[?1h$ \xe6\xbc\xa2\xe5\xad\x97",
            b"left it\x1b[?1049h full \x1b[?1049l again",
        ];
        for output in outputs {
            let screen = shown(output);
            // Whatever was there before.
            let mut other = shown(b"\x1b[?1049hother\x1b[31m");
            other.show(screen.drawing().as_bytes());
            assert_eq!(all(&other), all(&screen), "{:?}", String::from_utf8_lossy(output));
        }
    }

    proptest! {
        #[test]
        fn any_output_at_any_size_is_taken(
            pieces in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..60), 1u16..40, 1u16..12), 1..8),
        ) {
            let mut screen = Screen::new(window(20, 4));
            for (output, cols, rows) in pieces {
                screen.show(&output);
                screen.resize(window(cols, rows));
                prop_assert_eq!(screen.window(), window(cols, rows));
                prop_assert_eq!(screen.text(10).rows.len(), usize::from(rows));
            }
        }
    }
}
