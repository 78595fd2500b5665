//! When the write-ahead log is copied into the database file.
//!
//! Left alone, the database does it in the middle of some caller's commit. Here a connection of
//! its own copies while the writer goes on; then the writer copies the little that came meanwhile,
//! between two transactions, after which the log begins anew.

use std::sync::Arc;

use cortex_core::Result;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::rows::RowWriter;
use crate::store::connection::WriteConnection;
use crate::store::fault::sqlx_fault;

/// Pages in the log, by estimate, that are worth a copy: with 4 KiB a page, 16 MiB.
const PAGES: usize = 4_000;

/// Copies what no reader needs to keep apart, and waits for nobody.
const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

const FAILED: &str = "the write-ahead log could not be copied; it grows until it can";

/// Keeps the write-ahead log short.
#[derive(Debug)]
pub(super) struct Checkpoints {
    connection: Arc<WriteConnection>,
    runtime: Handle,
    copying: Option<JoinHandle<()>>,
    pages: usize,
}

impl Checkpoints {
    pub(super) async fn open(options: &SqliteConnectOptions, runtime: Handle) -> Result<Self> {
        let connection = WriteConnection::open(options).await;
        let connection = connection.map_err(|error| sqlx_fault("open store", error))?;
        Ok(Self { connection: Arc::new(connection), runtime, copying: None, pages: 0 })
    }

    /// Hears that a transaction has written about so many pages.
    pub(super) fn wrote(&mut self, pages: usize, rows: &RowWriter) {
        self.pages += pages;
        match &self.copying {
            Some(copying) if copying.is_finished() => {
                self.copying = None;
                self.pages = 0;
                if let Err(error) = rows.copy_log() {
                    tracing::warn!(%error, "{FAILED}");
                }
            }
            Some(_) => {}
            None if self.pages >= PAGES => {
                let connection = Arc::clone(&self.connection);
                self.copying = Some(self.runtime.spawn(async move { copy(&connection).await }));
            }
            None => {}
        }
    }

    /// Waits for a copy that is under way, and closes the connection.
    pub(super) fn close(self) {
        let Self { connection, runtime, copying, .. } = self;
        let closed = runtime.block_on(async {
            if let Some(copying) = copying {
                // A panic has been reported by the runtime.
                let _ = copying.await;
            }
            match Arc::into_inner(connection) {
                Some(connection) => connection.close().await,
                // A copy that was cut off by the runtime's end closes when it is dropped.
                None => Ok(()),
            }
        });
        if let Err(error) = closed {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}

async fn copy(connection: &WriteConnection) {
    if let Err(error) = connection.command(COPY).await {
        tracing::warn!(%error, "{FAILED}");
    }
}
