//! Sessions, their logs, tasks and output in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::id::UserId;
use crate::session::Appended;
use crate::session::Batch;
use crate::session::Entry;
use crate::session::Happening;
use crate::session::OutputPart;
use crate::session::Seq;
use crate::session::Session;
use crate::session::SessionStore;
use crate::session::TaskFilter;
use crate::session::refusal;
use crate::task::Stream;
use crate::task::Task;
use crate::task::TaskEvent;
use crate::timestamp::Timestamp;

/// A [`SessionStore`] that holds everything in memory and forgets it when it is dropped.
///
/// For tests, and for hubs that need not survive a restart. Every operation takes effect at once
/// or not at all; none waits. Each part of output ends where the entry that brought it ends, even
/// if more is stored: whoever reads output must be ready for that.
#[derive(Debug, Default)]
pub struct MemorySessionStore {
    state: Mutex<State>,
}

impl MemorySessionStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Changes are computed before any is made, so even a panic leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionStore for MemorySessionStore {
    async fn create(&self, session: Session) -> Result<()> {
        let mut state = self.lock();
        if state.sessions.contains_key(&session.id) {
            return Err(refusal::session_exists(session.id));
        }
        state.sessions.insert(session.id, Kept { session, log: Vec::new() });
        Ok(())
    }

    async fn get(&self, id: SessionId) -> Result<Session> {
        self.lock().kept(id).map(|kept| kept.session.clone())
    }

    async fn list(&self, owner: Option<UserId>) -> Result<Vec<Session>> {
        let state = self.lock();
        let sessions = state.sessions.values().map(|kept| &kept.session);
        let fits = |session: &&Session| owner.is_none_or(|owner| session.owner == owner);
        let mut found: Vec<_> = sessions.filter(fits).cloned().collect();
        found.sort_by_key(|session| Reverse((session.created_at, session.id)));
        Ok(found)
    }

    async fn append(
        &self,
        id: SessionId,
        after: Option<Seq>,
        what: Vec<Happening>,
        now: Timestamp,
    ) -> Result<Appended> {
        self.lock().append(id, Batch { after, what, now })
    }

    async fn read(&self, id: SessionId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        let state = self.lock();
        let kept = state.kept(id)?;
        // An entry's number is its index plus one, so the one after `after` is at that index.
        let start = usize::try_from(after.0).unwrap_or(usize::MAX);
        let entries = kept.log.iter().skip(start).take(limit);
        Ok(entries.map(|entry| state.as_read_back(entry)).collect())
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Vec<Arc<Task>>> {
        let state = self.lock();
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        let newest_first = state.tasks.values().rev();
        Ok(newest_first.filter(|task| filter.fits(task)).take(limit).cloned().collect())
    }

    async fn output(
        &self,
        task: TaskId,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputPart> {
        let state = self.lock();
        let stored = state.tasks.get(&task).ok_or_else(|| refusal::task_not_found(task))?;
        let totals = stored.output.of(stream);
        let limit = limit.min(usize::try_from(totals.readable(offset)).unwrap_or(usize::MAX));
        let chunks = state.output.get(&(task, stream));
        let data = chunks.map(|chunks| part(chunks, offset, limit)).unwrap_or_default();
        Ok(OutputPart { offset, data, totals })
    }
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<SessionId, Kept>,
    tasks: BTreeMap<TaskId, Arc<Task>>,
    output: HashMap<(TaskId, Stream), Vec<Chunk>>,
}

#[derive(Debug)]
struct Kept {
    session: Session,
    log: Vec<Entry>,
}

/// Bytes of a stream; never empty, each begins where the one before ends.
#[derive(Debug)]
struct Chunk {
    offset: u64,
    data: Bytes,
}

impl State {
    fn kept(&self, id: SessionId) -> Result<&Kept> {
        self.sessions.get(&id).ok_or_else(|| refusal::session_not_found(id))
    }

    fn append(&mut self, id: SessionId, batch: Batch) -> Result<Appended> {
        let kept = self.sessions.get_mut(&id).ok_or_else(|| refusal::session_not_found(id))?;
        let head = Seq::default().plus(kept.log.len());
        let moved = batch.apply(&kept.session, head, |task| self.tasks.get(&task).cloned())?;
        if let Some(session) = moved.session {
            kept.session = session;
        }
        for entry in &moved.appended.entries {
            kept.log.push(Entry::clone(entry));
            keep_output(&mut self.output, &entry.what);
        }
        for task in &moved.appended.tasks {
            self.tasks.insert(task.id, Arc::clone(task));
            forget_output(&mut self.output, task);
        }
        Ok(moved.appended)
    }

    fn as_read_back(&self, entry: &Entry) -> Entry {
        let mut entry = entry.clone();
        if let Happening::Task { event: TaskEvent::Submitted { spec, .. }, .. } = &mut entry.what
            && spec.sealed.is_some()
        {
            Arc::make_mut(spec).sealed = None;
        }
        if let Happening::Task { task, event, data } = &mut entry.what
            && let TaskEvent::Output { stream, offset, len, .. } = event
        {
            let totals = self.tasks.get(task).map(|task| task.output.of(*stream));
            let is_kept = totals.is_some_and(|totals| totals.keeps(*offset, u64::from(*len)));
            if data.len() > Happening::INLINE_OUTPUT || !is_kept {
                *data = Bytes::new();
            }
        }
        entry
    }
}

fn keep_output(output: &mut HashMap<(TaskId, Stream), Vec<Chunk>>, what: &Happening) {
    let Happening::Task { task, event: TaskEvent::Output { stream, offset, .. }, data } = what
    else {
        return;
    };
    if !data.is_empty() {
        let chunk = Chunk { offset: *offset, data: data.clone() };
        output.entry((*task, *stream)).or_default().push(chunk);
    }
}

/// Lets go of chunks of which nothing is to be read any more.
fn forget_output(output: &mut HashMap<(TaskId, Stream), Vec<Chunk>>, task: &Task) {
    for stream in Stream::STANDARD {
        let Some(gap) = task.output.of(stream).gap() else { continue };
        let Some(chunks) = output.get_mut(&(task.id, stream)) else { continue };
        chunks.retain(|chunk| {
            chunk.offset < gap.from || chunk.offset + chunk.data.len() as u64 > gap.to
        });
    }
}

/// What the chunk around `offset` has from there on, at most `limit` bytes.
fn part(chunks: &[Chunk], offset: u64, limit: usize) -> Bytes {
    let following = chunks.partition_point(|chunk| chunk.offset <= offset);
    let Some(chunk) = following.checked_sub(1).and_then(|at| chunks.get(at)) else {
        return Bytes::new();
    };
    let skipped = usize::try_from(offset - chunk.offset).unwrap_or(usize::MAX);
    let start = skipped.min(chunk.data.len());
    let end = start.saturating_add(limit).min(chunk.data.len());
    chunk.data.slice(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        contract::session_store(async || {
            Arc::new(MemorySessionStore::new()) as Arc<dyn SessionStore>
        })
        .await;
    }
}
