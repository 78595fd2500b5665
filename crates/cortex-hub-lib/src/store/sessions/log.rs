//! Reading a session's log from its rows.

use cortex_core::Result;
use cortex_core::id::SessionId;
use cortex_core::session::Entry;
use cortex_core::session::Happening;
use cortex_core::session::Seq;
use cortex_core::timestamp::Timestamp;
use sea_orm::ColumnTrait as _;
use sea_orm::DatabaseConnection;
use sea_orm::EntityTrait as _;
use sea_orm::QueryFilter as _;
use sea_orm::QueryOrder as _;
use sea_orm::QuerySelect as _;

use crate::store::column;
use crate::store::entity::session_log;
use crate::store::fault::fault;

/// Rows in one query.
const ROWS: usize = 256;

/// Reads entries after `after`, without their output.
pub(super) async fn read(
    reads: &DatabaseConnection,
    id: SessionId,
    after: Seq,
    limit: usize,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut after = after;
    while entries.len() < limit {
        let rows = session_log::Entity::find()
            .filter(session_log::Column::SessionId.eq(column::blob(id)))
            .filter(session_log::Column::LastSeq.gt(column::count(after.0)))
            .order_by_asc(session_log::Column::LastSeq)
            .limit((limit - entries.len()).min(ROWS) as u64)
            .all(reads)
            .await
            .map_err(|error| fault("read session", error))?;
        let Some(last) = rows.last() else { break };
        let end = Seq(column::uncount(last.last_seq));
        for row in &rows {
            entries.extend(unpack(row)?.filter(|entry| entry.seq > after));
        }
        after = end;
    }
    entries.truncate(limit);
    Ok(entries)
}

fn unpack(row: &session_log::Model) -> Result<impl Iterator<Item = Entry>> {
    let what: Vec<Happening> = column::from_json("entry", &row.entries)?;
    let first = Seq(column::uncount(row.first_seq));
    let at = Timestamp::from_millis(row.at);
    Ok(what.into_iter().enumerate().map(move |(index, what)| Entry {
        seq: first.plus(index),
        at,
        what,
    }))
}
