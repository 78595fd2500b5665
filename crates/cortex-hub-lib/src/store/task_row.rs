//! Tasks as rows: what is looked for in columns, the rest as JSON.

use std::collections::HashMap;
use std::sync::Arc;

use cortex_core::Result;
use cortex_core::id::TaskId;
use cortex_core::task::Outcome;
use cortex_core::task::OutputTotals;
use cortex_core::task::Progress;
use cortex_core::task::PublishedFile;
use cortex_core::task::SealedSecrets;
use cortex_core::task::Task;
use cortex_core::task::TaskSpec;
use sea_orm::ColumnTrait as _;
use sea_orm::ConnectionTrait;
use sea_orm::EntityTrait as _;
use sea_orm::QueryFilter as _;
use serde::Deserialize;
use serde::Serialize;

use super::column;
use super::entity::task;
use super::entity::task_secret;
use super::entity::task_spec;
use super::fault::fault;
use super::fault::unreadable;

/// Specs up to this length lie in the task's row; it is written again with each event.
pub(super) const INLINE_SPEC: usize = 2 * 1024;

/// Identifiers in one query; the database takes some 32,000 arguments.
const QUERY_IDS: usize = 500;

/// What changes in a task's life and is not looked for.
#[derive(Debug, Serialize, Deserialize)]
struct Life {
    attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    output: OutputTotals,
    #[serde(default, skip_serializing_if = "is_none")]
    spent: u8,
    #[serde(default, skip_serializing_if = "is_nothing")]
    before: OutputTotals,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<PublishedFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_none(spent: &u8) -> bool {
    *spent == 0
}

fn is_nothing(output: &OutputTotals) -> bool {
    *output == OutputTotals::default()
}

/// The JSON of a row's `life`.
pub(super) fn life(task: &Task) -> Vec<u8> {
    column::to_json_bytes(&Life {
        attempt: task.attempt,
        pid: task.pid,
        output: task.output,
        spent: task.spent,
        before: task.before,
        files: task.files.clone(),
        progress: task.progress.clone(),
        outcome: task.outcome.clone(),
        started_at: column::millis(task.started_at),
        ended_at: column::millis(task.ended_at),
    })
}

/// Reads those of the tasks that are stored.
pub(super) async fn find<C: ConnectionTrait>(
    connection: &C,
    ids: &[TaskId],
) -> Result<Vec<Arc<Task>>> {
    let mut found = Vec::new();
    for ids in ids.chunks(QUERY_IDS) {
        let ids = ids.iter().copied().map(column::blob);
        let rows = task::Entity::find().filter(task::Column::Id.is_in(ids)).all(connection).await;
        let rows = rows.map_err(|error| fault("find task", error))?;
        found.extend(complete(connection, rows).await?);
    }
    Ok(found)
}

/// Makes tasks of rows, in their order; fetches the specs that lie elsewhere.
pub(super) async fn complete<C: ConnectionTrait>(
    connection: &C,
    rows: Vec<task::Model>,
) -> Result<Vec<Arc<Task>>> {
    let apart = rows.iter().filter(|row| row.spec.is_none()).map(|row| row.id.clone());
    let apart: Vec<_> = apart.collect();
    let mut specs = HashMap::new();
    for ids in apart.chunks(QUERY_IDS) {
        let long = task_spec::Column::TaskId.is_in(ids.iter().cloned());
        let long = task_spec::Entity::find().filter(long).all(connection).await;
        let long = long.map_err(|error| fault("find task", error))?;
        specs.extend(long.into_iter().map(|row| (row.task_id, row.spec)));
    }
    let complete = |mut row: task::Model| {
        let spec = row.spec.take().or_else(|| specs.remove(&row.id));
        let spec = spec.ok_or_else(|| unreadable("task", "its spec is missing"))?;
        to_task(&row, &spec)
    };
    let mut tasks: Vec<Task> = rows.into_iter().map(complete).collect::<Result<_>>()?;
    add_secrets(connection, &mut tasks).await?;
    Ok(tasks.into_iter().map(Arc::new).collect())
}

/// Gives tasks that have not ended their sealed secrets.
async fn add_secrets<C: ConnectionTrait>(connection: &C, tasks: &mut [Task]) -> Result<()> {
    let has_secrets = |task: &&mut Task| !task.state.is_end() && !task.spec.secrets.is_empty();
    let mut with: Vec<&mut Task> = tasks.iter_mut().filter(has_secrets).collect();
    for tasks in with.chunks_mut(QUERY_IDS) {
        let ids = tasks.iter().map(|task| column::blob(task.id));
        let sealed = task_secret::Entity::find().filter(task_secret::Column::TaskId.is_in(ids));
        let sealed = sealed.all(connection).await.map_err(|error| fault("find task", error))?;
        let mut sealed: HashMap<_, _> =
            sealed.into_iter().map(|row| (row.task_id, SealedSecrets(row.sealed.into()))).collect();
        for task in tasks {
            let sealed = sealed.remove(&column::blob(task.id));
            Arc::make_mut(&mut task.spec).sealed = sealed;
        }
    }
    Ok(())
}

fn to_task(row: &task::Model, spec: &[u8]) -> Result<Task> {
    let life: Life = column::from_json("task", &row.life)?;
    let spec: TaskSpec = column::from_json("task spec", spec)?;
    Ok(Task {
        id: column::id(&row.id)?,
        session: column::id(&row.session_id)?,
        by: column::id(&row.account_id)?,
        spec: Arc::new(spec),
        state: column::from_word("task state", &row.state)?,
        revision: column::uncount(row.revision),
        attempt: life.attempt,
        node: row.node_id.as_deref().map(column::id).transpose()?,
        pid: life.pid,
        output: life.output,
        spent: life.spent,
        before: life.before,
        files: life.files,
        progress: life.progress,
        outcome: life.outcome,
        created_at: cortex_core::timestamp::Timestamp::from_millis(row.created_at),
        started_at: column::time(life.started_at),
        ended_at: column::time(life.ended_at),
    })
}
