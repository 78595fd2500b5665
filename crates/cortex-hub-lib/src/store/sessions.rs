//! Sessions, their logs, tasks and output in the database and in files.

mod log;
mod lookup;
mod output;
mod segments;
mod spill;

use std::collections::HashMap;
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

use self::segments::Segments;
use self::spill::Spills;
use super::column;
use super::recent::Recent;
use super::task_row;
use super::writer::Append;
use super::writer::Writer;

/// Keeps sessions in the store's database.
///
/// Of each output stream, the first 64 KiB lie in the database and the rest in files of its own.
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
        let cuts = cuts(&append.batch.what);
        let appended = match spill::is_needed(&append.batch.what) {
            true => self.append_long(append).await?,
            false => self.writer.append(append).await?,
        };
        self.remove_cut(cuts, &appended).await;
        Ok(appended)
    }

    async fn read(&self, id: SessionId, after: Seq, limit: usize) -> Result<Vec<Entry>> {
        let mut entries = log::read(&self.reads, id, after, limit).await?;
        if entries.is_empty() && lookup::session(&self.reads, id).await?.is_none() {
            return Err(refusal::session_not_found(id));
        }
        let wanted = output::tasks_of(&entries);
        let mut tasks = self.tasks_by_id(&wanted).await?;
        loop {
            match output::fill(&self.reads, &self.spills, &mut entries, &tasks).await {
                Ok(()) => return Ok(entries),
                Err(error) => {
                    // More of it may have been left out while it was read.
                    let now = self.tasks_by_id(&wanted).await?;
                    if now
                        .iter()
                        .all(|(id, task)| tasks.get(id).is_some_and(|was| has_cut_as(was, task)))
                    {
                        return Err(error);
                    }
                    tasks = now;
                }
            }
        }
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
        let find = async || self.task(task).await?.ok_or_else(|| refusal::task_not_found(task));
        let mut found = find().await?;
        let span = output::Span { task, stream, offset };
        loop {
            let totals = found.output.of(stream);
            match output::read(&self.reads, &self.spills, &found, span, limit).await {
                Ok(data) => return Ok(OutputPart { offset, data, totals }),
                Err(error) => {
                    // More of it may have been left out while it was read.
                    let now = find().await?;
                    if has_cut_as(&found, &now) {
                        return Err(error);
                    }
                    found = now;
                }
            }
        }
    }
}

impl SqlSessionStore {
    /// Appends after the long output is safe in its files.
    async fn append_long(&self, mut append: Append) -> Result<Appended> {
        let (turns, mut long) = self.spills.take_turns(&append.batch.what).await?;
        let mut fits = true;
        for (id, stream) in turns.streams() {
            let (segments, arrived) = match self.task(id).await? {
                Some(task) => (Segments::of(&task.spec), task.output.of(stream).arrived()),
                None => (Segments::of_new(id, &append.batch.what), 0),
            };
            long.cut(id, segments);
            fits &= long.fits(id, stream, arrived);
        }
        append.unwritten = !fits;
        // The turns are held until the commit: nobody else may write to these places before.
        let turns = if fits { self.spills.write(turns, long).await? } else { turns };
        let appended = self.writer.append(append).await;
        drop(turns);
        appended
    }

    /// Removes the files of what an append has left out.
    async fn remove_cut(&self, cuts: Vec<(TaskId, Stream, u64)>, appended: &Appended) {
        for (id, stream, from) in cuts {
            let Some(task) = appended.tasks.iter().find(|task| task.id == id) else { continue };
            let Some(gap) = task.output.of(stream).gap() else { continue };
            self.spills.remove((id, stream), Segments::of(&task.spec), gap, from).await;
        }
    }

    async fn tasks_by_id(&self, ids: &[TaskId]) -> Result<HashMap<TaskId, Arc<Task>>> {
        let mut found: HashMap<_, _> =
            ids.iter().filter_map(|id| Some((*id, self.recent.task(*id)?))).collect();
        let others: Vec<_> = ids.iter().filter(|id| !found.contains_key(*id)).copied().collect();
        if !others.is_empty() {
            let others = task_row::find(&self.reads, &others).await?;
            found.extend(others.into_iter().map(|task| (task.id, task)));
        }
        Ok(found)
    }
}

/// Where output is left out: of which stream, and from where on. The first of each stream counts.
fn cuts(what: &[Happening]) -> Vec<(TaskId, Stream, u64)> {
    let mut cuts = Vec::<(TaskId, Stream, u64)>::new();
    for what in what {
        if let Happening::Task { task, event: TaskEvent::Truncated { stream, from, .. }, .. } = what
            && !cuts.iter().any(|(id, of, _)| id == task && of == stream)
        {
            cuts.push((*task, *stream, *from));
        }
    }
    cuts
}

/// Whether no more of a task's output is left out than was.
fn has_cut_as(was: &Task, now: &Task) -> bool {
    let is_same = |stream| was.output.of(stream).gap() == now.output.of(stream).gap();
    Stream::STANDARD.into_iter().all(is_same)
}

fn spec(what: &Happening) -> Option<(TaskId, Vec<u8>)> {
    match what {
        Happening::Task { task, event: TaskEvent::Submitted { spec, .. }, .. } => {
            Some((*task, column::to_json_bytes(spec)))
        }
        _ => None,
    }
}
