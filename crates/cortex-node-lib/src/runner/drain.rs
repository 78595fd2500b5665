//! The runner's end: what runs may finish for a while, what is new comes too late.

use std::time::Duration;

use cortex_core::Result;
use cortex_core::skill::StopReason;
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::uplink::Downlink;

use super::Runner;
use super::TAKEN_AT_ONCE;

/// A runner in which nothing runs any more.
#[derive(Debug)]
pub(crate) struct Drained {
    pub(super) runner: Runner,
    pub(super) inbox: mpsc::Receiver<Downlink>,
}

impl Runner {
    /// Lets what runs end, and stops it after `limit`.
    pub(super) async fn drain(&mut self, inbox: &mut mpsc::Receiver<Downlink>, limit: Duration) {
        let mut taken = Vec::new();
        let mut deadline = std::pin::pin!(tokio::time::sleep(limit));
        let mut told = false;
        while !self.tasks.is_empty() {
            tokio::select! {
                Some(done) = self.tasks.join_next() => self.finish(done),
                // Cancels still count, and what is new is told that it comes too late.
                Some(downlink) = inbox.recv() => {
                    taken.push(downlink);
                    self.take(&mut taken);
                }
                () = &mut deadline, if !told => {
                    told = true;
                    for handle in self.attempts.values() {
                        ask_to_stop(&handle.stop, StopReason::Shutdown);
                    }
                }
            }
        }
    }
}

impl Drained {
    /// Tells the hub of everything that still comes down that it comes too late; never resolves.
    pub(crate) async fn turn_away(&mut self) {
        let mut taken = Vec::new();
        while self.inbox.recv_many(&mut taken, TAKEN_AT_ONCE).await > 0 {
            self.runner.take(&mut taken);
        }
        std::future::pending::<()>().await;
    }

    /// Whether the hub has removed the node: what remains is to [erase](Self::erase) it.
    pub(crate) fn is_removed(&self) -> bool {
        self.runner.removed
    }

    /// Closes the journal, and erases the keys and all that the node has noted.
    ///
    /// # Errors
    /// `Denied`: a file cannot be removed.
    pub(crate) async fn erase(self) -> Result<()> {
        self.runner.floor.journal.close().await;
        self.runner.floor.identity.erase()
    }

    /// Writes down what was acknowledged in the meantime, and closes the journal.
    pub(crate) async fn close(self) {
        self.runner.tidy();
        self.runner.floor.journal.close().await;
    }
}

/// Asks an attempt to stop; the first reason stays.
pub(super) fn ask_to_stop(stop: &watch::Sender<Option<StopReason>>, reason: StopReason) {
    stop.send_if_modified(|asked| {
        let is_first = asked.is_none();
        asked.get_or_insert(reason);
        is_first
    });
}

/// Resolves when the runner is to drain, with the time that running attempts have.
pub(super) async fn drained(drain: &mut watch::Receiver<Option<Duration>>) -> Duration {
    match drain.wait_for(Option::is_some).await {
        Ok(limit) => limit.unwrap_or_default(),
        Err(_) => Duration::ZERO,
    }
}
