//! Records as rows.

use std::fmt::Display;
use std::str::FromStr;

use cortex_core::Result;
use cortex_core::audit::Outcome;
use cortex_core::audit::Record;
use cortex_core::chain::Head;
use cortex_core::digest::Digest;
use cortex_core::timestamp::Timestamp;

use super::Link;
use crate::store::column;
use crate::store::entity::audit;
use crate::store::fault::unreadable;

/// The row of a record; `head` is the chain with it.
pub(in crate::store) fn to_row(record: &Record, head: Head) -> audit::Model {
    audit::Model {
        seq: column::count(record.seq),
        at: record.at.as_millis(),
        actor: record.actor.to_string(),
        action: record.action.word().to_owned(),
        object: record.object.to_string(),
        outcome: record.outcome.word().to_owned(),
        detail: record.detail.clone(),
        digest: head.digest.as_bytes().to_vec(),
        credential: record.credential.map(column::blob),
        address: record.address.map(|address| address.to_string()),
        owner_id: record.owner.map(column::blob),
    }
}

pub(super) fn to_link(row: &audit::Model) -> Result<Link> {
    let digest = Digest::from_bytes(column::digest(&row.digest)?);
    Ok(Link { record: to_record(row)?, digest })
}

pub(super) fn to_record(row: &audit::Model) -> Result<Record> {
    let outcome = Outcome::from_word(&row.outcome);
    Ok(Record {
        seq: column::uncount(row.seq),
        at: Timestamp::from_millis(row.at),
        actor: read(&row.actor)?,
        credential: row.credential.as_deref().map(column::id).transpose()?,
        address: row.address.as_deref().map(read).transpose()?,
        action: read(&row.action)?,
        object: read(&row.object)?,
        owner: row.owner_id.as_deref().map(column::id).transpose()?,
        outcome: outcome.ok_or_else(|| unreadable("record", "its outcome has no such word"))?,
        detail: row.detail.clone(),
    })
}

fn read<T: FromStr<Err: Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error| unreadable("record", error))
}
