//! The audit log in the database: appended by the writer, read in order.

mod refusals;
pub(super) mod row;

use std::sync::Arc;
use std::time::Instant;

use cortex_core::Result;
use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::Object;
use cortex_core::audit::Record;
use cortex_core::digest::Digest;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;
use futures::FutureExt as _;
use sea_orm::ColumnTrait as _;
use sea_orm::DatabaseConnection;
use sea_orm::EntityTrait as _;
use sea_orm::QueryFilter as _;
use sea_orm::QueryOrder as _;
use sea_orm::QuerySelect as _;
use sea_orm::QueryTrait as _;
use sea_orm::sea_query::Expr;

use self::refusals::Refusals;
use super::column;
use super::entity::audit;
use super::fault::fault;
use super::writer::Writer;
use crate::audit::Note;
use crate::audit::carrying;

const OPERATION: &str = "read audit log";

/// Records who did what. Clones share one log.
#[derive(Debug, Clone)]
pub struct AuditLog {
    reads: DatabaseConnection,
    writer: Writer,
    refusals: Arc<Refusals>,
}

/// Which records to list, newest first. The default lists all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// Only what this one did.
    pub actor: Option<Actor>,
    /// Only this.
    pub action: Option<Action>,
    /// Only what was done to this.
    pub object: Option<Object>,
    /// Only what concerns things of this user.
    pub owner: Option<UserId>,
    /// Only from this time on.
    pub since: Option<Timestamp>,
    /// Only before this time.
    pub until: Option<Timestamp>,
    /// Only records before this one: the cursor of a list.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: u64,
}

/// A stored record, with the digest of the chain up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The record.
    pub record: Record,
    /// The chain's digest with this record.
    pub digest: Digest,
}

impl AuditLog {
    pub(super) fn new(reads: DatabaseConnection, writer: Writer) -> Self {
        Self { reads, writer, refusals: Arc::default() }
    }

    /// Does `work`, and records it in the transaction of its first write.
    ///
    /// What fails is not recorded. What wrote nothing here, because it is kept elsewhere, is recorded
    /// before this returns.
    pub(crate) async fn record<T>(
        &self,
        note: Note,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (done, left) = carrying(note, work).await;
        let done = done?;
        if let Some(note) = left {
            self.append(note).await?;
        }
        Ok(done)
    }

    /// Records something that has no write of its own.
    pub(crate) async fn append(&self, note: Note) -> Result<()> {
        let (stored, _) = carrying(note, async {
            self.writer.run("append to audit log", |_| async { Ok(()) }.boxed()).await
        })
        .await;
        stored
    }

    /// Records a refusal, unless there are too many of them: then it is counted, and the next one
    /// that is recorded says how many were left out. A failure is logged: who is refused is refused.
    pub(crate) async fn refused(&self, note: Note) {
        let Some(left_out) = self.refusals.admit(Instant::now()) else { return };
        let note = match left_out {
            0 => note,
            count => note.adding(&format!("({count} more were not recorded)")),
        };
        if let Err(error) = self.append(note).await {
            tracing::warn!(%error, "a refusal could not be recorded");
        }
    }

    /// Lists the records that fit, newest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn list(&self, filter: &AuditFilter) -> Result<Vec<Record>> {
        let rows = audit::Entity::find()
            .apply_if(filter.actor, |query, actor| {
                query.filter(audit::Column::Actor.eq(actor.to_string()))
            })
            .apply_if(filter.action, |query, action| {
                query.filter(audit::Column::Action.eq(action.word()))
            })
            // Word for word the condition of the index: a bound value would not find it.
            .apply_if(filter.action.filter(|action| *action != Action::TaskSubmit), |query, _| {
                query.filter(Expr::cust("\"action\" <> 'task.submit'"))
            })
            .apply_if(filter.object, |query, object| {
                query.filter(audit::Column::Object.eq(object.to_string()))
            })
            .apply_if(filter.owner, |query, owner| {
                query.filter(audit::Column::OwnerId.eq(column::blob(owner)))
            })
            .apply_if(filter.since, |query, since| {
                query.filter(audit::Column::At.gte(since.as_millis()))
            })
            .apply_if(filter.until, |query, until| {
                query.filter(audit::Column::At.lt(until.as_millis()))
            })
            .apply_if(filter.before, |query, before| {
                query.filter(audit::Column::Seq.lt(column::count(before)))
            })
            .order_by_desc(audit::Column::Seq)
            .limit(filter.limit)
            .all(&self.reads)
            .await
            .map_err(|error| fault(OPERATION, error))?;
        rows.iter().map(row::to_record).collect()
    }

    /// Returns at most `limit` records that follow `after`, in order.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn read(&self, after: u64, limit: u64) -> Result<Vec<Link>> {
        let rows = audit::Entity::find()
            .filter(audit::Column::Seq.gt(column::count(after)))
            .order_by_asc(audit::Column::Seq)
            .limit(limit)
            .all(&self.reads)
            .await
            .map_err(|error| fault(OPERATION, error))?;
        rows.iter().map(row::to_link).collect()
    }

    /// Returns the record of a number, or the newest one.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn find(&self, seq: Option<u64>) -> Result<Option<Link>> {
        let row = audit::Entity::find()
            .apply_if(seq, |query, seq| query.filter(audit::Column::Seq.eq(column::count(seq))))
            .order_by_desc(audit::Column::Seq)
            .one(&self.reads)
            .await
            .map_err(|error| fault(OPERATION, error))?;
        row.as_ref().map(row::to_link).transpose()
    }
}
