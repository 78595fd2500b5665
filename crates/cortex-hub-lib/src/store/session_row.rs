//! Sessions as rows.

use cortex_core::Result;
use cortex_core::chain::Head;
use cortex_core::digest::Digest;
use cortex_core::receipt;
use cortex_core::session::Session;
use cortex_core::timestamp::Timestamp;

use super::column;
use super::entity::session;

/// Reads a session.
pub(super) fn to_session(row: &session::Model) -> Result<Session> {
    let id = column::id(&row.id)?;
    let receipts = match &row.receipts_head {
        Some(head) => {
            let digest = Digest::from_bytes(column::digest(head)?);
            Head { count: column::uncount(row.receipts), digest }
        }
        None => receipt::chain_of(id),
    };
    Ok(Session {
        id,
        owner: column::id(&row.owner_id)?,
        name: row.name.clone(),
        status: column::from_word("session status", &row.status)?,
        nodes: column::from_json("list of nodes", &row.nodes)?,
        created_at: Timestamp::from_millis(row.created_at),
        closed_at: column::time(row.closed_at),
        receipts,
    })
}

/// The row of a session.
pub(super) fn to_row(session: &Session) -> session::Model {
    session::Model {
        id: column::blob(session.id),
        owner_id: column::blob(session.owner),
        name: session.name.clone(),
        status: column::to_word(&session.status),
        nodes: column::to_json(&session.nodes),
        created_at: session.created_at.as_millis(),
        closed_at: column::millis(session.closed_at),
        receipts: column::count(session.receipts.count),
        receipts_head: Some(session.receipts.digest.as_bytes().to_vec()),
    }
}
