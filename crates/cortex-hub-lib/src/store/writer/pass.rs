//! What one transaction stores, decided before the database is asked anything.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
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
use super::script::Insert;
use super::script::Script;
use crate::store::column;
use crate::store::recent::News;
use crate::store::session_row;
use crate::store::task_row;
use crate::store::task_row::INLINE_SPEC;

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
#[derive(Debug, Default)]
pub(super) struct Pass {
    sessions: HashMap<SessionId, Arc<Session>>,
    log: Vec<LogRow>,
    tasks: Vec<Arc<Task>>,
    task_at: HashMap<TaskId, usize>,
    specs: HashMap<TaskId, Vec<u8>>,
    chunks: Vec<ChunkRow>,
    news: Vec<News>,
}

#[derive(Debug)]
struct LogRow {
    session: SessionId,
    first: Seq,
    last: Seq,
    at: Timestamp,
    entries: Vec<u8>,
}

#[derive(Debug)]
struct ChunkRow {
    task: TaskId,
    stream: Stream,
    offset: u64,
    data: Bytes,
}

impl Pass {
    /// Takes a new session, or says that there is one of that id.
    pub(super) fn create(&mut self, cache: &mut Cache, session: Session) -> Result<()> {
        if cache.session(session.id).is_some() {
            return Err(refusal::session_exists(session.id));
        }
        let session = Arc::new(session);
        cache.put_session(Arc::clone(&session), Seq(0));
        let news = News { session, head: Seq(0), entries: Vec::new(), bytes: 0 };
        self.sessions.insert(news.session.id, Arc::clone(&news.session));
        self.news.push(news);
        Ok(())
    }

    /// Takes an append, or says why it does not fit; the cache is moved only where it fits.
    pub(super) fn append(&mut self, cache: &mut Cache, append: Append) -> Result<Appended> {
        let Append { session: id, batch, entries, specs, unwritten } = append;
        let now = batch.now;
        let kept = cache.session(id).ok_or_else(|| refusal::session_not_found(id))?;
        let (mut session, before) = (Arc::clone(&kept.session), kept.head);
        let moved = batch.apply(&session, before, |task| cache.task(task))?;
        if unwritten {
            let message = "output begins beyond what is stored";
            let error = Error::new(ErrorKind::Conflict, "append to session", message);
            return Err(error.with_code("output_offset"));
        }
        if moved.appended.entries.is_empty() {
            return Ok(moved.appended);
        }
        if let Some(then) = moved.session {
            session = Arc::new(then);
            self.sessions.insert(id, Arc::clone(&session));
        }
        cache.put_session(Arc::clone(&session), moved.head);
        for task in &moved.appended.tasks {
            cache.put_task(task);
            self.put_task(task);
        }
        self.specs.extend(specs);
        self.chunks.extend(moved.appended.entries.iter().filter_map(|entry| chunk(&entry.what)));
        let news = moved.appended.entries.clone();
        self.news.push(News { session, head: moved.head, entries: news, bytes: entries.len() });
        self.log.push(LogRow { session: id, first: before.plus(1), last: moved.head, at: now, entries });
        Ok(moved.appended)
    }

    /// About how many pages of the database the rows take, with those of the indexes.
    pub(super) fn pages(&self) -> usize {
        let rows = 2 * (self.sessions.len() + self.log.len() + self.tasks.len());
        let bytes = self.log.iter().map(|row| row.entries.len()).sum::<usize>()
            + self.chunks.iter().map(|row| row.data.len()).sum::<usize>();
        rows + bytes / 4096
    }

    /// Whether there is nothing to store.
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.log.is_empty()
    }

    /// Writes the rows into `script`, what is referred to first.
    pub(super) fn write(&mut self, script: &mut Script) {
        script.insert(&SESSION, self.sessions.values(), bind_session);
        script.insert(&LOG, self.log.drain(..), bind_log);
        let specs = &mut self.specs;
        let mut long = Vec::new();
        script.insert(&TASK, self.tasks.iter(), |script, task| {
            let mut spec = specs.remove(&task.id);
            if spec.as_ref().is_some_and(|spec| spec.len() > INLINE_SPEC) {
                long.extend(spec.take().map(|spec| (task.id, spec)));
            }
            bind_task(script, task, spec);
        });
        script.insert(&TASK_SPEC, long.into_iter(), |script, (task, spec)| {
            script.bind(column::blob(task));
            script.bind(spec);
        });
        script.insert(&CHUNK, self.chunks.drain(..), bind_chunk);
    }

    /// The tasks that moved, as they now are.
    pub(super) fn tasks(&self) -> &[Arc<Task>] {
        &self.tasks
    }

    /// Takes what readers are to see once it is committed.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    fn put_task(&mut self, task: &Arc<Task>) {
        let next = self.tasks.len();
        let at = *self.task_at.entry(task.id).or_insert(next);
        if at == next {
            self.tasks.push(Arc::clone(task));
        } else {
            self.tasks[at] = Arc::clone(task);
        }
    }
}

const SESSION: Insert = Insert {
    into: "INSERT INTO session (id, owner_id, name, status, nodes, created_at, closed_at)",
    columns: 7,
    then: " ON CONFLICT (id) DO UPDATE SET status = excluded.status, nodes = excluded.nodes, \
           closed_at = excluded.closed_at",
};

const LOG: Insert = Insert {
    into: "INSERT INTO session_log (session_id, last_seq, first_seq, at, entries)",
    columns: 5,
    then: "",
};

const TASK: Insert = Insert {
    into: "INSERT INTO task (id, session_id, account_id, node_id, state, is_open, created_at, \
           revision, spec, life)",
    columns: 10,
    then: " ON CONFLICT (id) DO UPDATE SET node_id = excluded.node_id, state = excluded.state, \
           is_open = excluded.is_open, revision = excluded.revision, life = excluded.life",
};

const TASK_SPEC: Insert =
    Insert { into: "INSERT INTO task_spec (task_id, spec)", columns: 2, then: "" };

const CHUNK: Insert = Insert {
    into: "INSERT INTO output_chunk (task_id, stream, position, data)",
    columns: 4,
    then: "",
};

fn bind_session(script: &mut Script, session: &Arc<Session>) {
    let row = session_row::to_row(session);
    script.bind(row.id);
    script.bind(row.owner_id);
    script.bind(row.name);
    script.bind(row.status);
    script.bind(row.nodes);
    script.bind(row.created_at);
    script.bind(row.closed_at);
}

fn bind_log(script: &mut Script, row: LogRow) {
    script.bind(column::blob(row.session));
    script.bind(column::count(row.last.0));
    script.bind(column::count(row.first.0));
    script.bind(row.at.as_millis());
    script.bind(row.entries);
}

fn bind_task(script: &mut Script, task: &Task, spec: Option<Vec<u8>>) {
    script.bind(column::blob(task.id));
    script.bind(column::blob(task.session));
    script.bind(column::blob(task.by));
    script.bind(task.node.map(column::blob));
    script.bind(task.state.word());
    script.bind(!task.state.is_end());
    script.bind(task.created_at.as_millis());
    script.bind(column::count(task.revision));
    script.bind(spec);
    script.bind(task_row::life(task));
}

fn bind_chunk(script: &mut Script, row: ChunkRow) {
    script.bind(column::blob(row.task));
    script.bind(stream_number(row.stream));
    script.bind(column::count(row.offset));
    script.bind(Vec::from(row.data));
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
