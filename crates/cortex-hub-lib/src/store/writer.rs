//! The one writer: a thread that takes what waits, stores it, and answers after the commit.
//!
//! Many callers share each commit, so the disk is asked once for all of them. Appends to sessions
//! are decided on cached state and stored by prepared statements; every other change is a job on
//! sea-orm's side, run in a transaction with the other jobs that wait, each in a savepoint.

mod cache;
mod checkpoint;
mod jobs;
mod known;
mod pass;
mod rows;
mod transaction;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::HubId;
use cortex_core::session::Appended;
use cortex_core::session::Session;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::timeout;

pub(super) use pass::Append;
pub(super) use pass::INLINE_STREAM;
pub(super) use pass::is_inline;
pub(super) use pass::stream_number;

use self::checkpoint::Checkpoints;
use self::rows::RowWriter;
use self::transaction::Transactions;
use super::connection::WriteConnection;
use super::fault::closed;
use super::fault::row_fault;
use super::fault::sqlx_fault;
use super::fault::too_slow;
use super::place::Place;
use super::recent::Recent;
use crate::audit;
use crate::audit::Note;

/// Requests that wait; whoever comes after them waits for a place.
const WAITING: usize = 1024;

/// Requests that share a transaction.
const SHARED: usize = 256;

/// Bytes after which a transaction takes no more requests.
const SHARED_BYTES: usize = 4 << 20;

/// How long a caller waits for a commit.
const PATIENCE: Duration = Duration::from_secs(60);

/// The way to the writer; the writer ends when the last of these is gone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    commits: Arc<AtomicU64>,
}

/// What the writer holds on to for as long as it runs.
#[derive(Debug)]
pub(super) struct Belongings {
    /// Whose the store is, once that is known.
    pub(super) hub: Arc<OnceLock<HubId>>,
    pub(super) database: PathBuf,
    /// How to connect to the database.
    pub(super) options: SqliteConnectOptions,
    /// How long to wait for another program's lock.
    pub(super) busy_timeout: Duration,
    /// Where readers find what was committed last.
    pub(super) recent: Arc<Recent>,
    /// Released when the last row is stored.
    pub(super) lock: File,
}

/// The writer's thread.
#[derive(Debug)]
pub(super) struct Running {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Running {
    /// Waits until the writer has closed the database.
    pub(super) async fn join(self) {
        // The sender is dropped without a word only if the thread panics.
        let _ = self.ended.await;
        if self.thread.join().is_err() {
            tracing::error!("the writer of the store died");
        }
    }
}

/// A change other than an append; runs on the writer's connection.
type Job = Box<dyn for<'c> FnOnce(&'c WriteConnection) -> BoxFuture<'c, Verdict> + Send>;

/// Told what became of the transaction: `None` if it was committed.
type Settle = Box<dyn FnOnce(Option<&Error>) + Send>;

/// What a job wants to be done with its changes; what is kept may be recorded with them.
enum Verdict {
    Keep(Settle, Option<Note>),
    Undo(Settle),
}

enum Request {
    Append(Box<Append>, oneshot::Sender<Result<Appended>>),
    Create(Box<Session>, Option<Note>, oneshot::Sender<Result<()>>),
    Run(Job),
    Close,
}

impl Writer {
    /// Starts the writer as a thread that the caller awaits after [`Writer::stop`].
    pub(super) async fn start(belongings: Belongings) -> Result<(Self, Running)> {
        let Belongings { hub, database, options, busy_timeout, recent, lock } = belongings;
        let options = options.pragma("wal_autocheckpoint", "0");
        let connection = WriteConnection::open(&options).await;
        let connection = connection.map_err(|error| sqlx_fault("open store", error))?;
        let rows = RowWriter::open(&database, busy_timeout);
        let rows = rows.map_err(|error| row_fault("open store", error))?;
        let runtime = Handle::current();
        let checkpoints = Checkpoints::open(&options, runtime.clone()).await?;
        let commits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&commits);
        let place = Place::of(&database);
        let transactions =
            Transactions::new(rows, connection, place, runtime, recent, counted, hub);
        let (requests, waiting) = mpsc::channel(WAITING);
        let (ending, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = thread.spawn(move || {
            serve(waiting, transactions, checkpoints);
            drop(lock);
            // Nobody waits where the store was only dropped.
            let _ = ending.send(());
        });
        let thread = thread.map_err(|error| {
            let message = "no thread could be started";
            Error::new(ErrorKind::Internal, "open store", message).with_source(error)
        })?;
        Ok((Self { requests, commits }, Running { thread, ended }))
    }

    /// Appends to a session's log.
    pub(super) async fn append(&self, mut append: Append) -> Result<Appended> {
        append.note = audit::take();
        let note = append.note.clone();
        let (reply, answer) = oneshot::channel();
        let request = Request::Append(Box::new(append), reply);
        keep(note, self.ask("append to session", request, answer).await)
    }

    /// Stores a new session.
    pub(super) async fn create(&self, session: Session) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let note = audit::take();
        let request = Request::Create(Box::new(session), note.clone(), reply);
        keep(note, self.ask("create session", request, answer).await)
    }

    /// Runs `work` in a transaction; its changes are kept if it succeeds.
    pub(super) async fn run<T, W>(&self, operation: &'static str, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c WriteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        self.run_then(operation, work, |_| ()).await
    }

    /// Like [`Writer::run`]; `then` sees the result after the commit and before anybody else,
    /// even if the caller has gone.
    pub(super) async fn run_then<T, W, A>(
        &self,
        operation: &'static str,
        work: W,
        then: A,
    ) -> Result<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c WriteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        self.run_noting(operation, work, |note, _| Some(note), then).await
    }

    /// Like [`Writer::run_then`]; `complete` sees the note that the caller carries, with the result,
    /// before both are stored.
    pub(super) async fn run_noting<T, W, C, A>(
        &self,
        operation: &'static str,
        work: W,
        complete: C,
        then: A,
    ) -> Result<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c WriteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
        C: FnOnce(Note, &T) -> Option<Note> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let note = audit::take();
        let taken = note.clone();
        let complete = move |value: &T| taken.and_then(|note| complete(note, value));
        keep(
            note,
            self.ask(operation, Request::Run(job(work, complete, then, reply)), answer).await,
        )
    }

    /// Hands over `work` without waiting for it; says whether there was a place for it.
    pub(super) fn try_run<W>(&self, work: W) -> bool
    where
        W: for<'c> FnOnce(&'c WriteConnection) -> BoxFuture<'c, Result<()>> + Send + 'static,
    {
        let (reply, _) = oneshot::channel();
        self.requests.try_send(Request::Run(job(work, |()| None, |()| (), reply))).is_ok()
    }

    /// Lets the writer finish what was asked for before, and end.
    pub(super) async fn stop(&self) {
        // A writer that has ended already is what is wanted.
        let _ = self.requests.send(Request::Close).await;
    }

    /// Transactions committed since the start.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    async fn ask<T>(
        &self,
        operation: &'static str,
        request: Request,
        answer: oneshot::Receiver<Result<T>>,
    ) -> Result<T> {
        let asked = async {
            self.requests.send(request).await.map_err(|_| closed(operation))?;
            answer.await.unwrap_or_else(|_| Err(self.untried(operation)))
        };
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(too_slow(operation)))
    }
}

impl Writer {
    /// Why a request was dropped without an answer.
    fn untried(&self, operation: &'static str) -> Error {
        if self.requests.is_closed() { closed(operation) } else { jobs::untried(operation) }
    }
}

/// Gives the note back where the write has failed.
fn keep<T>(note: Option<Note>, done: Result<T>) -> Result<T> {
    if done.is_err() {
        audit::give_back(note);
    }
    done
}

fn job<T, W, C, A>(work: W, complete: C, then: A, reply: oneshot::Sender<Result<T>>) -> Job
where
    T: Send + 'static,
    W: for<'c> FnOnce(&'c WriteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    C: FnOnce(&T) -> Option<Note> + Send + 'static,
    A: FnOnce(&T) + Send + 'static,
{
    Box::new(move |connection| {
        let verdict = work(connection).map(move |result| match result {
            Ok(value) => {
                let note = complete(&value);
                let settle: Settle = Box::new(move |failure| {
                    let answer = match failure {
                        None => {
                            then(&value);
                            Ok(value)
                        }
                        Some(failure) => Err(repeat(failure)),
                    };
                    // A caller that has gone needs no answer.
                    let _ = reply.send(answer);
                });
                Verdict::Keep(settle, note)
            }
            Err(error) => Verdict::Undo(Box::new(move |failure| {
                let _ = reply.send(Err(failure.map_or(error, repeat)));
            })),
        });
        verdict.boxed()
    })
}

fn serve(
    mut waiting: mpsc::Receiver<Request>,
    mut transactions: Transactions,
    mut checkpoints: Checkpoints,
) {
    let mut is_open = true;
    while is_open {
        let mut next = waiting.blocking_recv();
        // Without a way to the writer left, nobody can ask for anything.
        is_open = next.is_some();
        let mut batch = Vec::with_capacity(SHARED.min(waiting.len() + 1));
        let mut bytes = 0;
        while let Some(request) = next {
            if matches!(request, Request::Close) {
                is_open = false;
                break;
            }
            bytes += size(&request);
            batch.push(request);
            let is_full = batch.len() >= SHARED || bytes >= SHARED_BYTES;
            next = if is_full { None } else { waiting.try_recv().ok() };
        }
        let pages = transactions.run(batch);
        checkpoints.wrote(pages, transactions.rows());
    }
    // From here on requests are refused at once.
    waiting.close();
    checkpoints.close();
    transactions.close();
}

fn size(request: &Request) -> usize {
    match request {
        Request::Append(append, _) => append.size(),
        Request::Create(..) | Request::Run(_) | Request::Close => 256,
    }
}

/// The same failure once more, for another caller.
fn repeat(error: &Error) -> Error {
    let again = Error::new(error.kind(), error.operation(), error.message());
    let again = again.with_code(error.code());
    let again = match error.hint() {
        Some(hint) => again.with_hint(hint),
        None => again,
    };
    match std::error::Error::source(error) {
        Some(source) => again.with_source(source.to_string()),
        None => again,
    }
}
