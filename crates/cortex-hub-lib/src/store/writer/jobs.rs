//! Changes other than appends: jobs on sea-orm's side, in one transaction for those that wait.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use sea_orm::SqlxError;

use super::Job;
use super::Settle;
use super::Verdict;
use crate::store::connection::WriteConnection;
use crate::store::fault::sqlx_fault;

const OPERATION: &str = "write to database";

/// Runs jobs, each in a savepoint of its own, and says what became of each.
///
/// A job that fails is undone alone. If the transaction fails, all are undone, and told so.
pub(super) async fn run(connection: &WriteConnection, jobs: Vec<Job>) -> Result<()> {
    let mut settles = Vec::with_capacity(jobs.len());
    let stored = attempt(connection, jobs, &mut settles).await;
    let failure = match stored {
        Ok(()) => None,
        Err(error) => {
            // The database may have rolled back by itself.
            let _ = connection.command("ROLLBACK").await;
            tracing::error!(%error, "a transaction failed");
            Some(sqlx_fault(OPERATION, error))
        }
    };
    for settle in settles {
        settle(failure.as_ref());
    }
    failure.map_or(Ok(()), Err)
}

async fn attempt(
    connection: &WriteConnection,
    jobs: Vec<Job>,
    settles: &mut Vec<Settle>,
) -> Result<(), SqlxError> {
    connection.command("BEGIN IMMEDIATE").await?;
    for job in jobs {
        connection.command("SAVEPOINT job").await?;
        let (end, settle) = match job(connection).await {
            Verdict::Keep(settle) => ("RELEASE job", settle),
            Verdict::Undo(settle) => ("ROLLBACK TO job; RELEASE job", settle),
        };
        let ended = connection.command(end).await;
        settles.push(settle);
        ended?;
    }
    connection.command("COMMIT").await
}

/// What a caller is told whose job was never tried.
pub(super) fn untried(operation: &'static str) -> Error {
    let message = "the database failed before the change was tried";
    Error::new(ErrorKind::Unavailable, operation, message).with_code("database_failed")
}
