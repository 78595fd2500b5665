//! Failures of the database, as the error that all seams share.

use cortex_core::Error;
use cortex_core::ErrorKind;
use sea_orm::ConnAcquireErr;
use sea_orm::DbErr;
use sea_orm::RuntimeErr;
use sea_orm::SqlxError;

/// The database's result codes that a reader can do something about.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;

/// What caused an error.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Words a failure of the database while `operation` was tried.
pub(super) fn fault(operation: &'static str, error: DbErr) -> Error {
    match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => return closed(operation),
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => return too_busy(operation),
        _ => {}
    }
    let code = result_code(&error);
    of_code(operation, code, error.into())
}

/// The same for an error of a prepared statement.
pub(super) fn row_fault(operation: &'static str, error: rusqlite::Error) -> Error {
    let code = error.sqlite_error().map(|error| error.extended_code & 0xff);
    of_code(operation, code, error.into())
}

fn of_code(operation: &'static str, code: Option<i32>, error: Cause) -> Error {
    let (kind, code, message, hint) = match code {
        Some(FULL) => (
            ErrorKind::Unavailable,
            "disk_full",
            "the disk that holds the data directory is full",
            "free some space on it; nothing that was acknowledged is lost",
        ),
        Some(BUSY | LOCKED) => (
            ErrorKind::Unavailable,
            "database_busy",
            "another program holds the database",
            "end the program that writes to the database of this hub",
        ),
        Some(READ_ONLY | CANNOT_OPEN) => (
            ErrorKind::Precondition,
            "data_dir_unwritable",
            "the database cannot be written",
            "let the hub's user write to the data directory",
        ),
        Some(CORRUPT | NOT_A_DATABASE) => (
            ErrorKind::Internal,
            "database_damaged",
            "the database is damaged",
            "stop the hub and restore the data directory from a backup",
        ),
        _ => {
            let failure = Error::new(ErrorKind::Internal, operation, "the database failed");
            return failure.with_code("database_failed").with_source(error);
        }
    };
    Error::new(kind, operation, message).with_code(code).with_hint(hint).with_source(error)
}

/// The same for an error of the layer below.
pub(super) fn sqlx_fault(operation: &'static str, error: SqlxError) -> Error {
    fault(operation, DbErr::Exec(RuntimeErr::SqlxError(error.into())))
}

/// A stored value that this version cannot read.
pub(super) fn unreadable(what: &'static str, why: impl std::fmt::Display) -> Error {
    let message = format!("a stored {what} cannot be read: {why}");
    Error::new(ErrorKind::Internal, "read database", message).with_code("database_damaged")
}

/// The store was closed, or its writer is gone.
pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation, "the store is closed").with_code("store_closed")
}

/// All connections for reading were in use for too long.
fn too_busy(operation: &'static str) -> Error {
    let message = "too many readers wait for the database";
    Error::new(ErrorKind::Unavailable, operation, message).with_code("database_busy")
}

/// The database did not answer in time.
pub(super) fn too_slow(operation: &'static str) -> Error {
    let message = "the database did not answer in time; the change may or may not be stored";
    Error::new(ErrorKind::Timeout, operation, message).with_code("database_slow")
}

/// The database's primary result code, where the error has one.
pub(super) fn result_code(error: &DbErr) -> Option<i32> {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    let SqlxError::Database(error) = &**error else { return None };
    let extended: i32 = error.code()?.parse().ok()?;
    Some(extended & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_failure_keeps_its_cause() {
        let error = fault("append to session", DbErr::Custom("odd".into()));
        assert_eq!((error.kind(), error.code()), (ErrorKind::Internal, "database_failed"));
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("Custom Error: odd"));
    }
}
