//! The text of a transaction: few statements of many rows, in few different sizes.

use sea_orm::sqlx::Arguments as _;
use sea_orm::sqlx::Encode;
use sea_orm::sqlx::Sqlite;
use sea_orm::sqlx::Type;
use sea_orm::sqlx::sqlite::SqliteArguments;

/// Row counts of statements. A statement is prepared once for each text, so counts between these
/// are padded with rows of nulls, which the statement skips.
const SIZES: [usize; 5] = [1, 4, 16, 64, LARGEST];
const LARGEST: usize = 256;

/// An insert of any number of rows; the first column is never null.
#[derive(Debug)]
pub(super) struct Insert {
    /// Up to the rows, e.g. `INSERT INTO t (a, b)`.
    pub(super) into: &'static str,
    /// Number of columns.
    pub(super) columns: usize,
    /// After the rows, e.g. ` ON CONFLICT …`.
    pub(super) then: &'static str,
}

/// Statements and their arguments, to be run at once.
#[derive(Debug, Default)]
pub(super) struct Script {
    sql: String,
    arguments: SqliteArguments,
}

impl Script {
    /// Adds a statement without arguments.
    pub(super) fn push(&mut self, statement: &str) {
        self.sql.push_str(statement);
        self.sql.push(';');
    }

    /// Adds inserts of `rows`; `bind` gives a row's values to [`Script::bind`], in their order.
    pub(super) fn insert<R>(
        &mut self,
        insert: &Insert,
        mut rows: impl ExactSizeIterator<Item = R>,
        mut bind: impl FnMut(&mut Self, R),
    ) {
        while rows.len() > 0 {
            let count = rows.len().min(LARGEST);
            let size = SIZES.into_iter().find(|size| *size >= count).unwrap_or(LARGEST);
            insert.text(size, &mut self.sql);
            for row in rows.by_ref().take(count) {
                bind(self, row);
            }
            for _ in 0..(size - count) * insert.columns {
                self.bind(None::<i64>);
            }
        }
    }

    /// Adds one value.
    pub(super) fn bind<'v, V: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: V) {
        self.arguments.add(value).expect("numbers, text and bytes can always be bound");
    }

    /// The text and its arguments.
    pub(super) fn into_parts(self) -> (String, SqliteArguments) {
        (self.sql, self.arguments)
    }
}

impl Insert {
    fn text(&self, size: usize, sql: &mut String) {
        sql.push_str(self.into);
        sql.push_str(" SELECT * FROM (VALUES ");
        for row in 0..size {
            sql.push_str(if row == 0 { "(?" } else { ",(?" });
            for _ in 1..self.columns {
                sql.push_str(",?");
            }
            sql.push(')');
        }
        sql.push_str(") WHERE column1 IS NOT NULL");
        sql.push_str(self.then);
        sql.push(';');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSERT: Insert = Insert { into: "INSERT INTO t (a, b)", columns: 2, then: "" };

    fn script(rows: usize) -> (String, SqliteArguments) {
        let mut script = Script::default();
        script.insert(&INSERT, 0..rows, |script, row| {
            script.bind(i64::try_from(row).unwrap());
            script.bind("b");
        });
        script.into_parts()
    }

    #[test]
    fn counts_between_sizes_have_the_text_of_the_next() {
        assert_eq!(script(0).0, "");
        let one = "INSERT INTO t (a, b) SELECT * FROM (VALUES (?,?)) WHERE column1 IS NOT NULL;";
        assert_eq!(script(1).0, one);
        assert_eq!(script(2).0, script(4).0);
        assert_eq!(script(17).0, script(64).0);
        assert_eq!(script(257).0, script(256).0 + one);
    }

    #[test]
    fn every_placeholder_has_an_argument() {
        for rows in [1, 2, 5, 63, 64, 65, 300] {
            let (sql, arguments) = script(rows);
            let placeholders = sql.matches('?').count();
            assert_eq!(arguments.len(), placeholders, "{rows}");
        }
    }
}
