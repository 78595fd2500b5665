//! Tables of plain text: columns padded with blanks, nothing cut off.

use cortex_core::timestamp::Timestamp;
use unicode_width::UnicodeWidthStr as _;

use crate::output::style;
use crate::output::style::Tone;

/// The text of one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// A thing that can be a row of a table, or a table of its own.
pub(crate) trait Row {
    /// The titles of the columns.
    const TITLES: &'static [&'static str];

    /// The cells, as many as there are titles; ages are told from `now`.
    fn cells(&self, now: Timestamp) -> Vec<Cell>;

    /// Everything about it, as pairs of title and text.
    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)>;

    /// What other commands call it by.
    fn key(&self) -> &str;
}

impl Cell {
    /// A cell with a meaning.
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        let text = style::inert(&text.into());
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, tone }
    }

    /// A cell.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Plain)
    }

    /// A cell with nothing in it, not even a dash.
    pub(crate) fn blank() -> Self {
        Self { text: String::new(), tone: Tone::Plain }
    }

    /// A cell that may have nothing in it.
    pub(crate) fn maybe(text: Option<impl Into<String>>) -> Self {
        Self::plain(text.map(Into::into).unwrap_or_default())
    }
}

/// Renders rows under their titles; the titles alone if there are none.
#[must_use]
pub(crate) fn render<T: Row>(items: &[T], now: Timestamp, colors: bool) -> String {
    let title = |title: &&str| match title.is_empty() {
        true => Cell::blank(),
        false => Cell::plain(*title),
    };
    let titles = T::TITLES.iter().map(title).collect();
    let mut rows: Vec<Vec<Cell>> = vec![titles];
    rows.extend(items.iter().map(|item| item.cells(now)));
    lay_out(&rows, colors)
}

/// Renders pairs of title and text.
#[must_use]
pub(crate) fn render_details(details: &[(&'static str, Cell)], colors: bool) -> String {
    let rows: Vec<Vec<Cell>> = details
        .iter()
        .map(|(title, cell)| vec![Cell::new(format!("{title}:"), Tone::Dim), cell.clone()])
        .collect();
    lay_out(&rows, colors)
}

/// Lays rows out in columns, a line each.
#[must_use]
pub(crate) fn lines(rows: &[Vec<Cell>], colors: bool) -> Vec<String> {
    lay_out(rows, colors).lines().map(ToOwned::to_owned).collect()
}

fn lay_out(rows: &[Vec<Cell>], colors: bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.text.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let mut out = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            out.push_str(&style::paint(&cell.text, cell.tone, colors));
            // Nothing behind the last column: trailing blanks wrap on narrow terminals.
            if column + 1 < row.len() {
                let gap = widths[column] - cell.text.width() + 2;
                out.extend(std::iter::repeat_n(' ', gap));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(&'static str, &'static str);

    impl Row for Thing {
        const TITLES: &'static [&'static str] = &["NAME", "STATE", "NOTE"];

        fn cells(&self, _: Timestamp) -> Vec<Cell> {
            vec![Cell::plain(self.0), Cell::new(self.1, Tone::Good), Cell::maybe(None::<&str>)]
        }

        fn details(&self, _: Timestamp) -> Vec<(&'static str, Cell)> {
            vec![("Name", Cell::plain(self.0)), ("A longer title", Cell::plain(self.1))]
        }

        fn key(&self) -> &str {
            self.0
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let now = Timestamp::from_millis(0);
        let things = [Thing("日本", "● on"), Thing("build-1", "off")];
        insta::assert_snapshot!(render(&things, now, false), @r"
        NAME     STATE  NOTE
        日本     ● on   -
        build-1  off    -
        ");
        insta::assert_snapshot!(render::<Thing>(&[], now, false), @r"
        NAME  STATE  NOTE
        ");
        insta::assert_snapshot!(render_details(&things[0].details(now), false), @r"
        Name:            日本
        A longer title:  ● on
        ");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let now = Timestamp::from_millis(0);
        let text = render(&[Thing("a", "b")], now, true);
        assert!(text.contains("a     \x1b[32mb\x1b[0m      -"), "{text:?}");
    }
}
