//! Wakes readers: who reads a log, a task or the hub's changes sleeps here until there is news.
//!
//! What is told here is stored already, but for what terminals show (`live`). A reader that comes late or falls behind reads the store;
//! one that keeps up gets the same frames as all others, encoded once.

mod change;
mod live;
mod log;
mod task;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use cortex_core::id::SessionId;
use cortex_core::session::Entry;
use tokio::sync::broadcast;

pub use change::Change;
pub use change::Changes;
pub(crate) use live::MOST_AHEAD;
pub use log::Frame;
pub(crate) use log::LogTopic;
pub(crate) use task::TaskTopic;

/// Changes that a reader may lag behind before some are lost to it.
const CHANGE_BACKLOG: usize = 1_024;

/// Tells readers of news.
#[derive(Debug)]
pub(crate) struct Feed {
    logs: Mutex<HashMap<SessionId, Arc<LogTopic>>>,
    changes: broadcast::Sender<Change>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { logs: Mutex::default(), changes: broadcast::channel(CHANGE_BACKLOG).0 }
    }
}

impl Feed {
    /// Tells the readers of a session's log of stored entries.
    pub(crate) fn publish(&self, session: SessionId, entries: &[Arc<Entry>]) {
        let topic = self.lock().get(&session).cloned();
        if let Some(topic) = topic {
            topic.push(session, entries);
        }
    }

    /// Tells all who watch the hub.
    pub(crate) fn announce(&self, change: Change) {
        // An error only says that nobody watches.
        let _ = self.changes.send(change);
    }

    /// Whether anybody watches the hub's changes.
    pub(crate) fn is_watched(&self) -> bool {
        self.changes.receiver_count() > 0
    }

    /// The topic of a session's log, for one more reader.
    pub(crate) fn log(&self, session: SessionId) -> Arc<LogTopic> {
        let mut logs = self.lock();
        // Topics without readers go when the next reader of any session comes.
        logs.retain(|_, topic| Arc::strong_count(topic) > 1);
        logs.entry(session).or_default().clone()
    }

    /// The hub's changes from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<LogTopic>>> {
        // No code panics while it holds this lock.
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
