//! The thread that writes: whatever waits goes out with one write, and one sync where it must.

use std::io;
use std::sync::PoisonError;

use tokio::sync::oneshot;

use crate::uplink::AttemptKey;

use super::Shared;
use super::WriteError;
use super::file::JournalFile;
use super::record;
use super::record::Entries;
use super::record::Record;

type Waiters = Vec<oneshot::Sender<Result<(), WriteError>>>;

pub(super) fn run(mut file: JournalFile, mut entries: Entries, shared: &Shared) {
    let _gone = CloseOnEnd(shared);
    let mut bytes = Vec::new();
    while let Some((records, waiters)) = next(shared) {
        bytes.clear();
        for (key, record) in &records {
            record::encode(*key, record, &mut bytes);
        }
        for (key, record) in records {
            record::apply(&mut entries, key, record);
        }
        let written = write(&mut file, &entries, &bytes, !waiters.is_empty());
        if let Err(error) = &written {
            tracing::error!(%error, "the journal cannot be written");
        }
        crash_point!("node::journal-written");
        let written = written.map_err(|error| WriteError(error.to_string()));
        for waiter in waiters {
            // Who stopped waiting does not need the answer.
            let _ = waiter.send(written.clone());
        }
    }
}

/// Makes a journal whose thread has ended, however it did, accept nothing any more.
struct CloseOnEnd<'a>(&'a Shared);

impl Drop for CloseOnEnd<'_> {
    fn drop(&mut self) {
        let mut pending = self.0.lock();
        pending.closed = true;
        // Who waits for a write sees that nobody answers.
        pending.waiters.clear();
        pending.records.clear();
    }
}

fn write(file: &mut JournalFile, entries: &Entries, bytes: &[u8], durable: bool) -> io::Result<()> {
    if file.has_room(bytes.len()) {
        return file.append(bytes, durable);
    }
    // The new file holds everything, also what is to be written now, and is durable.
    file.compact(entries)
}

/// Waits for something to write; `None` when there is nothing and never will be.
fn next(shared: &Shared) -> Option<(Vec<(AttemptKey, Record)>, Waiters)> {
    let idle = |pending: &mut super::Pending| !pending.due && !pending.closed;
    let pending = shared.lock();
    let mut pending = shared.work.wait_while(pending, idle).unwrap_or_else(PoisonError::into_inner);
    pending.due = false;
    if pending.records.is_empty() {
        return None;
    }
    Some((std::mem::take(&mut pending.records), std::mem::take(&mut pending.waiters)))
}
