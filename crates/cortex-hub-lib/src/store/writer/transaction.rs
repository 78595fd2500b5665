//! One round of the writer: loads what it needs, decides, stores, publishes, answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::audit;
use cortex_core::chain::Head;
use cortex_core::digest::Digest;
use cortex_core::id::HubId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::session::Appended;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Job;
use super::Request;
use super::cache::Cache;
use super::jobs;
use super::pass::Pass;
use super::repeat;
use super::rows::RowWriter;
use crate::store::column;
use crate::store::connection::WriteConnection;
use crate::store::fault::row_fault;
use crate::store::place::Place;
use crate::store::recent::Recent;

/// Whose an audit log is of which nobody has said it.
const NO_HUB: HubId = HubId::from_bytes([0; 16]);

/// Pages that a job writes, by estimate.
const PAGES_PER_JOB: usize = 4;

/// Runs batches of requests: appends in one transaction, jobs in another one before it.
pub(super) struct Transactions {
    rows: RowWriter,
    connection: WriteConnection,
    place: Place,
    /// Where the futures of jobs and of look-ups run, while this thread waits.
    runtime: Handle,
    /// Absent after a failed transaction: nobody knows then what is stored.
    cache: Option<Cache>,
    /// The end of the audit log's chain; absent where nobody knows what is stored.
    chain: Option<Head>,
    hub: Arc<OnceLock<HubId>>,
    recent: Arc<Recent>,
    commits: Arc<AtomicU64>,
}

/// An answer that is held back until the transaction is over.
enum Held {
    Append(oneshot::Sender<Result<Appended>>, Result<Appended>),
    Create(oneshot::Sender<Result<()>>, Result<()>),
}

impl Transactions {
    pub(super) fn new(
        rows: RowWriter,
        connection: WriteConnection,
        place: Place,
        runtime: Handle,
        recent: Arc<Recent>,
        commits: Arc<AtomicU64>,
        hub: Arc<OnceLock<HubId>>,
    ) -> Self {
        Self { rows, connection, place, runtime, cache: None, chain: None, hub, recent, commits }
    }

    pub(super) fn rows(&self) -> &RowWriter {
        &self.rows
    }

    pub(super) fn close(self) {
        if let Err(error) = self.rows.close() {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
        if let Err(error) = self.runtime.block_on(self.connection.close()) {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }

    /// Stores what the requests ask for and answers them; returns about how many pages of the
    /// database that took.
    pub(super) fn run(&mut self, batch: Vec<Request>) -> usize {
        if let Err(error) = self.place.check() {
            tracing::error!(%error, "nothing is stored");
            // Jobs that are dropped tell their callers that nothing was tried.
            refuse(batch, &error);
            return 0;
        }
        let mut jobs = Vec::new();
        let mut decided = Vec::with_capacity(batch.len());
        for request in batch {
            match request {
                Request::Run(job) => jobs.push(job),
                other => decided.push(other),
            }
        }
        self.run_jobs(jobs) + self.run_appends(decided)
    }

    fn run_jobs(&mut self, jobs: Vec<Job>) -> usize {
        if jobs.is_empty() {
            return 0;
        }
        let pages = PAGES_PER_JOB * jobs.len();
        let chain = match self.chain() {
            Ok(chain) => chain,
            Err(error) => {
                // Those who asked are told that nothing was tried.
                tracing::error!(%error, "the audit log cannot be read");
                return 0;
            }
        };
        // Whoever asked for a job has been told of its failure.
        if let Ok(chain) = self.runtime.block_on(jobs::run(&self.connection, jobs, chain)) {
            self.chain = Some(chain);
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        pages
    }

    fn run_appends(&mut self, batch: Vec<Request>) -> usize {
        if batch.is_empty() {
            return 0;
        }
        let loaded = self.chain().and_then(|chain| Ok((chain, self.cache_for(named(&batch))?)));
        let (chain, mut cache) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                refuse(batch, &error);
                return 0;
            }
        };
        let mut pass = Pass::new(chain);
        let decide = |request| decide(request, &mut cache, &mut pass);
        let held: Vec<_> = batch.into_iter().filter_map(decide).collect();
        let failure = self.store(&pass).err();
        if failure.is_none() {
            let tasks = || pass.task_moves().map(|moved| &moved.task);
            self.recent.publish(pass.sessions(), tasks());
            cache.trim(tasks().filter(|task| task.state.is_end()).map(|task| task.id));
            self.cache = Some(cache);
            self.chain = Some(pass.chain());
        }
        for held in held {
            held.release(failure.as_ref());
        }
        pass.pages()
    }

    /// Takes the end of the audit log's chain, which is put back after the commit.
    fn chain(&mut self) -> Result<Head> {
        // An empty chain begins with the hub, of whom nobody may have spoken before.
        if let Some(chain) = self.chain.take().filter(|chain| chain.count > 0) {
            return Ok(chain);
        }
        let newest = self.rows.audit_head();
        match newest.map_err(|error| row_fault("read audit log", error))? {
            Some((seq, digest)) => {
                let digest = Digest::from_bytes(column::digest(&digest)?);
                Ok(Head { count: column::uncount(seq), digest })
            }
            None => Ok(audit::chain_of(self.hub.get().copied().unwrap_or(NO_HUB))),
        }
    }

    /// The cache with everything that a batch names.
    fn cache_for(&mut self, named: Named) -> Result<Cache> {
        let mut cache = match self.cache.take() {
            Some(cache) => cache,
            None => self.runtime.block_on(Cache::new(&self.connection))?,
        };
        let (sessions, tasks) = cache.missing(named.sessions, named.tasks);
        if !sessions.is_empty() || !tasks.is_empty() {
            self.runtime.block_on(cache.load(&self.connection, &sessions, &tasks))?;
        }
        Ok(cache)
    }

    fn store(&self, pass: &Pass) -> Result<()> {
        if pass.is_empty() {
            return Ok(());
        }
        let stored = self.rows.store(pass);
        stored.map_err(|error| {
            tracing::error!(%error, "a transaction failed");
            row_fault("write to database", error)
        })?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// What a batch names.
#[derive(Debug, Default)]
struct Named {
    sessions: HashSet<SessionId>,
    tasks: HashSet<TaskId>,
}

fn named(batch: &[Request]) -> Named {
    let mut named = Named::default();
    for request in batch {
        match request {
            Request::Append(append, _) => {
                named.sessions.insert(append.session);
                named.tasks.extend(append.batch.named_tasks());
            }
            Request::Create(session, ..) => {
                named.sessions.insert(session.id);
            }
            Request::Run(_) | Request::Close => {}
        }
    }
    named
}

fn decide(request: Request, cache: &mut Cache, pass: &mut Pass) -> Option<Held> {
    match request {
        Request::Append(append, reply) => Some(Held::Append(reply, pass.append(cache, *append))),
        Request::Create(session, note, reply) => {
            Some(Held::Create(reply, pass.create(cache, *session, note)))
        }
        Request::Run(_) | Request::Close => None,
    }
}

impl Held {
    fn release(self, failure: Option<&Error>) {
        match self {
            Held::Append(reply, result) => answer(reply, result, failure),
            Held::Create(reply, result) => answer(reply, result, failure),
        }
    }
}

fn answer<T>(reply: oneshot::Sender<Result<T>>, result: Result<T>, failure: Option<&Error>) {
    let result = failure.map_or(result, |failure| Err(repeat(failure)));
    // A caller that has gone needs no answer.
    let _ = reply.send(result);
}

/// Answers all requests with a failure that came before any was looked at.
fn refuse(batch: Vec<Request>, error: &Error) {
    for request in batch {
        match request {
            Request::Append(_, reply) => answer(reply, Err(repeat(error)), None),
            Request::Create(.., reply) => answer(reply, Err(repeat(error)), None),
            Request::Run(_) | Request::Close => {}
        }
    }
}
