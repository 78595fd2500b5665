//! Idempotency keys: which task a key has asked for.

use std::time::Duration;

use cortex_core::Result;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;
use futures::FutureExt as _;
use sea_orm::ColumnTrait as _;
use sea_orm::EntityTrait as _;
use sea_orm::IntoActiveModel as _;
use sea_orm::QueryFilter as _;

use super::column;
use super::connection::WriteConnection;
use super::entity::repeat;
use super::fault::fault;
use super::writer::Writer;

/// How long a key is remembered.
const MEMORY: Duration = Duration::from_secs(24 * 3600);

const OPERATION: &str = "keep idempotency key";

/// Remembers for a day which task a key has asked for.
#[derive(Debug)]
pub struct RepeatStore {
    writer: Writer,
}

/// What a key has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// SHA-256 of what was asked for.
    pub digest: [u8; 32],
    /// The task that was or is to be made.
    pub task: TaskId,
}

impl RepeatStore {
    pub(super) fn new(writer: Writer) -> Self {
        Self { writer }
    }

    /// Stores what a key asks for, unless it has asked before; returns what is stored then.
    ///
    /// # Errors
    /// Those of the database.
    ///
    /// # Cancel safety
    /// If the future is dropped, the key may or may not be stored.
    pub async fn keep(
        &self,
        user: UserId,
        key: &str,
        digest: [u8; 32],
        task: TaskId,
        now: Timestamp,
    ) -> Result<Kept> {
        let row = repeat::Model {
            account_id: column::blob(user),
            name: key.to_owned(),
            digest: digest.to_vec(),
            task_id: column::blob(task),
            created_at: now.as_millis(),
        };
        self.writer.run(OPERATION, move |writes| keep(writes, row, now).boxed()).await
    }
}

async fn keep(writes: &WriteConnection, row: repeat::Model, now: Timestamp) -> Result<Kept> {
    let failed = |error| fault(OPERATION, error);
    repeat::Entity::delete_many()
        .filter(repeat::Column::CreatedAt.lt((now - MEMORY).as_millis()))
        .exec(writes)
        .await
        .map_err(failed)?;
    let key = (row.account_id.clone(), row.name.clone());
    let earlier = repeat::Entity::find_by_id(key).one(writes).await.map_err(failed)?;
    if let Some(earlier) = earlier {
        return to_kept(&earlier);
    }
    let kept = to_kept(&row)?;
    let inserted = repeat::Entity::insert(row.into_active_model());
    inserted.exec_without_returning(writes).await.map_err(failed)?;
    Ok(kept)
}

fn to_kept(row: &repeat::Model) -> Result<Kept> {
    Ok(Kept { digest: column::digest(&row.digest)?, task: column::id(&row.task_id)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_key_asks_for_one_task_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let (user, other) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let task = |id: u8| TaskId::from_bytes([id; 16]);
        let start = Timestamp::from_millis(0);
        let keep = async |user, digest, id, now| {
            store.repeats().keep(user, "key", [digest; 32], task(id), now).await.unwrap()
        };
        let first = Kept { digest: [7; 32], task: task(1) };
        assert_eq!(keep(user, 7, 1, start).await, first);
        assert_eq!(keep(user, 8, 2, start + MEMORY).await, first);
        assert_eq!(keep(other, 8, 2, start).await.task, task(2));
        let later = start + MEMORY + Duration::from_millis(1);
        assert_eq!(keep(user, 8, 3, later).await.task, task(3));
        store.close().await.unwrap();
    }
}
