//! The cells of a screen as a page shows them: characters that look the same, together.

/// Characters of a row that look the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    /// The characters.
    pub text: String,
    /// Their colour, where it is not the terminal's own.
    pub foreground: Option<Colour>,
    /// The colour behind them, where it is not the terminal's own.
    pub background: Option<Colour>,
    /// Whether they are bold.
    pub is_bold: bool,
    /// Whether they are faint.
    pub is_dim: bool,
    /// Whether they are italic.
    pub is_italic: bool,
    /// Whether they are underlined.
    pub is_underlined: bool,
    /// Whether the two colours change places.
    pub is_inverse: bool,
}

/// A colour of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// One of its palette.
    Palette(u8),
    /// Red, green and blue.
    Rgb(u8, u8, u8),
}

impl Run {
    fn of(cell: &vt100::Cell) -> Self {
        Self {
            text: String::new(),
            foreground: colour(cell.fgcolor()),
            background: colour(cell.bgcolor()),
            is_bold: cell.bold(),
            is_dim: cell.dim(),
            is_italic: cell.italic(),
            is_underlined: cell.underline(),
            is_inverse: cell.inverse(),
        }
    }
}

fn colour(colour: vt100::Color) -> Option<Colour> {
    match colour {
        vt100::Color::Default => None,
        vt100::Color::Idx(number) => Some(Colour::Palette(number)),
        vt100::Color::Rgb(red, green, blue) => Some(Colour::Rgb(red, green, blue)),
    }
}

/// The rows of a screen.
pub(super) fn runs(screen: &vt100::Screen) -> Vec<Vec<Run>> {
    let (rows, columns) = screen.size();
    (0..rows.get()).map(|row| runs_of(screen, row, columns.get())).collect()
}

fn runs_of(screen: &vt100::Screen, row: u16, columns: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let cells = (0..columns).filter_map(|column| screen.cell(row, column));
    for cell in cells.filter(|cell| !cell.is_wide_continuation()) {
        let look = Run::of(cell);
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match runs.last_mut() {
            Some(last) if Run { text: String::new(), ..last.clone() } == look => {
                last.text.push_str(text);
            }
            _ => runs.push(Run { text: text.to_owned(), ..look }),
        }
    }
    runs
}
