//! Reading output, from rows and from files.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use bytes::BytesMut;
use cortex_core::Result;
use cortex_core::id::TaskId;
use cortex_core::session::Entry;
use cortex_core::session::Happening;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use sea_orm::ColumnTrait as _;
use sea_orm::Condition;
use sea_orm::DatabaseConnection;
use sea_orm::EntityTrait as _;
use sea_orm::QueryFilter as _;
use sea_orm::QueryOrder as _;
use sea_orm::QuerySelect as _;

use super::segments::Segments;
use super::spill::Spills;
use crate::store::column;
use crate::store::entity::output_chunk;
use crate::store::fault::fault;
use crate::store::fault::unreadable;
use crate::store::writer::INLINE_STREAM;
use crate::store::writer::is_inline;
use crate::store::writer::stream_number;

/// The most that one call reads, in bytes.
const LARGEST_PART: usize = 1 << 20;

/// Rows that one call reads.
const ROWS: u64 = 1024;

/// Pieces that one query asks for.
const QUERY_PIECES: usize = 100;

/// Where output begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Span {
    pub(super) task: TaskId,
    pub(super) stream: Stream,
    pub(super) offset: u64,
}

/// Reads at most `limit` bytes of a task's output from `span` on.
pub(super) async fn read(
    reads: &DatabaseConnection,
    spills: &Spills,
    task: &Task,
    span: Span,
    limit: usize,
) -> Result<Bytes> {
    let left = task.output.of(span.stream).readable(span.offset);
    let limit = limit.min(LARGEST_PART).min(usize::try_from(left).unwrap_or(usize::MAX));
    if limit == 0 {
        return Ok(Bytes::new());
    }
    if span.offset < INLINE_STREAM {
        let data = read_rows(reads, span, limit).await?;
        if !data.is_empty() {
            return Ok(data);
        }
    }
    let (key, segments) = ((span.task, span.stream), Segments::of(&task.spec));
    let mut read = spills.read(key, segments, vec![(span.offset, limit)]).await?;
    Ok(read.pop().unwrap_or_default())
}

/// The tasks whose output belongs into entries.
pub(super) fn tasks_of(entries: &[Entry]) -> Vec<TaskId> {
    let wanted: BTreeSet<_> =
        entries.iter().filter_map(short_output).map(|(span, _)| span.task).collect();
    wanted.into_iter().collect()
}

/// Gives entries that were read from the log the output that belongs into them and is not left out
/// since; `tasks` has those of [`tasks_of`].
pub(super) async fn fill(
    reads: &DatabaseConnection,
    spills: &Spills,
    entries: &mut [Entry],
    tasks: &HashMap<TaskId, Arc<Task>>,
) -> Result<()> {
    let kept_output = |entry: &Entry| {
        short_output(entry).filter(|(span, len)| {
            let totals = tasks.get(&span.task).map(|task| task.output.of(span.stream));
            totals.is_some_and(|totals| totals.keeps(span.offset, *len as u64))
        })
    };
    let mut rows = HashMap::new();
    let wanted: Vec<_> = entries.iter().filter_map(kept_output).collect();
    let in_rows: Vec<_> =
        wanted.iter().filter(|(span, len)| is_inline(span.offset, *len)).collect();
    for spans in in_rows.chunks(QUERY_PIECES) {
        let spans = spans.iter().map(|(span, _)| span);
        let any = spans.fold(Condition::any(), |any, span| {
            any.add(
                of_stream(*span).add(output_chunk::Column::Position.eq(column::count(span.offset))),
            )
        });
        let found = output_chunk::Entity::find().filter(any).all(reads).await;
        for row in found.map_err(|error| fault("read output", error))? {
            rows.insert((row.task_id, row.stream, row.position), Bytes::from(row.data));
        }
    }
    let mut in_files = BTreeMap::<(TaskId, Stream), Vec<(u64, usize)>>::new();
    for (span, len) in wanted.iter().filter(|(span, len)| !is_inline(span.offset, *len)) {
        in_files.entry((span.task, span.stream)).or_default().push((span.offset, *len));
    }
    for (key, spans) in in_files {
        let Some(segments) = tasks.get(&key.0).map(|task| Segments::of(&task.spec)) else {
            continue;
        };
        let data = spills.read(key, segments, spans.clone()).await?;
        for ((offset, _), data) in spans.into_iter().zip(data) {
            let key = (column::blob(key.0), stream_number(key.1), column::count(offset));
            rows.insert(key, data);
        }
    }
    for entry in entries {
        let Some((span, len)) = kept_output(entry) else { continue };
        let key = (column::blob(span.task), stream_number(span.stream), column::count(span.offset));
        let found = rows.remove(&key).filter(|data| data.len() == len);
        let found = found.ok_or_else(|| unreadable("entry", "its output is missing"))?;
        if let Happening::Task { data, .. } = &mut entry.what {
            *data = found;
        }
    }
    Ok(())
}

/// Where an entry's output lies, and its length, if the entry is to be read with it.
fn short_output(entry: &Entry) -> Option<(Span, usize)> {
    let Happening::Task { task, event: TaskEvent::Output { stream, offset, len, .. }, .. } =
        &entry.what
    else {
        return None;
    };
    let len = usize::try_from(*len).ok()?;
    let is_short = (1..=Happening::INLINE_OUTPUT).contains(&len);
    is_short.then_some((Span { task: *task, stream: *stream, offset: *offset }, len))
}

fn of_stream(span: Span) -> Condition {
    Condition::all()
        .add(output_chunk::Column::TaskId.eq(column::blob(span.task)))
        .add(output_chunk::Column::Stream.eq(stream_number(span.stream)))
}

/// Reads what the rows have from `span` on; nothing if its bytes lie in a file.
async fn read_rows(reads: &DatabaseConnection, span: Span, limit: usize) -> Result<Bytes> {
    let offset = column::count(span.offset);
    let first = output_chunk::Entity::find()
        .filter(of_stream(span).add(output_chunk::Column::Position.lte(offset)))
        .order_by_desc(output_chunk::Column::Position)
        .limit(1)
        .one(reads)
        .await
        .map_err(|error| fault("read output", error))?;
    let Some(first) = first else { return Ok(Bytes::new()) };
    let skipped = usize::try_from(offset - first.position).unwrap_or(usize::MAX);
    if skipped >= first.data.len() {
        return Ok(Bytes::new());
    }
    let mut data = Bytes::from(first.data).slice(skipped..);
    if data.len() >= limit {
        data.truncate(limit);
        return Ok(data);
    }
    let end = offset.saturating_add(column::count(limit as u64));
    let rest = output_chunk::Entity::find()
        .filter(of_stream(span).add(output_chunk::Column::Position.gt(first.position)))
        .filter(output_chunk::Column::Position.lt(end))
        .order_by_asc(output_chunk::Column::Position)
        .limit(ROWS)
        .all(reads)
        .await
        .map_err(|error| fault("read output", error))?;
    let mut all = BytesMut::from(data);
    for row in rest {
        all.extend_from_slice(&row.data);
    }
    all.truncate(limit);
    Ok(all.freeze())
}
