//! When the write-ahead log is copied into the database file.
//!
//! Left alone, the database does it in the middle of some caller's commit. Here a connection of
//! its own copies while the writer goes on; then the writer copies the little that came meanwhile,
//! between two transactions, after which the log begins anew.

use std::sync::Arc;

use cortex_core::Result;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use tokio::task::JoinHandle;

use crate::store::connection::WriteConnection;
use crate::store::fault::sqlx_fault;

/// Pages in the log, by estimate, that are worth a copy: with 4 KiB a page, 16 MiB.
const PAGES: usize = 4_000;

/// Copies what no reader needs to keep apart, and waits for nobody.
const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Keeps the write-ahead log short.
#[derive(Debug)]
pub(super) struct Checkpoints {
    connection: Arc<WriteConnection>,
    copying: Option<JoinHandle<()>>,
    pages: usize,
}

impl Checkpoints {
    pub(super) async fn open(options: &SqliteConnectOptions) -> Result<Self> {
        let connection = WriteConnection::open(options).await;
        let connection = connection.map_err(|error| sqlx_fault("open store", error))?;
        Ok(Self { connection: Arc::new(connection), copying: None, pages: 0 })
    }

    /// Hears that a transaction has written about so many pages.
    pub(super) async fn wrote(&mut self, pages: usize, writer: &WriteConnection) {
        self.pages += pages;
        match &mut self.copying {
            Some(copying) if copying.is_finished() => {
                // A panic has been reported by the runtime; the next copy makes up for it.
                let _ = copying.await;
                self.copying = None;
                copy(writer).await;
                self.pages = 0;
            }
            Some(_) => {}
            None if self.pages >= PAGES => {
                let connection = Arc::clone(&self.connection);
                self.copying = Some(tokio::spawn(async move { copy(&connection).await }));
            }
            None => {}
        }
    }

    /// Waits for a copy that is under way, and closes the connection.
    pub(super) async fn close(self) {
        if let Some(copying) = self.copying {
            let _ = copying.await;
        }
        let connection = Arc::into_inner(self.connection);
        let connection = connection.expect("only a copy under way has it, and that is over");
        if let Err(error) = connection.close().await {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}

async fn copy(connection: &WriteConnection) {
    if let Err(error) = connection.command(COPY).await {
        tracing::warn!(%error, "the write-ahead log could not be copied; it grows until it can");
    }
}
