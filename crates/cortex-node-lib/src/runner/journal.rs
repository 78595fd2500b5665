//! What the node has accepted, on disk before it starts: the reason why nothing runs twice.
//!
//! One file of fixed size, written from the front; each record carries its length and a checksum,
//! so that a torn tail is seen and left aside. The file is allocated and filled when it is made:
//! a record then changes no metadata, and making it durable costs one write and one `fdatasync`.
//! When the file is full, what still matters goes into a new one that takes its place.
//!
//! Only *accepted* is made durable before it counts. The other records tell a restarted node
//! more; they are written together with the next accepted one, or soon.

mod file;
mod record;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread::JoinHandle;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::task::Outcome;
use tokio::sync::oneshot;

use crate::uplink::AttemptKey;

use super::leftover::boot_id;
use super::witness::Mandate;

pub(super) use record::Entry;

use file::JournalFile;
use record::Ended;
use record::Record;
use record::Started;

/// An outcome whose JSON is longer is noted by its summary only.
const MAX_NOTED_BYTES: usize = 16 << 10;

/// An attempt that an earlier run accepted and whose end the hub has not acknowledged.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) key: AttemptKey,
    pub(super) entry: Entry,
}

/// A record could not be made durable.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct WriteError(String);

/// The journal, open; a thread of its own writes it.
#[derive(Debug)]
pub(super) struct Journal {
    shared: Arc<Shared>,
    boot: [u8; 16],
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    records: Vec<(AttemptKey, Record)>,
    waiters: Vec<oneshot::Sender<Result<(), WriteError>>>,
    /// Whether the thread is to write now.
    due: bool,
    closed: bool,
}

impl Journal {
    /// Opens the journal of a data directory, or makes it.
    pub(super) fn open(data_dir: &Path) -> Result<(Self, Vec<Recovered>)> {
        let path = data_dir.join("journal");
        let (file, entries) = JournalFile::open(&path).map_err(|error| {
            let message = format!("cannot open {}: {error}", path.display());
            Error::new(ErrorKind::Denied, "open journal", message)
                .with_code("journal_unusable")
                .with_source(error)
        })?;
        let recovered: Vec<Recovered> = entries
            .iter()
            .map(|(key, entry)| Recovered { key: *key, entry: entry.clone() })
            .collect();
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("cortex-journal".to_owned())
            .spawn(move || writer::run(file, entries, &for_thread))
            .map_err(|error| {
                let message = format!("no thread for the journal: {error}");
                Error::new(ErrorKind::Internal, "open journal", message).with_source(error)
            })?;
        let boot = boot_id().unwrap_or_default();
        Ok((Self { shared, boot, thread: Mutex::new(Some(thread)) }, recovered))
    }

    /// Accepts an attempt; resolves once that is durable. Written at the next
    /// [`Self::commit`].
    pub(super) fn accept(
        &self,
        key: AttemptKey,
        epoch: u64,
        sequence: u64,
        mandate: Mandate,
    ) -> oneshot::Receiver<Result<(), WriteError>> {
        let (sender, written) = oneshot::channel();
        let mut pending = self.shared.lock();
        if pending.closed {
            drop(pending);
            // The receiver sees that nobody answers.
            return written;
        }
        pending.records.push((key, Record::Accepted { epoch, sequence, mandate }));
        pending.waiters.push(sender);
        written
    }

    /// Notes an attempt's process, and writes soon.
    pub(super) fn started(&self, key: AttemptKey, pid: u32, at: u64) {
        self.note(key, Record::Started(Started { pid, at, boot: self.boot }));
        self.commit();
    }

    /// Notes how an attempt ended.
    pub(super) fn ended(&self, key: AttemptKey, outcome: &Outcome, had_output: bool) {
        self.note(key, Record::Ended(Ended { outcome: noted(outcome), had_output }));
    }

    /// Notes that the hub has an attempt's end: nothing of it matters any more.
    pub(super) fn settled(&self, key: AttemptKey) {
        self.note(key, Record::Settled);
    }

    fn note(&self, key: AttemptKey, record: Record) {
        let mut pending = self.shared.lock();
        if !pending.closed {
            pending.records.push((key, record));
        }
    }

    /// Makes the thread write what waits.
    pub(super) fn commit(&self) {
        let mut pending = self.shared.lock();
        if pending.records.is_empty() || pending.due {
            return;
        }
        pending.due = true;
        drop(pending);
        self.shared.work.notify_one();
    }

    /// Writes what waits, and ends the thread.
    pub(super) async fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the journal's thread broke");
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // At most one write away; nobody else may open the file before.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn noted(outcome: &Outcome) -> Outcome {
    let is_short = serde_json::to_vec(outcome).is_ok_and(|json| json.len() <= MAX_NOTED_BYTES);
    if is_short {
        return outcome.clone();
    }
    let mut message = outcome.summary();
    message.truncate(message.floor_char_boundary(MAX_NOTED_BYTES / 4));
    Outcome::Interrupted { reason: format!("node was restarted; the task {message}") }
}

#[cfg(test)]
mod tests;
