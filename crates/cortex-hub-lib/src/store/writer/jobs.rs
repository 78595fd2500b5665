//! Changes other than appends: jobs on sea-orm's side, in one transaction for those that wait.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::chain::Head;
use sea_orm::EntityTrait as _;
use sea_orm::IntoActiveModel as _;

use super::Job;
use super::Settle;
use super::Verdict;
use crate::audit::Note;
use crate::store::audit::row;
use crate::store::connection::WriteConnection;
use crate::store::entity::audit;
use crate::store::fault::fault;
use crate::store::fault::sqlx_fault;

const OPERATION: &str = "write to database";

/// Runs jobs, each in a savepoint of its own, and says what became of each.
///
/// A job that fails is undone alone. If the transaction fails, all are undone, and told so. What is
/// kept is recorded with it; `chain` is the audit log's, which is returned as it then is.
pub(super) async fn run(connection: &WriteConnection, jobs: Vec<Job>, chain: Head) -> Result<Head> {
    let mut settles = Vec::with_capacity(jobs.len());
    let stored = attempt(connection, jobs, chain, &mut settles).await;
    let failure = match &stored {
        Ok(_) => None,
        Err(error) => {
            // The database may have rolled back by itself.
            let _ = connection.command("ROLLBACK").await;
            tracing::error!(%error, "a transaction failed");
            Some(error)
        }
    };
    for settle in settles {
        settle(failure);
    }
    stored
}

async fn attempt(
    connection: &WriteConnection,
    jobs: Vec<Job>,
    mut chain: Head,
    settles: &mut Vec<Settle>,
) -> Result<Head> {
    command(connection, "BEGIN IMMEDIATE").await?;
    for job in jobs {
        command(connection, "SAVEPOINT job").await?;
        let (end, settle, note) = match job(connection).await {
            Verdict::Keep(settle, note) => ("RELEASE job", settle, note),
            Verdict::Undo(settle) => ("ROLLBACK TO job; RELEASE job", settle, None),
        };
        let recorded = match note {
            Some(note) => record(connection, note, chain).await,
            None => Ok(chain),
        };
        let ended = command(connection, end).await;
        settles.push(settle);
        chain = recorded?;
        ended?;
    }
    command(connection, "COMMIT").await?;
    Ok(chain)
}

/// Stores the records of a note; returns the chain with them.
async fn record(connection: &WriteConnection, note: Note, mut chain: Head) -> Result<Head> {
    for record in note.numbered(chain.count + 1) {
        chain = record.extend(chain);
        let row = row::to_row(&record, chain).into_active_model();
        let stored = audit::Entity::insert(row).exec_without_returning(connection).await;
        stored.map_err(|error| fault(OPERATION, error))?;
    }
    Ok(chain)
}

async fn command(connection: &WriteConnection, sql: &'static str) -> Result<()> {
    connection.command(sql).await.map_err(|error| sqlx_fault(OPERATION, error))
}

/// What a caller is told whose job was never tried.
pub(super) fn untried(operation: &'static str) -> Error {
    let message = "the database failed before the change was tried";
    Error::new(ErrorKind::Unavailable, operation, message).with_code("database_failed")
}
