//! One transaction: loads what it needs, decides, stores, publishes, answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::session::Appended;
use sea_orm::SqlxError;
use tokio::sync::oneshot;

use super::Job;
use super::Request;
use super::Settle;
use super::Verdict;
use super::cache::Cache;
use super::pass::Pass;
use super::repeat;
use super::script::Script;
use crate::store::connection::WriteConnection;
use crate::store::fault::sqlx_fault;
use crate::store::recent::Recent;

const OPERATION: &str = "write to database";

/// Pages that a job writes, by estimate.
const PAGES_PER_JOB: usize = 4;

/// Runs batches of requests, each in a transaction of its own.
pub(super) struct Transactions {
    connection: WriteConnection,
    /// Absent after a failed transaction: nobody knows then what is stored.
    cache: Option<Cache>,
    recent: Arc<Recent>,
    commits: Arc<AtomicU64>,
}

/// An answer that is held back until the transaction is over.
enum Held {
    Append(oneshot::Sender<Result<Appended>>, Result<Appended>),
    Create(oneshot::Sender<Result<()>>, Result<()>),
    Job(Settle),
}

impl Transactions {
    pub(super) async fn new(
        connection: WriteConnection,
        recent: Arc<Recent>,
        commits: Arc<AtomicU64>,
    ) -> Result<Self> {
        let cache = Some(Cache::new(&connection).await?);
        Ok(Self { connection, cache, recent, commits })
    }

    pub(super) fn connection(&self) -> &WriteConnection {
        &self.connection
    }

    pub(super) async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }

    /// Stores what the requests ask for and answers them; returns about how many pages of the
    /// database that took.
    pub(super) async fn run(&mut self, batch: Vec<Request>) -> usize {
        let mut pass = Pass::default();
        let mut held = Vec::with_capacity(batch.len());
        let mut jobs = Vec::new();
        let mut decided = Vec::with_capacity(batch.len());
        for request in batch {
            match request {
                Request::Run(job) => jobs.push(job),
                other => decided.push(other),
            }
        }
        let mut cache = match self.cache_for(named(&decided)).await {
            Ok(cache) => Some(cache),
            Err(error) => {
                refuse(std::mem::take(&mut decided), &error);
                None
            }
        };
        for request in decided {
            held.extend(cache.as_mut().and_then(|cache| decide(request, cache, &mut pass)));
        }
        let pages = pass.pages() + PAGES_PER_JOB * jobs.len();
        let failure = self.store(&mut pass, jobs, &mut held).await.err();
        if failure.is_none() {
            self.recent.publish(pass.take_news(), pass.tasks());
            if let Some(cache) = &mut cache {
                let ended = pass.tasks().iter().filter(|task| task.state.is_end());
                cache.trim(ended.map(|task| task.id));
            }
            self.cache = cache;
        }
        for held in held {
            held.release(failure.as_ref());
        }
        pages
    }

    /// The cache with everything that a batch names.
    async fn cache_for(&mut self, named: Named) -> Result<Cache> {
        let mut cache = match self.cache.take() {
            Some(cache) => cache,
            None => Cache::new(&self.connection).await?,
        };
        cache.load(&self.connection, named.sessions, named.tasks).await?;
        Ok(cache)
    }

    async fn store(
        &self,
        pass: &mut Pass,
        jobs: Vec<Job>,
        held: &mut Vec<Held>,
    ) -> Result<()> {
        if jobs.is_empty() && pass.is_empty() {
            return Ok(());
        }
        let stored = self.attempt(pass, jobs, held).await;
        match stored {
            Ok(()) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                // The database may have rolled back by itself.
                let _ = self.connection.command("ROLLBACK").await;
                tracing::error!(%error, "a transaction failed");
                Err(sqlx_fault(OPERATION, error))
            }
        }
    }

    async fn attempt(
        &self,
        pass: &mut Pass,
        jobs: Vec<Job>,
        held: &mut Vec<Held>,
    ) -> Result<(), SqlxError> {
        let mut script = Script::default();
        if jobs.is_empty() {
            script.push("BEGIN IMMEDIATE");
        } else {
            self.connection.command("BEGIN IMMEDIATE").await?;
            for job in jobs {
                held.push(Held::Job(self.run_job(job).await?));
            }
        }
        pass.write(&mut script);
        script.push("COMMIT");
        let (sql, arguments) = script.into_parts();
        self.connection.run(sql, arguments).await
    }

    async fn run_job(&self, job: Job) -> Result<Settle, SqlxError> {
        self.connection.command("SAVEPOINT job").await?;
        match job(&self.connection).await {
            Verdict::Keep(settle) => {
                let released = self.connection.command("RELEASE job").await;
                told(released, settle)
            }
            Verdict::Undo(settle) => {
                let undone = self.connection.command("ROLLBACK TO job; RELEASE job").await;
                told(undone, settle)
            }
        }
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
            Request::Create(session, _) => {
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
        Request::Create(session, reply) => Some(Held::Create(reply, pass.create(cache, *session))),
        Request::Run(_) | Request::Close => None,
    }
}

/// The answer is held back, unless the transaction has just failed.
fn told(done: Result<(), SqlxError>, settle: Settle) -> Result<Settle, SqlxError> {
    if let Err(error) = &done {
        let failure = Error::new(
            ErrorKind::Internal,
            OPERATION,
            format!("the database failed: {error}"),
        );
        settle(Some(&failure));
        return Err(done.expect_err("it was looked at"));
    }
    Ok(settle)
}

impl Held {
    fn release(self, failure: Option<&Error>) {
        // A caller that has gone needs no answer.
        match self {
            Held::Append(reply, result) => drop(reply.send(failure.map_or(result, |f| Err(repeat(f))))),
            Held::Create(reply, result) => drop(reply.send(failure.map_or(result, |f| Err(repeat(f))))),
            Held::Job(settle) => settle(failure),
        }
    }
}

/// Answers all requests with a failure that came before any was looked at.
fn refuse(batch: Vec<Request>, error: &Error) {
    for request in batch {
        match request {
            Request::Append(_, reply) => drop(reply.send(Err(repeat(error)))),
            Request::Create(_, reply) => drop(reply.send(Err(repeat(error)))),
            // A job that never runs drops its reply, which its caller takes for a closed store.
            Request::Run(_) | Request::Close => {}
        }
    }
}
