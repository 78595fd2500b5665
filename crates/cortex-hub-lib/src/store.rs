//! The hub's memory that survives: one SQLite database, and files for long output.
//!
//! Everything is read from a small pool of connections, or from memory where it is fresh, and
//! written by one thread that gathers what waits into one transaction: see the `writer` module.

pub mod accounts;
pub mod audit;
mod column;
mod connection;
mod database;
mod entity;
mod fault;
mod migration;
mod place;
mod recent;
pub mod registry;
pub mod repeats;
mod session_row;
pub mod sessions;
mod task_row;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;

use cortex_core::Result;
use cortex_core::id::HubId;
use cortex_core::registry::NodeRegistry;
use cortex_core::session::SessionStore;
use sea_orm::ConnectionTrait as _;
use sea_orm::DatabaseConnection;

use self::accounts::AccountStore;
use self::audit::AuditLog;
use self::database::BUSY_TIMEOUT;
use self::database::Files;
use self::fault::fault;
use self::recent::Recent;
use self::registry::SqlNodeRegistry;
use self::repeats::RepeatStore;
use self::sessions::SqlSessionStore;
use self::writer::Belongings;
use self::writer::Running;
use self::writer::Writer;

/// Everything that a hub keeps, in one directory; clones share it.
///
/// One process at a time can have a directory open. [`Store::close`] ends the store in good
/// order; a store that is only dropped, or killed, has lost nothing that it acknowledged.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    reads: DatabaseConnection,
    writer: Writer,
    /// Taken by the one who closes the store.
    writing: Mutex<Option<Running>>,
    registry: Arc<SqlNodeRegistry>,
    sessions: Arc<SqlSessionStore>,
    accounts: Arc<AccountStore>,
    repeats: RepeatStore,
    audit: AuditLog,
    hub: Arc<OnceLock<HubId>>,
}

impl Store {
    /// Opens the store in `data_dir`, makes it where there is none, and brings it to this
    /// version.
    ///
    /// Waits up to three seconds for another process to let go of the directory. Must be called
    /// in a Tokio runtime, on which the store runs until it is closed or its last handle is
    /// dropped.
    ///
    /// # Errors
    /// `Precondition`, with the path in its message and what to do in its hint; code
    /// `data_dir_unwritable`, `data_dir_in_use`, `database_newer` (written by a newer version),
    /// `database_unreadable` (the file is no database) or `database_damaged`. `Internal`: the
    /// database failed.
    ///
    /// # Cancel safety
    /// If the future is dropped, the directory may or may not have been made.
    pub async fn open(data_dir: &Path) -> Result<Self> {
        let files = Files::take(data_dir).await?;
        files.migrate().await?;
        let reads = files.readers().await?;
        let recent = Arc::new(Recent::default());
        let options = files.options();
        let Files { database, output, lock } = files;
        let hub = Arc::new(OnceLock::new());
        let belongings = Belongings {
            hub: Arc::clone(&hub),
            database,
            options,
            busy_timeout: BUSY_TIMEOUT,
            recent: Arc::clone(&recent),
            lock,
        };
        let (writer, writing) = Writer::start(belongings).await?;
        let registry = SqlNodeRegistry::open(reads.clone(), writer.clone()).await?;
        let accounts = AccountStore::open(reads.clone(), writer.clone()).await?;
        let repeats = RepeatStore::new(writer.clone());
        let audit = AuditLog::new(reads.clone(), writer.clone());
        let sessions = SqlSessionStore::new(reads.clone(), writer.clone(), recent, output);
        let inner = Inner {
            reads,
            writer,
            writing: Mutex::new(Some(writing)),
            registry: Arc::new(registry),
            sessions: Arc::new(sessions),
            accounts: Arc::new(accounts),
            repeats,
            audit,
            hub,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Nodes and invites.
    #[must_use]
    pub fn registry(&self) -> Arc<dyn NodeRegistry> {
        Arc::clone(&self.inner.registry) as Arc<dyn NodeRegistry>
    }

    /// Sessions, tasks and output.
    #[must_use]
    pub fn sessions(&self) -> Arc<dyn SessionStore> {
        Arc::clone(&self.inner.sessions) as Arc<dyn SessionStore>
    }

    /// Users, credentials and settings.
    #[must_use]
    pub fn accounts(&self) -> Arc<AccountStore> {
        Arc::clone(&self.inner.accounts)
    }

    /// Idempotency keys.
    #[must_use]
    pub fn repeats(&self) -> &RepeatStore {
        &self.inner.repeats
    }

    /// Who did what.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        &self.inner.audit
    }

    /// Says whose store this is: its audit log's chain begins with that. The first word counts.
    pub fn set_hub(&self, hub: HubId) {
        // A second word is the same one: a store has one hub.
        let _ = self.inner.hub.set(hub);
    }

    /// Finds out whether the database can be read and the writer works.
    ///
    /// # Errors
    /// `Unavailable`, code `store_closed`, or the failure of the database.
    pub async fn ping(&self) -> Result<()> {
        let read = self.inner.reads.execute_unprepared("SELECT 1").await;
        read.map_err(|error| fault("check store", error))?;
        self.inner.writer.run("check store", |_| Box::pin(async { Ok(()) })).await
    }

    /// Transactions that were committed since the store was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.inner.writer.commits()
    }

    /// Stores what is in memory only, waits for the writer, and closes the files.
    ///
    /// Requests that come later fail as `Unavailable`. A second call returns at once.
    ///
    /// # Errors
    /// The last heartbeats could not be stored; the files are closed all the same.
    ///
    /// # Cancel safety
    /// If the future is dropped, the store closes a little later by itself.
    pub async fn close(&self) -> Result<()> {
        let writing = self.inner.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writing) = writing else { return Ok(()) };
        let flushed = self.inner.registry.flush().await;
        // The connection that closes last tidies up the database's files; it should write.
        let closed = self.inner.reads.close_by_ref().await;
        self.inner.writer.stop().await;
        writing.join().await;
        flushed.and(closed.map_err(|error| fault("close store", error)))
    }
}
