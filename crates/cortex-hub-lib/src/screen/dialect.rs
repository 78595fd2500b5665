//! What programs say to terminals and `vt100` does not understand, said in words that it does:
//! line drawing, tabulators, insertion, no wrapping, other ways to save the cursor. And what is no
//! part of a screen, but is to be the same for who joins it: the title, and what keys, mouse and
//! the terminal's window are to do.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::Write as _;

use unicode_width::UnicodeWidthChar as _;
use vt100::Parser;
use vte::Params;
use vte::Perform;

/// The most of a title that is kept, in bytes.
const MOST_TITLE: usize = 1 << 10;

/// Bytes that wait for the emulator at most.
const MOST_WAITING: usize = 16 << 10;

/// Private modes that are no matter of the screen and are passed on as they are: reverse video, a
/// blinking cursor, the keypad, reports of focus, what the wheel does, ways to report the mouse.
const PASSED_ON: [u16; 7] = [5, 12, 66, 1004, 1007, 1015, 1016];

/// The line-drawing characters, from `_` on.
const GRAPHICS: [char; 32] = [
    ' ', '\u{25c6}', '\u{2592}', '\u{2409}', '\u{240c}', '\u{240d}', '\u{240a}', '\u{b0}',
    '\u{b1}', '\u{2424}', '\u{240b}', '\u{2518}', '\u{2510}', '\u{250c}', '\u{2514}', '\u{253c}',
    '\u{23ba}', '\u{23bb}', '\u{2500}', '\u{23bc}', '\u{23bd}', '\u{251c}', '\u{2524}', '\u{2534}',
    '\u{252c}', '\u{2502}', '\u{2264}', '\u{2265}', '\u{3c0}', '\u{2260}', '\u{a3}', '\u{b7}',
];

/// What a terminal knows besides what `vt100` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Modes {
    pub(super) charsets: Charsets,
    /// Those that were saved with the cursor.
    pub(super) saved: Charsets,
    /// What is behind a new character moves on.
    pub(super) inserts: bool,
    /// A new character behind the last column comes into the next row.
    pub(super) wraps: bool,
    /// A line feed returns, too.
    pub(super) returns: bool,
    /// Columns with tabulators, where they are not every eighth.
    pub(super) tabs: Option<BTreeSet<u16>>,
    pub(super) title: Vec<u8>,
    /// Modes that are passed on, as they were set last.
    pub(super) passed_on: BTreeMap<u16, bool>,
    /// How keys with modifiers are told.
    pub(super) modified_keys: Option<u16>,
    /// The character that was put out last: it can be repeated.
    pub(super) last: Option<char>,
}

/// The two sets of characters, whether they are for line drawing, and which one is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Charsets {
    pub(super) is_graphics: [bool; 2],
    pub(super) in_use: usize,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            charsets: Charsets::default(),
            saved: Charsets::default(),
            inserts: false,
            wraps: true,
            returns: false,
            tabs: None,
            title: Vec::new(),
            passed_on: BTreeMap::new(),
            modified_keys: None,
            last: None,
        }
    }
}

/// Reads output for an emulator.
pub(super) struct Interpreter<'a> {
    pub(super) emulator: &'a mut Parser,
    pub(super) modes: &'a mut Modes,
    pub(super) words: Vec<u8>,
}

impl Interpreter<'_> {
    /// Tells the emulator all that was understood.
    pub(super) fn flush(&mut self) {
        self.emulator.process(&self.words);
        self.words.clear();
    }

    fn say(&mut self, words: &str) {
        self.words.extend_from_slice(words.as_bytes());
        if self.words.len() >= MOST_WAITING {
            self.flush();
        }
    }

    /// The cursor's column, and how many there are.
    fn column(&mut self) -> (u16, u16) {
        self.flush();
        let screen = self.emulator.screen();
        (screen.cursor_position().1, screen.size().1.get())
    }

    fn save(&mut self) {
        self.modes.saved = self.modes.charsets;
        self.say("\x1b7");
    }

    fn restore(&mut self) {
        self.modes.charsets = self.modes.saved;
        self.say("\x1b8");
    }

    /// Makes room for a character where it is not to go as `vt100` has it.
    fn make_room(&mut self, c: char) {
        let width = u16::try_from(c.width().unwrap_or(1)).unwrap_or(1).min(2);
        let (column, columns) = self.column();
        let is_beyond = column + width > columns;
        if is_beyond && !self.modes.wraps {
            self.say(&format!("\x1b[{}G", columns.saturating_sub(width) + 1));
        } else if is_beyond {
            self.say("\r\n");
        }
        if self.modes.inserts && width > 0 {
            self.say(&format!("\x1b[{width}@"));
        }
    }

    /// Goes over `count` tabulators.
    fn tab(&mut self, count: u16, is_back: bool) {
        let (column, columns) = self.column();
        let last = columns - 1;
        let mut at = column.min(last);
        for _ in 0..count.min(columns) {
            let next = match (&self.modes.tabs, is_back) {
                (Some(tabs), false) => tabs.range(at + 1..).next().copied(),
                (Some(tabs), true) => tabs.range(..at).next_back().copied(),
                (None, false) => Some(at - at % 8 + 8),
                (None, true) => Some(at.saturating_sub(1) / 8 * 8),
            };
            at = next.unwrap_or(if is_back { 0 } else { last }).min(last);
        }
        self.say(&format!("\x1b[{}G", at + 1));
    }

    /// The tabulators, to be changed.
    fn tabs(&mut self) -> (u16, &mut BTreeSet<u16>) {
        let (column, columns) = self.column();
        let every = || (8..columns.max(512)).step_by(8).collect();
        (column.min(columns - 1), self.modes.tabs.get_or_insert_with(every))
    }

    fn private_mode(&mut self, mode: u16, is_set: bool) {
        let verb = if is_set { 'h' } else { 'l' };
        match (mode, is_set) {
            (7, _) => self.modes.wraps = is_set,
            (1047, true) => self.say("\x1b[?47h"),
            (1047, false) => {
                self.flush();
                if self.emulator.screen().alternate_screen() {
                    self.say("\x1b[2J");
                }
                self.say("\x1b[?47l");
            }
            (1048, true) => self.save(),
            (1048, false) => self.restore(),
            _ => {
                match (mode, is_set) {
                    (1049, true) => self.modes.saved = self.modes.charsets,
                    (1049, false) => self.modes.charsets = self.modes.saved,
                    _ if PASSED_ON.contains(&mode) => {
                        self.modes.passed_on.insert(mode, is_set);
                    }
                    _ => {}
                }
                self.say(&format!("\x1b[?{mode}{verb}"));
            }
        }
    }

    /// A soft reset.
    fn reset_softly(&mut self) {
        let tabs = self.modes.tabs.take();
        let (title, passed_on) =
            (std::mem::take(&mut self.modes.title), std::mem::take(&mut self.modes.passed_on));
        let Modes { returns, last, .. } = *self.modes;
        *self.modes = Modes { tabs, title, passed_on, returns, last, ..Modes::default() };
        let (row, column) = {
            self.flush();
            self.emulator.screen().cursor_position()
        };
        self.say("\x1b[?25h\x1b[?1l\x1b>\x1b[?6l\x1b[m\x1b[H\x1b7\x1b[r");
        self.say(&format!("\x1b[{};{}H", row + 1, column + 1));
    }

    /// Passes a sequence on as it is.
    fn pass_on(&mut self, params: &Params, intermediates: &[u8], end: char) {
        let (private, others): (Vec<u8>, Vec<u8>) =
            intermediates.iter().partition(|byte| (0x3c..=0x3f).contains(*byte));
        self.words.extend_from_slice(b"\x1b[");
        self.words.extend_from_slice(&private);
        for (number, param) in params.iter().enumerate() {
            for (part, value) in param.iter().enumerate() {
                let separator = if part > 0 { ":" } else { ";" };
                let separator = if number + part > 0 { separator } else { "" };
                // Nothing can go wrong with memory.
                let _ = write!(self.words, "{separator}{value}");
            }
        }
        self.words.extend_from_slice(&others);
        self.say(end.encode_utf8(&mut [0; 4]));
    }
}

/// A parameter that stands alone, at least 1.
fn count(params: &Params) -> u16 {
    first(params).max(1)
}

fn first(params: &Params) -> u16 {
    params.iter().next().and_then(|param| param.first()).copied().unwrap_or(0)
}

impl Perform for Interpreter<'_> {
    fn print(&mut self, c: char) {
        let sets = self.modes.charsets;
        let graphics = u32::from(c).checked_sub(0x5f).and_then(|at| GRAPHICS.get(at as usize));
        let c = match graphics {
            Some(drawn) if sets.is_graphics[sets.in_use] => *drawn,
            _ => c,
        };
        if self.modes.inserts || !self.modes.wraps {
            self.make_room(c);
        }
        self.say(c.encode_utf8(&mut [0; 4]));
        self.modes.last = Some(c);
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\t' if self.modes.tabs.is_some() => self.tab(1, false),
            0x0a..=0x0c if self.modes.returns => self.say("\r\n"),
            0x0e => self.modes.charsets.in_use = 1,
            0x0f => self.modes.charsets.in_use = 0,
            0x80.. => {}
            _ => self.words.push(byte),
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _ignore: bool, byte: u8) {
        match (intermediates, byte) {
            ([b'('], set) => self.modes.charsets.is_graphics[0] = set == b'0',
            ([b')'], set) => self.modes.charsets.is_graphics[1] = set == b'0',
            ([], b'7') => self.save(),
            ([], b'8') => self.restore(),
            ([], b'D') => self.say("\n"),
            ([], b'E') => self.say("\r\n"),
            ([], b'H') => {
                let (column, tabs) = self.tabs();
                tabs.insert(column);
            }
            ([], b'c') => {
                *self.modes = Modes::default();
                self.say("\x1bc");
            }
            ([], b'=' | b'>' | b'M') => self.say(&format!("\x1b{}", char::from(byte))),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, end: char) {
        if ignore {
            return;
        }
        match (intermediates, end) {
            ([], 'I') => self.tab(count(params), false),
            ([], 'Z') => self.tab(count(params), true),
            ([], 'a') => self.say(&format!("\x1b[{}C", count(params))),
            ([], 'e') => self.say(&format!("\x1b[{}B", count(params))),
            ([], 's') => self.save(),
            ([], 'u') => self.restore(),
            ([], 'g') if first(params) == 3 => self.tabs().1.clear(),
            ([], 'g') => {
                let (column, tabs) = self.tabs();
                tabs.remove(&column);
            }
            ([], 'h' | 'l') => {
                for param in params {
                    match param {
                        [4] => self.modes.inserts = end == 'h',
                        [20] => self.modes.returns = end == 'h',
                        _ => {}
                    }
                }
            }
            ([b'?'], 'h' | 'l') => {
                for param in params {
                    if let [mode] = param {
                        self.private_mode(*mode, end == 'h');
                    }
                }
            }
            ([b'!'], 'p') => self.reset_softly(),
            ([b'>'], 'm') => {
                let mut values = params.iter().map(|param| param.first().copied().unwrap_or(0));
                if values.next() == Some(4) {
                    self.modes.modified_keys = values.next();
                }
            }
            _ => self.pass_on(params, intermediates, end),
        }
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _bell_terminated: bool) {
        if let [b"0" | b"2", title @ ..] = params {
            let title = title.join(&b';');
            self.modes.title = title[..title.len().min(MOST_TITLE)].to_vec();
        }
    }
}
