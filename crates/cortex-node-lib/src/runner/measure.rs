//! What `benches/trust` measures of the journal, which nothing outside of the node may write.

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::digest::Digest;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;

use super::journal::Journal;
use super::witness::Mandate;
use crate::uplink::AttemptKey;

/// Accepts `rounds` times as many attempts as `together` in a new journal in `dir`, and says how
/// long each round took until all of it was durable.
///
/// # Errors
/// `Denied`: the journal cannot be made; `Internal`: it cannot be written.
pub async fn journal_times(dir: &Path, rounds: u64, together: u64) -> Result<Vec<Duration>> {
    let (journal, _) = Journal::open(dir)?;
    let mandate =
        Mandate { session: SessionId::from_bytes([7; 16]), envelope: Digest::from_bytes([8; 32]) };
    let mut times = Vec::new();
    for round in 0..rounds {
        let begun = Instant::now();
        let waits: Vec<_> = (0..together)
            .map(|number| {
                let key = AttemptKey { task: TaskId::generate(), attempt: 1 };
                (key, journal.accept(key, 1, round * together + number, mandate))
            })
            .collect();
        journal.commit();
        for (key, written) in waits {
            let written = written.await.map_err(|_| lost("the journal's thread broke"))?;
            written.map_err(|error| lost(&error.to_string()))?;
            // As when the hub has the attempt's end: it takes no room in the next file.
            journal.settled(key);
        }
        times.push(begun.elapsed());
    }
    journal.close().await;
    Ok(times)
}

fn lost(message: &str) -> Error {
    Error::new(ErrorKind::Internal, "measure the journal", message.to_owned())
}
