//! Reading a session's log from any point, and waiting for what comes.

use std::sync::Arc;

use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::id::SessionId;
use cortex_core::session::Seq;
use tokio::sync::watch;

use super::Hub;
use crate::feed::Frame;
use crate::feed::LogTopic;

/// Reads a session's log in order, each entry once.
#[derive(Debug)]
pub struct LogReader {
    hub: Hub,
    session: SessionId,
    after: Seq,
    topic: Arc<LogTopic>,
    bell: watch::Receiver<Seq>,
}

impl Hub {
    /// Reads a session's log from the entry after `after` on.
    ///
    /// # Errors
    /// `NotFound`: no such session, or none that `who` may see.
    pub async fn log(&self, who: &Principal, session: &str, after: Seq) -> Result<LogReader> {
        let session = self.find_session(who, session, Scope::Read).await?.id;
        // The bell before the first read: what is stored in between rings it.
        let topic = self.inner.feed.log(session);
        let bell = topic.bell();
        Ok(LogReader { hub: self.clone(), session, after, topic, bell })
    }
}

impl LogReader {
    /// The number of the last entry that was read.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.after
    }

    /// Returns what is there now, at most `limit` entries, without waiting.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn ready_batch(&mut self, limit: usize) -> Result<Vec<Arc<Frame>>> {
        let frames = match self.topic.after(self.after, limit) {
            Some(frames) => frames,
            None => {
                let entries = self.hub.inner.sessions.read(self.session, self.after, limit).await?;
                let frame = |entry| Frame::new(self.session, Arc::new(entry));
                entries.into_iter().map(frame).collect()
            }
        };
        if let Some(last) = frames.last() {
            self.after = last.entry.seq;
        }
        Ok(frames)
    }

    /// Waits for at least one entry and returns at most `limit`; `None` when the hub shuts down.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next_batch(&mut self, limit: usize) -> Result<Option<Vec<Arc<Frame>>>> {
        loop {
            self.bell.borrow_and_update();
            let frames = self.ready_batch(limit).await?;
            if !frames.is_empty() {
                return Ok(Some(frames));
            }
            tokio::select! {
                changed = self.bell.changed() => if changed.is_err() { return Ok(None) },
                () = self.hub.inner.shutdown.cancelled() => return Ok(None),
            }
        }
    }
}
