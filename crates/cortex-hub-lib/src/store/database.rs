//! Opening the database file: who may, with which settings, and of which version it is.

use std::collections::BTreeSet;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use sea_orm::ConnectionTrait as _;
use sea_orm::DatabaseConnection;
use sea_orm::DbBackend;
use sea_orm::DbErr;
use sea_orm::EntityTrait as _;
use sea_orm::RuntimeErr;
use sea_orm::SqliteTransactionMode;
use sea_orm::SqlxSqliteConnector;
use sea_orm::Statement;
use sea_orm::TransactionOptions;
use sea_orm::TransactionTrait as _;
use sea_orm::sea_query::OnConflict;
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::pool::PoolOptions;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::sqlite::SqliteJournalMode;
use sea_orm::sqlx::sqlite::SqliteSynchronous;
use sea_orm_migration::MigratorTrait as _;

use super::entity::setting;
use super::fault::fault;
use super::fault::result_code;
use super::migration::Migrator;

/// How long an opening store waits for the one before it to let go of the directory.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// How long a connection waits for another program's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that read; each has a thread of its own.
const READERS: u32 = 4;

/// The setting that says which version of Cortex used the database last.
const WRITTEN_BY: &str = "written_by";
const VERSION: &str = env!("CARGO_PKG_VERSION");

const OPERATION: &str = "open store";

/// The files of a store, held against other hubs.
#[derive(Debug)]
pub(super) struct Files {
    /// The database.
    pub(super) database: PathBuf,
    /// Where long output lies.
    pub(super) output: PathBuf,
    /// Locked for as long as it is open.
    pub(super) lock: File,
}

impl Files {
    /// Makes the directory where it is missing, and takes it for this process alone.
    pub(super) async fn take(data_dir: &Path) -> Result<Self> {
        Self::take_within(data_dir, LOCK_PATIENCE).await
    }

    /// The same, with another limit to the waiting for a process that has it.
    pub(super) async fn take_within(data_dir: &Path, patience: Duration) -> Result<Self> {
        let output = data_dir.join("output");
        let made = make_private_dir(data_dir).and_then(|()| make_private_dir(&output));
        made.map_err(|error| unwritable(data_dir, error))?;
        let lock = open_private_file(&data_dir.join("hub.lock"));
        let lock = lock.map_err(|error| unwritable(data_dir, error))?;
        lock_file(&lock, data_dir, patience).await?;
        let database = data_dir.join("cortex.db");
        // The database makes its other files with the rights of this one.
        open_private_file(&database).map_err(|error| unwritable(&database, error))?;
        Ok(Self { database, output, lock })
    }

    /// The settings of every connection.
    pub(super) fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.database)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("temp_store", "memory")
            // The write-ahead log gives space beyond this back when it begins anew.
            .pragma("journal_size_limit", "67108864")
            .statement_cache_capacity(256)
            .disable_statement_logging()
    }

    /// Brings the database to this version's tables.
    ///
    /// # Errors
    /// `Precondition`: the file is no database, cannot be written, or is of a newer version.
    pub(super) async fn migrate(&self) -> Result<()> {
        let pool = PoolOptions::new().max_connections(1);
        let pool = pool.connect_with(self.options()).await;
        let pool = pool.map_err(|error| self.refusal(connect_error(error)))?;
        let connection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
        let migrated = self.migrate_on(&connection).await;
        let closed = connection.close().await;
        migrated?;
        closed.map_err(|error| fault(OPERATION, error))
    }

    /// Connections for reading.
    pub(super) async fn readers(&self) -> Result<DatabaseConnection> {
        let pool = PoolOptions::new()
            .max_connections(READERS)
            .min_connections(1)
            .acquire_timeout(BUSY_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        let pool = pool.connect_with(self.options().pragma("query_only", "on")).await;
        let pool = pool.map_err(|error| self.refusal(connect_error(error)))?;
        Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
    }

    async fn migrate_on(&self, connection: &DatabaseConnection) -> Result<()> {
        self.refuse_newer(connection).await?;
        // All steps or none: a crash in between leaves the older version whole.
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let begun = connection.begin_with_options(immediate).await;
        let transaction = begun.map_err(|error| self.refusal(error))?;
        Migrator::up(&transaction, None).await.map_err(|error| self.refusal(error))?;
        let row = setting::ActiveModel {
            name: sea_orm::Set(WRITTEN_BY.to_owned()),
            value: sea_orm::Set(VERSION.as_bytes().to_vec()),
        };
        let replace = OnConflict::column(setting::Column::Name)
            .update_column(setting::Column::Value)
            .to_owned();
        let noted = setting::Entity::insert(row).on_conflict(replace);
        noted.exec_without_returning(&transaction).await.map_err(|error| self.refusal(error))?;
        transaction.commit().await.map_err(|error| self.refusal(error))
    }

    async fn refuse_newer(&self, connection: &DatabaseConnection) -> Result<()> {
        let applied = applied_steps(connection).await.map_err(|error| self.refusal(error))?;
        let known: BTreeSet<_> =
            Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
        let Some(step) = applied.difference(&known).last() else { return Ok(()) };
        // The version is a help for the reader; that it cannot be read changes nothing.
        let row = setting::Entity::find_by_id(WRITTEN_BY.to_owned()).one(connection).await;
        let version = row.ok().flatten().and_then(|row| String::from_utf8(row.value).ok());
        let version = version.unwrap_or_else(|| "a newer version".to_owned());
        let database = self.database.display();
        let message = format!(
            "{database} was written by Cortex {version} (it has step \"{step}\"); \
             this is Cortex {VERSION}"
        );
        let hint = format!("run Cortex {version} or newer, or give another data directory");
        Err(Error::new(ErrorKind::Precondition, OPERATION, message)
            .with_code("database_newer")
            .with_hint(hint))
    }

    fn refusal(&self, error: DbErr) -> Error {
        let database = self.database.display();
        let (code, message, hint) = match result_code(&error) {
            Some(26) => (
                "database_unreadable",
                format!("{database} is not a database"),
                "move the file away, or give another data directory",
            ),
            Some(8 | 14) => (
                "data_dir_unwritable",
                format!("{database} cannot be written"),
                "let the hub's user write to it, or give another data directory",
            ),
            Some(11) => (
                "database_damaged",
                format!("{database} is damaged"),
                "restore it from a backup, or give another data directory",
            ),
            _ => return fault(OPERATION, error),
        };
        Error::new(ErrorKind::Precondition, OPERATION, message)
            .with_code(code)
            .with_hint(hint)
            .with_source(error)
    }
}

fn connect_error(error: sea_orm::SqlxError) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    let message = format!("{} cannot be written", path.display());
    Error::new(ErrorKind::Precondition, OPERATION, message)
        .with_code("data_dir_unwritable")
        .with_hint("let the hub's user write to it, or give another data directory")
        .with_source(error)
}

async fn lock_file(lock: &File, data_dir: &Path, patience: Duration) -> Result<()> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(unwritable(data_dir, error)),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOCK_RETRY).await;
            }
            Err(TryLockError::WouldBlock) => {
                let message = format!("another hub uses {}", data_dir.display());
                return Err(Error::new(ErrorKind::Precondition, OPERATION, message)
                    .with_code("data_dir_in_use")
                    .with_hint("end it, or give another data directory"));
            }
        }
    }
}

/// The steps that were applied; none in a new database.
async fn applied_steps(connection: &DatabaseConnection) -> Result<BTreeSet<String>, DbErr> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'";
    let table = connection.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await?;
    if table.is_none() {
        return Ok(BTreeSet::new());
    }
    let sql = "SELECT version FROM seaql_migrations";
    let rows = connection.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

fn make_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn open_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
