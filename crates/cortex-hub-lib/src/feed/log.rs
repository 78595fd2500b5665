//! A session's log as its readers see it: a ring of the newest frames, and a bell.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

use bytes::Bytes;
use cortex_core::id::SessionId;
use cortex_core::session::Entry;
use cortex_core::session::Seq;
use tokio::sync::watch;

/// Frames that a ring keeps; who falls further behind reads the store.
const RING_FRAMES: usize = 1_024;

/// Entries that may come before the one they follow; more means that one never comes.
const MAX_EARLY: usize = 4_096;

/// One entry of a session's log, with room for its encoded form.
#[derive(Debug)]
pub struct Frame {
    /// The session.
    pub session: SessionId,
    /// The entry.
    pub entry: Arc<Entry>,
    encoded: OnceLock<Bytes>,
}

impl Frame {
    pub(crate) fn new(session: SessionId, entry: Arc<Entry>) -> Arc<Self> {
        Arc::new(Self { session, entry, encoded: OnceLock::new() })
    }

    /// The entry's encoded form: made by `encode` for the first reader, shared by all others.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(self)).clone()
    }
}

/// The newest frames of one session's log.
#[derive(Debug, Default)]
pub(crate) struct LogTopic {
    ring: Mutex<Ring>,
    head: watch::Sender<Seq>,
}

#[derive(Debug, Default)]
struct Ring {
    frames: VecDeque<Arc<Frame>>,
    /// Entries whose predecessor has not come: appends of one session are told by whoever made
    /// them, and two of these may overtake each other between store and here.
    early: BTreeMap<Seq, Arc<Entry>>,
    last: Option<Seq>,
}

impl LogTopic {
    /// Adds stored entries and rings.
    pub(crate) fn push(&self, session: SessionId, entries: &[Arc<Entry>]) {
        let head = {
            let mut ring = self.lock();
            for entry in entries {
                ring.take(session, entry);
            }
            ring.last
        };
        if let Some(head) = head {
            self.head.send_if_modified(|seen| {
                let is_news = head > *seen;
                *seen = head.max(*seen);
                is_news
            });
        }
    }

    /// A bell that rings when the log grows.
    pub(crate) fn bell(&self) -> watch::Receiver<Seq> {
        self.head.subscribe()
    }

    /// At most `limit` frames that follow `after`; `None` where the ring does not reach back there.
    pub(crate) fn after(&self, after: Seq, limit: usize) -> Option<Vec<Arc<Frame>>> {
        let ring = self.lock();
        let first = ring.frames.front()?.entry.seq;
        if after.plus(1) < first {
            return None;
        }
        let skip = usize::try_from(after.plus(1).0 - first.0).unwrap_or(usize::MAX);
        Some(ring.frames.iter().skip(skip).take(limit).cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        // No code panics while it holds this lock.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn take(&mut self, session: SessionId, entry: &Arc<Entry>) {
        let is_next = self.last.is_none_or(|last| entry.seq == last.plus(1));
        if is_next {
            self.push(session, entry.clone());
            while let Some(next) = self.last.and_then(|last| self.early.remove(&last.plus(1))) {
                self.push(session, next);
            }
            return;
        }
        if self.last.is_some_and(|last| entry.seq <= last) {
            return;
        }
        self.early.insert(entry.seq, entry.clone());
        if self.early.len() > MAX_EARLY {
            // Readers find the gap closed in the store.
            self.frames.clear();
            self.last = self.early.last_key_value().map(|(seq, _)| *seq);
            self.early.clear();
        }
    }

    fn push(&mut self, session: SessionId, entry: Arc<Entry>) {
        if self.frames.len() == RING_FRAMES {
            self.frames.pop_front();
        }
        self.last = Some(entry.seq);
        self.frames.push_back(Frame::new(session, entry));
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::id::NodeId;
    use cortex_core::session::Happening;
    use cortex_core::timestamp::Timestamp;

    use super::*;

    fn entry(seq: u64) -> Arc<Entry> {
        let what = Happening::Attached { node: NodeId::from_bytes([1; 16]) };
        Arc::new(Entry { seq: Seq(seq), at: Timestamp::from_millis(0), what })
    }

    fn seqs(topic: &LogTopic, after: u64) -> Option<Vec<u64>> {
        let frames = topic.after(Seq(after), 10)?;
        Some(frames.iter().map(|frame| frame.entry.seq.0).collect())
    }

    #[test]
    fn entries_that_overtake_each_other_come_out_in_order() {
        let (topic, session) = (LogTopic::default(), SessionId::from_bytes([1; 16]));
        let bell = topic.bell();
        topic.push(session, &[entry(3)]);
        topic.push(session, &[entry(6), entry(5)]);
        assert_eq!(*bell.borrow(), Seq(3));
        topic.push(session, &[entry(4)]);
        assert_eq!(*bell.borrow(), Seq(6));
        assert_eq!(seqs(&topic, 2), Some(vec![3, 4, 5, 6]));
        assert_eq!(seqs(&topic, 4), Some(vec![5, 6]));
        assert_eq!(seqs(&topic, 6), Some(vec![]));
        assert_eq!(seqs(&topic, 1), None);
    }

    #[test]
    fn a_frame_is_encoded_once() {
        let frame = Frame::new(SessionId::from_bytes([1; 16]), entry(1));
        assert_eq!(frame.encoded(|_| Bytes::from_static(b"a")), "a");
        assert_eq!(frame.encoded(|_| Bytes::from_static(b"b")), "a");
    }
}
