//! What one transaction stores, decided before the database is asked anything.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::audit::Record;
use cortex_core::chain::Head;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::session::Appended;
use cortex_core::session::Batch;
use cortex_core::session::Happening;
use cortex_core::session::Seq;
use cortex_core::session::Session;
use cortex_core::session::refusal;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use cortex_core::timestamp::Timestamp;

use super::cache::Cache;
use crate::audit::Note;

/// Bytes of each stream that lie in the database; what does not fit below lies in a file.
pub(crate) const INLINE_STREAM: u64 = 64 * 1024;

/// Whether output at `offset` lies in the database.
pub(crate) fn is_inline(offset: u64, len: usize) -> bool {
    offset.saturating_add(len as u64) <= INLINE_STREAM
}

/// The number under which a stream is stored.
pub(crate) fn stream_number(stream: Stream) -> i32 {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
        Stream::Files => 2,
    }
}

/// An append, with what its caller prepared.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) session: SessionId,
    pub(crate) batch: Batch,
    /// JSON of what happens.
    pub(crate) entries: Vec<u8>,
    /// JSON of the specs of the tasks that it submits.
    pub(crate) specs: Vec<(TaskId, Vec<u8>)>,
    /// What is recorded with it.
    pub(crate) note: Option<Note>,
    /// Its long output is not in its file, because it did not fit what was stored then.
    pub(crate) unwritten: bool,
}

impl Append {
    /// What it takes in memory, roughly.
    pub(super) fn size(&self) -> usize {
        let data = |what: &Happening| match what {
            Happening::Task { data, .. } => data.len(),
            _ => 0,
        };
        256 + self.entries.len() + self.batch.what.iter().map(data).sum::<usize>()
    }
}

/// Rows of one transaction, each session and task once.
#[derive(Debug)]
pub(super) struct Pass {
    /// The audit log's chain, with the records of this pass.
    chain: Head,
    records: Vec<(Record, Head)>,
    sessions: HashMap<SessionId, Arc<Session>>,
    log: Vec<LogRow>,
    moves: Vec<TaskMove>,
    move_of: HashMap<TaskId, usize>,
    chunks: Vec<ChunkRow>,
}

/// What one append adds to a log.
#[derive(Debug)]
pub(super) struct LogRow {
    pub(super) session: SessionId,
    pub(super) first: Seq,
    pub(super) last: Seq,
    pub(super) at: Timestamp,
    pub(super) entries: Vec<u8>,
}

/// A task as it is to be stored.
#[derive(Debug)]
pub(super) struct TaskMove {
    pub(super) task: Arc<Task>,
    /// JSON of the spec of a task that is not stored yet.
    pub(super) spec: Option<Vec<u8>>,
    /// Its node is another than the stored one.
    pub(super) is_elsewhere: bool,
}

/// Output that lies in the database.
#[derive(Debug)]
pub(super) struct ChunkRow {
    pub(super) task: TaskId,
    pub(super) stream: Stream,
    pub(super) offset: u64,
    pub(super) data: Bytes,
}

impl Pass {
    /// An empty pass; the audit log's chain ends with `chain`.
    pub(super) fn new(chain: Head) -> Self {
        Self {
            chain,
            records: Vec::new(),
            sessions: HashMap::new(),
            log: Vec::new(),
            moves: Vec::new(),
            move_of: HashMap::new(),
            chunks: Vec::new(),
        }
    }

    /// Takes a new session, or says that there is one of that id.
    pub(super) fn create(
        &mut self,
        cache: &mut Cache,
        session: Session,
        note: Option<Note>,
    ) -> Result<()> {
        if cache.session(session.id).is_some() {
            return Err(refusal::session_exists(session.id));
        }
        let session = Arc::new(session);
        cache.put_session(Arc::clone(&session), Seq(0));
        self.sessions.insert(session.id, session);
        self.record(note);
        Ok(())
    }

    /// Takes an append, or says why it does not fit; the cache is moved only where it fits.
    pub(super) fn append(&mut self, cache: &mut Cache, append: Append) -> Result<Appended> {
        let Append { session: id, batch, entries, specs, note, unwritten } = append;
        let now = batch.now;
        let kept = cache.session(id).ok_or_else(|| refusal::session_not_found(id))?;
        let (mut session, before) = (Arc::clone(&kept.session), kept.head);
        let moved = batch.apply(&session, before, |task| cache.task(task))?;
        if unwritten {
            let message = "output begins beyond what is stored";
            let error = Error::new(ErrorKind::Conflict, "append to session", message);
            return Err(error.with_code("output_offset"));
        }
        self.record(note);
        if moved.appended.entries.is_empty() {
            return Ok(moved.appended);
        }
        if let Some(then) = moved.session {
            session = Arc::new(then);
            self.sessions.insert(id, Arc::clone(&session));
        }
        cache.put_session(Arc::clone(&session), moved.head);
        for task in &moved.appended.tasks {
            self.put_task(task, cache.task(task.id).as_deref());
            cache.put_task(task);
        }
        for (task, spec) in specs {
            let at = self.move_of.get(&task).copied();
            let submitted = at.and_then(|at| self.moves.get_mut(at));
            submitted.expect("a submitted task has moved").spec = Some(spec);
        }
        self.chunks.extend(moved.appended.entries.iter().filter_map(|entry| chunk(&entry.what)));
        let (first, last) = (before.plus(1), moved.head);
        self.log.push(LogRow { session: id, first, last, at: now, entries });
        Ok(moved.appended)
    }

    /// About how many pages of the database the rows take, with those of the indexes.
    pub(super) fn pages(&self) -> usize {
        let rows =
            2 * (self.sessions.len() + self.log.len() + self.moves.len() + self.records.len());
        let bytes = self.log.iter().map(|row| row.entries.len()).sum::<usize>()
            + self.chunks.iter().map(|row| row.data.len()).sum::<usize>();
        rows + bytes / 4096
    }

    /// Whether there is nothing to store.
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.log.is_empty() && self.records.is_empty()
    }

    /// The audit log's chain as it then is.
    pub(super) fn chain(&self) -> Head {
        self.chain
    }

    /// What is recorded, each with the chain up to it.
    pub(super) fn records(&self) -> impl Iterator<Item = &(Record, Head)> {
        self.records.iter()
    }

    /// The sessions that changed, as they now are.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions.values()
    }

    /// What the appends add to logs, in their order.
    pub(super) fn log(&self) -> impl Iterator<Item = &LogRow> {
        self.log.iter()
    }

    /// The tasks that moved, as they now are.
    pub(super) fn task_moves(&self) -> impl Iterator<Item = &TaskMove> {
        self.moves.iter()
    }

    /// Output for the database.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &ChunkRow> {
        self.chunks.iter()
    }

    fn record(&mut self, note: Option<Note>) {
        let Some(note) = note else { return };
        for record in note.numbered(self.chain.count + 1) {
            self.chain = record.extend(self.chain);
            self.records.push((record, self.chain));
        }
    }

    /// Takes a task as it now is; `before` is how it was until now.
    fn put_task(&mut self, task: &Arc<Task>, before: Option<&Task>) {
        let is_elsewhere = before.is_some_and(|before| before.node != task.node);
        let next = self.moves.len();
        let at = *self.move_of.entry(task.id).or_insert(next);
        match self.moves.get_mut(at) {
            Some(earlier) => {
                earlier.task = Arc::clone(task);
                earlier.is_elsewhere |= is_elsewhere;
            }
            None => {
                self.moves.push(TaskMove { task: Arc::clone(task), spec: None, is_elsewhere });
            }
        }
    }
}

fn chunk(what: &Happening) -> Option<ChunkRow> {
    let Happening::Task { task, event: TaskEvent::Output { stream, offset, .. }, data } = what
    else {
        return None;
    };
    let is_stored_here = !data.is_empty() && is_inline(*offset, data.len());
    is_stored_here.then(|| ChunkRow {
        task: *task,
        stream: *stream,
        offset: *offset,
        data: data.clone(),
    })
}
