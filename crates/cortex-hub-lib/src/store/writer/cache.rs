//! What the writer knows without asking the database: sessions in use and tasks that are open.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use cortex_core::Result;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::session::Seq;
use cortex_core::session::Session;
use cortex_core::task::Task;
use sea_orm::ColumnTrait as _;
use sea_orm::ConnectionTrait;
use sea_orm::EntityTrait as _;
use sea_orm::QueryFilter as _;
use sea_orm::QueryOrder as _;
use sea_orm::QuerySelect as _;

use super::known::KnownIds;
use crate::store::column;
use crate::store::entity::session;
use crate::store::entity::session_log;
use crate::store::entity::task;
use crate::store::fault::fault;
use crate::store::session_row;
use crate::store::task_row;

/// Sessions and tasks that are kept; more are dropped and read again when they are needed.
const SESSIONS: usize = 8 * 1024;
const TASKS: usize = 64 * 1024;

/// Sessions in one query.
const QUERY_IDS: usize = 500;

/// Sessions and tasks as the next append finds them.
///
/// Only what is here can be appended to: [`Cache::load`] brings in what is [`Cache::missing`]. After a
/// failed transaction the cache is thrown away.
#[derive(Debug, Default)]
pub(super) struct Cache {
    sessions: HashMap<SessionId, Kept>,
    tasks: HashMap<TaskId, Arc<Task>>,
    known: KnownIds,
}

/// A session and the end of its log.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) session: Arc<Session>,
    pub(super) head: Seq,
}

impl Cache {
    /// An empty cache of a database.
    pub(super) async fn new<C: ConnectionTrait>(connection: &C) -> Result<Self> {
        let largest = task::Entity::find()
            .select_only()
            .column(task::Column::Id)
            .order_by_desc(task::Column::Id)
            .into_tuple::<Vec<u8>>()
            .one(connection)
            .await
            .map_err(|error| fault("read database", error))?;
        let largest = largest.map(|id| column::id(&id)).transpose()?;
        let known = KnownIds::new(largest);
        Ok(Self { known, ..Self::default() })
    }

    /// Those of these sessions and tasks that are not here and may be stored.
    pub(super) fn missing(
        &self,
        sessions: HashSet<SessionId>,
        tasks: HashSet<TaskId>,
    ) -> (Vec<SessionId>, Vec<TaskId>) {
        let is_missing = |id: &SessionId| !self.sessions.contains_key(id);
        let sessions = sessions.into_iter().filter(is_missing).collect();
        let is_missing = |id: &TaskId| !self.tasks.contains_key(id) && !self.known.lacks(*id);
        (sessions, tasks.into_iter().filter(is_missing).collect())
    }

    /// Brings in what is stored of these sessions and tasks.
    pub(super) async fn load<C: ConnectionTrait>(
        &mut self,
        connection: &C,
        sessions: &[SessionId],
        tasks: &[TaskId],
    ) -> Result<()> {
        for ids in sessions.chunks(QUERY_IDS) {
            self.load_sessions(connection, ids).await?;
        }
        if !tasks.is_empty() {
            let found = task_row::find(connection, tasks).await?;
            self.tasks.extend(found.into_iter().map(|task| (task.id, task)));
        }
        Ok(())
    }

    pub(super) fn session(&self, id: SessionId) -> Option<&Kept> {
        self.sessions.get(&id)
    }

    pub(super) fn task(&self, id: TaskId) -> Option<Arc<Task>> {
        self.tasks.get(&id).cloned()
    }

    pub(super) fn put_session(&mut self, session: Arc<Session>, head: Seq) {
        self.sessions.insert(session.id, Kept { session, head });
    }

    pub(super) fn put_task(&mut self, task: &Arc<Task>) {
        self.known.add(task.id);
        self.tasks.insert(task.id, Arc::clone(task));
    }

    /// Forgets tasks that have ended, and everything where it has become too much.
    pub(super) fn trim(&mut self, ended: impl Iterator<Item = TaskId>) {
        for id in ended {
            self.tasks.remove(&id);
        }
        if self.tasks.len() > TASKS {
            self.tasks.clear();
        }
        if self.sessions.len() > SESSIONS {
            self.sessions.clear();
        }
    }

    async fn load_sessions<C: ConnectionTrait>(
        &mut self,
        connection: &C,
        ids: &[SessionId],
    ) -> Result<()> {
        let blobs: Vec<_> = ids.iter().copied().map(column::blob).collect();
        let rows = session::Entity::find()
            .filter(session::Column::Id.is_in(blobs.iter().cloned()))
            .all(connection)
            .await
            .map_err(|error| fault("find session", error))?;
        let heads: Vec<(Vec<u8>, i64)> = session_log::Entity::find()
            .select_only()
            .column(session_log::Column::SessionId)
            .column_as(session_log::Column::LastSeq.max(), "head")
            .filter(session_log::Column::SessionId.is_in(blobs))
            .group_by(session_log::Column::SessionId)
            .into_tuple()
            .all(connection)
            .await
            .map_err(|error| fault("find session", error))?;
        let heads: HashMap<_, _> = heads.into_iter().collect();
        for row in rows {
            let head = heads.get(&row.id).copied().map_or(0, column::uncount);
            self.put_session(Arc::new(session_row::to_session(&row)?), Seq(head));
        }
        Ok(())
    }
}
