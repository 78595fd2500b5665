//! Sessions, their logs, tasks and output in the database and in files.

mod log;
mod lookup;
mod output;
mod spill;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use cortex_core::Result;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::session::Appended;
use cortex_core::session::Batch;
use cortex_core::session::Entry;
use cortex_core::session::Happening;
use cortex_core::session::OutputPart;
use cortex_core::session::Seq;
use cortex_core::session::Session;
use cortex_core::session::SessionStore;
use cortex_core::session::TaskFilter;
use cortex_core::session::refusal;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use cortex_core::timestamp::Timestamp;
use sea_orm::DatabaseConnection;

use self::spill::Spills;
use super::column;
use super::recent::Recent;
use super::task_row;
use super::writer::Append;
use super::writer::Writer;

/// Keeps sessions in the store's database.
///
/// Of each output stream, the first 64 KiB lie
/// in the database and the rest in a file of its own.
#[derive(Debug)]
pub struct SqlSessionStore {
    reads: DatabaseConnection,
    writer: Writer,
    recent: Arc<Recent>,
    spills: Spills,
}

impl SqlSessionStore {
    pub(super) fn new(
        reads: DatabaseConnection,
        writer: Writer,
        recent: Arc<Recent>,
        output: PathBuf,
    ) -> Self {
        Self { reads, writer, recent, spills: Spills::new(output) }
    }

    /// A stored task.
    async fn task(&self, id: TaskId) -> Result<Option<Arc<Task>>> {
        if let Some(task) = self.recent.task(id) {
            return Ok(Some(task));
        }
        Ok(task_row::find(&self.reads, &[id]).await?.pop())
    }
}

#[async_trait]
impl SessionStore for SqlSessionStore {
    async fn create(&self, session: Session) -> Result<()> {
        self.writer.create(session).await
    }

    async fn get(&self, id: SessionId) -> Result<Session> {
        if let Some(session) = self.recent.session(id) {
            return Ok(Session::clone(&session));
        }
        let stored = lookup::session(&self.reads, id).await?;
        stored.ok_or_else(|| refusal::session_not_found(id))
    }

    async fn list(&self, owner: Option<UserId>) -> Result<Vec<Session>> {
        lookup::sessions(&self.reads, owner).await
    }

    async fn append(
        &self,
        id: SessionId,
        after: Option<Seq>,
        what: Vec<Happening>,
        now: Timestamp,
    ) -> Result<Appended> {
        let entries = column::to_json_bytes(&what);
        let specs = what.iter().filter_map(spec).collect();
        let batch = Batch { after, what, now };
        let append = Append { session: id, batch, entries, specs, note: None, unwritten: false };
        if !spill::is_needed(&append.batch.what) {
            return self.writer.append(append).await;
        }
        self.append_long(append).await
    }

    async fn read(&self, id: SessionId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        let mut entries = log::read(&self.reads, id, after, limit).await?;
        if entries.is_empty() && lookup::session(&self.reads, id).await?.is_none() {
            return Err(refusal::session_not_found(id));
        }
        output::fill(&self.reads, &self.spills, &mut entries).await?;
        Ok(entries)
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Vec<Arc<Task>>> {
        match filter.id {
            Some(id) => {
                Ok(self.task(id).await?.filter(|task| filter.fits(task)).into_iter().collect())
            }
            None => lookup::tasks(&self.reads, &filter).await,
        }
    }

    async fn output(
        &self,
        task: TaskId,
        stream: Stream,
        offset: u64,
        limit: usize,
    ) -> Result<OutputPart> {
        let stored = self.task(task).await?.ok_or_else(|| refusal::task_not_found(task))?;
        let stored = stored.output.of(stream).stored;
        let span = output::Span { task, stream, offset };
        let data = output::read(&self.reads, &self.spills, span, limit, stored).await?;
        Ok(OutputPart { offset, data, stored })
    }
}

impl SqlSessionStore {
    /// Appends after the long output is safe in its files.
    async fn append_long(&self, mut append: Append) -> Result<Appended> {
        let (turns, long) = self.spills.take_turns(&append.batch.what).await?;
        let mut fits = true;
        for (task, stream) in turns.streams() {
            let stored = self.task(task).await?.map_or(0, |task| task.output.of(stream).stored);
            fits &= long.fits(task, stream, stored);
        }
        append.unwritten = !fits;
        // The turns are held until the commit: nobody else may write to these places before.
        let turns = if fits { self.spills.write(turns, long).await? } else { turns };
        let appended = self.writer.append(append).await;
        drop(turns);
        appended
    }
}

fn spec(what: &Happening) -> Option<(TaskId, Vec<u8>)> {
    match what {
        Happening::Task { task, event: TaskEvent::Submitted { spec, .. }, .. } => {
            Some((*task, column::to_json_bytes(spec)))
        }
        _ => None,
    }
}
