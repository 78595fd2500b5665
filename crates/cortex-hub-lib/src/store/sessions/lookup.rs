//! Finding sessions and tasks in the database.

use std::sync::Arc;

use cortex_core::Result;
use cortex_core::id::SessionId;
use cortex_core::id::UserId;
use cortex_core::session::Session;
use cortex_core::session::TaskFilter;
use cortex_core::task::Task;
use sea_orm::ColumnTrait as _;
use sea_orm::DatabaseConnection;
use sea_orm::EntityTrait as _;
use sea_orm::QueryFilter as _;
use sea_orm::QueryOrder as _;
use sea_orm::QuerySelect as _;
use sea_orm::QueryTrait as _;
use sea_orm::sea_query::Expr;

use crate::store::column;
use crate::store::entity::session;
use crate::store::entity::task;
use crate::store::fault::fault;
use crate::store::session_row;
use crate::store::task_row;

/// Reads a session.
pub(super) async fn session(reads: &DatabaseConnection, id: SessionId) -> Result<Option<Session>> {
    let row = session::Entity::find_by_id(column::blob(id)).one(reads).await;
    let row = row.map_err(|error| fault("find session", error))?;
    row.as_ref().map(session_row::to_session).transpose()
}

/// Reads the sessions of `owner`, or all, newest first.
pub(super) async fn sessions(
    reads: &DatabaseConnection,
    owner: Option<UserId>,
) -> Result<Vec<Session>> {
    let rows = session::Entity::find()
        .apply_if(owner, |query, owner| {
            query.filter(session::Column::OwnerId.eq(column::blob(owner)))
        })
        .order_by_desc(session::Column::CreatedAt)
        .order_by_desc(session::Column::Id)
        .all(reads)
        .await
        .map_err(|error| fault("list sessions", error))?;
    rows.iter().map(session_row::to_session).collect()
}

/// Reads the tasks that fit, newest first.
pub(super) async fn tasks(
    reads: &DatabaseConnection,
    filter: &TaskFilter,
) -> Result<Vec<Arc<Task>>> {
    let limit = (filter.limit > 0).then_some(filter.limit as u64);
    let rows = task::Entity::find()
        .apply_if(filter.id, |query, id| query.filter(task::Column::Id.eq(column::blob(id))))
        .apply_if(filter.session, |query, id| {
            query.filter(task::Column::SessionId.eq(column::blob(id)))
        })
        .apply_if(filter.by, |query, id| query.filter(task::Column::AccountId.eq(column::blob(id))))
        .apply_if(filter.node, |query, id| query.filter(task::Column::NodeId.eq(column::blob(id))))
        // Word for word the condition of the index: a bound value would not find it.
        .apply_if(filter.open.then_some(()), |query, ()| {
            query.filter(Expr::cust("\"is_open\" = TRUE"))
        })
        .apply_if(filter.before, |query, id| query.filter(task::Column::Id.lt(column::blob(id))))
        .order_by_desc(task::Column::Id)
        .apply_if(limit, |query, limit| query.limit(limit))
        .all(reads)
        .await
        .map_err(|error| fault("list tasks", error))?;
    task_row::complete(reads, rows).await
}
