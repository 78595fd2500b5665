//! Sessions as rows.

use cortex_core::Result;
use cortex_core::session::Session;
use cortex_core::timestamp::Timestamp;

use super::column;
use super::entity::session;

/// Reads a session.
pub(super) fn to_session(row: &session::Model) -> Result<Session> {
    Ok(Session {
        id: column::id(&row.id)?,
        owner: column::id(&row.owner_id)?,
        name: row.name.clone(),
        status: column::from_word("session status", &row.status)?,
        nodes: column::from_json("list of nodes", &row.nodes)?,
        created_at: Timestamp::from_millis(row.created_at),
        closed_at: column::time(row.closed_at),
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
    }
}
