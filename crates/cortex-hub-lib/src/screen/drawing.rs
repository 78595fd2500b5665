//! What makes another terminal the same as this one: not only the cells, but all that decides what
//! the bytes that follow will do.
//!
//! `vt100` draws cells, looks and modes. What else there is it does not tell, but shows: a copy of
//! the emulator is asked, by sequences that move its cursor.

use std::fmt::Write as _;

use vt100::Cell;
use vt100::Color;
use vt100::Parser;
use vt100::Screen;

use super::dialect::Charsets;
use super::dialect::Modes;

/// Makes any terminal a plain one that shows its normal screen.
const PLAIN: &str = "\x1b[?1049l\x1b[r\x1b[?6l\x1b[4l\x1b[20l\x1b[?7h\x1b(B\x1b)B\x0f\
    \x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[0 q\x1b[m";

/// Go to the screen of full-screen programs, and to the normal one.
const ALTERNATE: &str = "\x1b[?47h";
const NORMAL: &str = "\x1b[?47l";

/// All rows scroll, and are counted from the first one.
const ALL_ROWS: &str = "\x1b[r\x1b[?6l";

/// One of the two screens of a terminal.
struct Side {
    cells: String,
    cursor: Place,
    saved: Place,
    /// First and last of the rows that scroll.
    region: (u16, u16),
}

/// A place of the cursor, with what belongs to it.
struct Place {
    row: u16,
    column: u16,
    /// The cell before it, with its column, where the cursor must be there by putting that out.
    behind: Option<(u16, String)>,
    /// How what is put out there looks.
    looks: String,
    /// Whether rows count from the first one that scrolls.
    is_relative: bool,
}

/// What makes a terminal of the same size the same as this one.
pub(super) fn draw(emulator: &Parser, modes: &Modes) -> String {
    let screen = emulator.screen();
    let (rows, columns) = screen.size();
    // The copy is asked, and is another one then.
    let mut copy = Parser::new(rows, columns, 0);
    *copy.screen_mut() = screen.clone();
    let own = Side::read(&mut copy, modes.last);
    let (which, hidden) =
        if screen.alternate_screen() { (ALTERNATE, NORMAL) } else { (NORMAL, ALTERNATE) };
    copy.process(hidden.as_bytes());
    let other = Side::read(&mut copy, None);
    let mut drawing = format!("{PLAIN}{hidden}{ALL_ROWS}");
    other.draw(&mut drawing, modes.saved);
    other.cursor.go(&mut drawing, other.region);
    drawing.push_str(which);
    drawing.push_str(ALL_ROWS);
    own.draw(&mut drawing, modes.saved);
    drawing.push_str(&screen.input_mode_formatted());
    modes.draw(&mut drawing, columns.get());
    own.cursor.go(&mut drawing, own.region);
    drawing.push_str(&own.cursor.looks);
    modes.charsets.draw(&mut drawing);
    modes.draw_last(&mut drawing);
    drawing
}

impl Side {
    /// Reads the screen that an emulator shows; its cursor and what scrolls are others then.
    fn read(emulator: &mut Parser, last: Option<char>) -> Self {
        let cells = emulator.screen().contents_formatted();
        let mut cursor = Place::read(emulator.screen(), last);
        let region = region(emulator);
        // With few rows that scroll it is seen whether rows count from there. Of two rows both do.
        emulator.process(b"\x1b[2;3r");
        let is_relative = |emulator: &mut Parser| row_after(emulator, "\x1b[H") == 1;
        cursor.is_relative = is_relative(emulator);
        emulator.process(b"\x1b8");
        let mut saved = Place::read(emulator.screen(), None);
        saved.is_relative = is_relative(emulator);
        Self { cells, cursor, saved, region }
    }

    fn draw(&self, drawing: &mut String, saved: Charsets) {
        drawing.push_str(&self.cells);
        // All rows scroll yet, so both ways to count are the same.
        if self.saved.is_relative {
            drawing.push_str("\x1b[?6h");
        }
        self.saved.put(drawing, 0);
        drawing.push_str(&self.saved.looks);
        saved.draw(drawing);
        drawing.push_str("\x1b7\x1b[?6l\x1b(B\x1b)B\x0f");
    }
}

impl Place {
    /// Reads the cursor; `last` is the character that was put out last.
    fn read(screen: &Screen, last: Option<char>) -> Self {
        let (row, column) = screen.cursor_position();
        Self {
            row,
            column,
            behind: Self::behind(screen, last),
            looks: screen.attributes_formatted(),
            is_relative: false,
        }
    }

    /// The cell before the cursor, where it was put out last or fills the row: then the next
    /// character comes into the next row, which moving the cursor there does not make.
    fn behind(screen: &Screen, last: Option<char>) -> Option<(u16, String)> {
        let (row, column) = screen.cursor_position();
        let before = column.checked_sub(1)?;
        let (at, width) = match screen.cell(row, before)?.is_wide_continuation() {
            true => (before.checked_sub(1)?, 2),
            false => (before, 1),
        };
        let cell = screen.cell(row, at)?;
        let is_full = column >= screen.size().1.get();
        // In the middle of a wide character, the cursor is behind nothing.
        let is_whole = cell.is_wide() == (width == 2);
        let is_last = is_whole && last.is_some_and(|last| cell.contents().starts_with(last));
        if !is_full && !is_last {
            return None;
        }
        if !cell.has_contents() {
            return Some((at, format!("{} ", looks_of(cell))));
        }
        let drawn = screen.rows_formatted(at, width).nth(usize::from(row))?;
        Some((at, drawn))
    }

    /// Sets the rows that scroll, and how rows count, and goes there.
    fn go(&self, drawing: &mut String, (top, bottom): (u16, u16)) {
        let _ = write!(drawing, "\x1b[{};{}r", top + 1, bottom + 1);
        if self.is_relative {
            drawing.push_str("\x1b[?6h");
        }
        self.put(drawing, if self.is_relative { top } else { 0 });
    }

    /// Goes there; rows count from `first`.
    fn put(&self, drawing: &mut String, first: u16) {
        let row = self.row.saturating_sub(first) + 1;
        let (column, cell) = match &self.behind {
            Some((column, cell)) => (*column, cell.as_str()),
            None => (self.column, ""),
        };
        let _ = write!(drawing, "\x1b[{row};{}H\x1b[m{cell}", column + 1);
    }
}

impl Charsets {
    fn draw(self, drawing: &mut String) {
        for (is_graphics, set) in self.is_graphics.into_iter().zip(["\x1b(0", "\x1b)0"]) {
            if is_graphics {
                drawing.push_str(set);
            }
        }
        if self.in_use == 1 {
            drawing.push('\x0e');
        }
    }
}

impl Modes {
    /// Draws what changes nothing of how the drawing goes on, but where the cursor is.
    fn draw(&self, drawing: &mut String, columns: u16) {
        if let Some(tabs) = &self.tabs {
            drawing.push_str("\x1b[3g");
            for column in tabs.range(..columns) {
                let _ = write!(drawing, "\x1b[{}G\x1bH", column + 1);
            }
        }
        if !self.title.is_empty() {
            let _ = write!(drawing, "\x1b]2;{}\x07", String::from_utf8_lossy(&self.title));
        }
        for (mode, is_set) in &self.passed_on {
            let _ = write!(drawing, "\x1b[?{mode}{}", if *is_set { 'h' } else { 'l' });
        }
        if let Some(keys) = self.modified_keys {
            let _ = write!(drawing, "\x1b[>4;{keys}m");
        }
    }

    /// Draws what changes how characters are put out.
    fn draw_last(&self, drawing: &mut String) {
        let all =
            [(self.inserts, "\x1b[4h"), (self.returns, "\x1b[20h"), (!self.wraps, "\x1b[?7l")];
        for (_, mode) in all.into_iter().filter(|(is_set, _)| *is_set) {
            drawing.push_str(mode);
        }
    }
}

/// What makes characters look as a cell does.
fn looks_of(cell: &Cell) -> String {
    let mut looks = "\x1b[0".to_owned();
    let all = [cell.bold(), cell.dim(), cell.italic(), cell.underline(), cell.inverse()];
    for (_, number) in all.into_iter().zip([1, 2, 3, 4, 7]).filter(|(is_so, _)| *is_so) {
        let _ = write!(looks, ";{number}");
    }
    for (colour, number) in [(cell.fgcolor(), 38), (cell.bgcolor(), 48)] {
        let _ = match colour {
            Color::Default => Ok(()),
            Color::Idx(index) => write!(looks, ";{number};5;{index}"),
            Color::Rgb(red, green, blue) => write!(looks, ";{number};2;{red};{green};{blue}"),
        };
    }
    looks.push('m');
    looks
}

/// First and last of the rows that scroll: the cursor stops there where it comes from between them.
fn region(emulator: &mut Parser) -> (u16, u16) {
    let rows = emulator.screen().size().0.get();
    let mut stop = |row, way| row_after(emulator, &format!("\x1b[{}d\x1b[{rows}{way}", row + 1));
    let bottom = (0..rows).map(|row| stop(row, 'B')).find(|stop| *stop < rows - 1);
    let top = (0..rows).rev().map(|row| stop(row, 'A')).find(|stop| *stop > 0);
    (top.unwrap_or(0), bottom.unwrap_or(rows - 1))
}

fn row_after(emulator: &mut Parser, words: &str) -> u16 {
    emulator.process(words.as_bytes());
    emulator.screen().cursor_position().0
}
