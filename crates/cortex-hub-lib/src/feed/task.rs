//! One task as its readers see it: where it stands, and the newest of its output.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use bytes::Bytes;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use tokio::sync::watch;

use super::live::Live;

/// Output that a topic keeps; who falls further behind reads the store.
const RECENT_BYTES: usize = 128 << 10;

/// A task that has not ended, or whose readers are still there.
#[derive(Debug)]
pub(crate) struct TaskTopic {
    task: watch::Sender<Arc<Task>>,
    recent: Mutex<Recent>,
    /// Rings when a terminal shows something that is not stored yet.
    shown: watch::Sender<()>,
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Recent {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

#[derive(Debug)]
struct Piece {
    stream: Stream,
    offset: u64,
    data: Bytes,
}

impl TaskTopic {
    /// Makes the topic of a task.
    pub(crate) fn new(task: Arc<Task>) -> Arc<Self> {
        Arc::new(Self {
            task: watch::Sender::new(task),
            recent: Mutex::default(),
            shown: watch::Sender::new(()),
            live: Mutex::default(),
        })
    }

    /// The task as it stands.
    pub(crate) fn task(&self) -> Arc<Task> {
        self.task.borrow().clone()
    }

    /// A bell that rings when the task moves.
    pub(crate) fn bell(&self) -> watch::Receiver<Arc<Task>> {
        self.task.subscribe()
    }

    /// Keeps stored output for readers that keep up. Comes before [`Self::moved`].
    pub(crate) fn output(&self, stream: Stream, offset: u64, data: Bytes) {
        let mut recent = self.lock();
        recent.bytes += data.len();
        recent.pieces.push_back(Piece { stream, offset, data });
        while recent.bytes > RECENT_BYTES && recent.pieces.len() > 1 {
            let dropped = recent.pieces.pop_front().map_or(0, |piece| piece.data.len());
            recent.bytes -= dropped;
        }
    }

    /// Tells readers where the task stands; an older revision than the one told is not news.
    pub(crate) fn moved(&self, task: &Arc<Task>) {
        self.task.send_if_modified(|seen| {
            let is_news = task.revision > seen.revision;
            if is_news {
                *seen = task.clone();
            }
            is_news
        });
        if task.state.is_end() {
            self.live().clear();
        }
    }

    /// Shows a terminal's watchers what its node reports, before it is stored. Whether somebody
    /// watches, and it is news.
    pub(crate) fn show(&self, stream: Stream, offset: u64, data: &Bytes) -> bool {
        let task = self.task();
        let is_news = !task.state.is_end() && self.live().take(&task.output, stream, offset, data);
        is_news && self.shown.send(()).is_ok()
    }

    /// A bell that rings when a terminal shows something that is not stored yet.
    pub(crate) fn shown(&self) -> watch::Receiver<()> {
        self.shown.subscribe()
    }

    /// What a terminal shows from `offset` on, stored or not, if it is here; for a reader who knows
    /// `noted` bytes of its changes of size.
    pub(crate) fn live_output(&self, offset: u64, noted: u64) -> Option<Bytes> {
        self.live().after(offset, noted)
    }

    /// How much output is kept.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Output of one stream from `offset` on, if it is still here.
    pub(crate) fn recent(&self, stream: Stream, offset: u64) -> Option<Bytes> {
        let recent = self.lock();
        let piece = recent.pieces.iter().find(|piece| {
            let end = piece.offset + piece.data.len() as u64;
            piece.stream == stream && piece.offset <= offset && offset < end
        })?;
        let skip = usize::try_from(offset - piece.offset).unwrap_or(usize::MAX);
        Some(piece.data.slice(skip..))
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // No code panics while it holds this lock.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        // No code panics while it holds this lock.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
