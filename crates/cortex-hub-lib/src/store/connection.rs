//! A connection of the writer, on which sea-orm's queries run.

use sea_orm::ConnectionTrait;
use sea_orm::DbBackend;
use sea_orm::DbErr;
use sea_orm::ExecResult;
use sea_orm::QueryResult;
use sea_orm::RuntimeErr;
use sea_orm::Statement;
use sea_orm::Value;
use sea_orm::Values;
use sea_orm::sqlx;
use sea_orm::sqlx::Arguments as _;
use sea_orm::sqlx::AssertSqlSafe;
use sea_orm::sqlx::Connection as _;
use sea_orm::sqlx::Executor as _;
use sea_orm::sqlx::SqliteConnection;
use sea_orm::sqlx::sqlite::SqliteArguments;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::Mutex;

/// A connection of its own, outside of every pool, on which sea-orm's queries run.
///
/// A job's transaction is a matter of its connection alone: no pool may lend it to somebody else
/// in between.
pub(super) struct WriteConnection {
    /// The writer is the only one who locks; the lock is there because sea-orm shares connections.
    inner: Mutex<SqliteConnection>,
}

impl WriteConnection {
    /// Opens the database.
    pub(super) async fn open(options: &SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let inner = SqliteConnection::connect_with(options).await?;
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// Runs a fixed text that has no arguments.
    pub(super) async fn command(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        let mut connection = self.inner.lock().await;
        connection.execute(sql).await.map(drop)
    }

    /// Closes the connection.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        self.inner.into_inner().close().await
    }
}

impl std::fmt::Debug for WriteConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteConnection").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for WriteConnection {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let arguments = arguments(statement.values)?;
        let mut connection = self.inner.lock().await;
        let query = sqlx::query_with(AssertSqlSafe(statement.sql), arguments);
        let result = query.execute(&mut *connection).await;
        result
            .map(ExecResult::from)
            .map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut connection = self.inner.lock().await;
        let result = connection.execute(AssertSqlSafe(sql)).await;
        result
            .map(ExecResult::from)
            .map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let arguments = arguments(statement.values)?;
        let mut connection = self.inner.lock().await;
        let query = sqlx::query_with(AssertSqlSafe(statement.sql), arguments);
        let row = query.fetch_optional(&mut *connection).await.map_err(query_error)?;
        Ok(row.map(QueryResult::from))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let arguments = arguments(statement.values)?;
        let mut connection = self.inner.lock().await;
        let query = sqlx::query_with(AssertSqlSafe(statement.sql), arguments);
        let rows = query.fetch_all(&mut *connection).await.map_err(query_error)?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// Arguments as the layer below wants them; our tables have only these types.
fn arguments(values: Option<Values>) -> Result<SqliteArguments, DbErr> {
    let mut arguments = SqliteArguments::default();
    for value in values.into_iter().flat_map(|values| values.0) {
        let added = match value {
            Value::Bool(value) => arguments.add(value),
            Value::Int(value) => arguments.add(value),
            Value::BigInt(value) => arguments.add(value),
            Value::BigUnsigned(value) => arguments.add(value.map(super::column::count)),
            Value::String(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            other => return Err(DbErr::Type(format!("no column takes {other:?}"))),
        };
        added.map_err(|error| DbErr::Type(error.to_string()))?;
    }
    Ok(arguments)
}
