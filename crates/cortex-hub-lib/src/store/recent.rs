//! The newest part of what is stored, in memory: whoever follows a session reads it from here.
//!
//! The writer puts in what it has committed, before anybody is told of it. What is not here is in
//! the database.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use bytes::Bytes;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::session::Entry;
use cortex_core::session::Happening;
use cortex_core::session::Seq;
use cortex_core::session::Session;
use cortex_core::task::Task;

/// Entries of one session that are kept.
const TAIL_ENTRIES: usize = 1024;

/// Bytes of all tails together, roughly.
const TAIL_BYTES: usize = 32 << 20;

/// What an entry takes besides its JSON's length.
const ENTRY_BYTES: usize = 256;

/// Ended tasks that are kept; open ones are kept up to the same number more.
const TASKS: usize = 16 * 1024;

/// What one append left behind.
#[derive(Debug)]
pub(super) struct News {
    pub(super) session: Arc<Session>,
    pub(super) head: Seq,
    pub(super) entries: Vec<Arc<Entry>>,
    /// Length of the entries' JSON.
    pub(super) bytes: usize,
}

/// Sessions, the ends of their logs, and tasks, as they were committed last.
#[derive(Debug, Default)]
pub(super) struct Recent {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tails: HashMap<SessionId, Tail>,
    /// Which tail was written when: the first is dropped first.
    order: BTreeMap<u64, SessionId>,
    clock: u64,
    bytes: usize,
    tasks: HashMap<TaskId, Arc<Task>>,
    ended: VecDeque<TaskId>,
}

#[derive(Debug)]
struct Tail {
    session: Arc<Session>,
    head: Seq,
    entries: VecDeque<(Arc<Entry>, usize)>,
    stamp: u64,
}

impl Recent {
    /// Takes what was committed, in the order of the commits.
    pub(super) fn publish(&self, news: Vec<News>, tasks: &[Arc<Task>]) {
        let mut state = self.lock();
        for news in news {
            state.extend(news);
        }
        for task in tasks {
            state.put_task(task);
        }
    }

    /// A session, if it is here.
    pub(super) fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.lock().tails.get(&id).map(|tail| Arc::clone(&tail.session))
    }

    /// A task, if it is here.
    pub(super) fn task(&self, id: TaskId) -> Option<Arc<Task>> {
        self.lock().tasks.get(&id).cloned()
    }

    /// The entries after `after`, if all of them are here.
    pub(super) fn read(&self, id: SessionId, after: Seq, limit: usize) -> Option<Vec<Arc<Entry>>> {
        let state = self.lock();
        let tail = state.tails.get(&id)?;
        let first = Seq(tail.head.0 + 1 - tail.entries.len() as u64);
        if after >= tail.head {
            return Some(Vec::new());
        }
        let skipped = usize::try_from((after.0 + 1).checked_sub(first.0)?).ok()?;
        let entries = tail.entries.iter().skip(skipped).take(limit);
        Some(entries.map(|(entry, _)| Arc::clone(entry)).collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here is needed: what is missing is read from the database.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn extend(&mut self, news: News) {
        self.clock += 1;
        let stamp = self.clock;
        let id = news.session.id;
        let tail = self.tails.entry(id).or_insert_with(|| Tail {
            session: Arc::clone(&news.session),
            head: news.head,
            entries: VecDeque::new(),
            stamp,
        });
        self.order.remove(&tail.stamp);
        self.order.insert(stamp, id);
        tail.stamp = stamp;
        tail.session = news.session;
        tail.head = news.head;
        let share = news.bytes / news.entries.len().max(1);
        for entry in news.entries {
            let entry = as_read_back(entry);
            let bytes = ENTRY_BYTES + share + data_of(&entry).len();
            self.bytes += bytes;
            tail.entries.push_back((entry, bytes));
        }
        while tail.entries.len() > TAIL_ENTRIES {
            let (_, bytes) = tail.entries.pop_front().expect("it is not empty");
            self.bytes -= bytes;
        }
        while self.bytes > TAIL_BYTES {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            let tail = self.tails.remove(&oldest);
            let freed = tail.into_iter().flat_map(|tail| tail.entries).map(|(_, bytes)| bytes);
            self.bytes -= freed.sum::<usize>();
        }
    }

    fn put_task(&mut self, task: &Arc<Task>) {
        self.tasks.insert(task.id, Arc::clone(task));
        if task.state.is_end() {
            self.ended.push_back(task.id);
        }
        while self.ended.len() > TASKS {
            let oldest = self.ended.pop_front();
            oldest.map(|id| self.tasks.remove(&id));
        }
        if self.tasks.len() > 2 * TASKS {
            self.tasks.clear();
            self.ended.clear();
        }
    }
}

/// An entry as it is read: without data that is too long for it.
fn as_read_back(entry: Arc<Entry>) -> Arc<Entry> {
    if data_of(&entry).len() <= Happening::INLINE_OUTPUT {
        return entry;
    }
    let mut short = Entry::clone(&entry);
    if let Happening::Task { data, .. } = &mut short.what {
        *data = Bytes::new();
    }
    Arc::new(short)
}

fn data_of(entry: &Entry) -> &[u8] {
    match &entry.what {
        Happening::Task { data, .. } => data,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::id::NodeId;
    use cortex_core::id::UserId;
    use cortex_core::timestamp::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn news(session: u8, seqs: std::ops::Range<u64>, bytes: usize) -> News {
        let id = SessionId::from_bytes([session; 16]);
        let what = Happening::Attached { node: NodeId::from_bytes([1; 16]) };
        let entries = seqs.clone().map(|seq| Entry { seq: Seq(seq), at: NOW, what: what.clone() });
        News {
            session: Arc::new(Session::new(id, UserId::from_bytes([2; 16]), "talk", NOW)),
            head: Seq(seqs.end - 1),
            entries: entries.map(Arc::new).collect(),
            bytes,
        }
    }

    fn seqs(recent: &Recent, session: u8, after: u64, limit: usize) -> Option<Vec<u64>> {
        let id = SessionId::from_bytes([session; 16]);
        let read = recent.read(id, Seq(after), limit)?;
        Some(read.iter().map(|entry| entry.seq.0).collect())
    }

    #[test]
    fn only_a_whole_answer_is_given() {
        let recent = Recent::default();
        assert_eq!(seqs(&recent, 1, 0, 9), None);
        recent.publish(vec![news(1, 5..8, 10)], &[]);
        assert_eq!(seqs(&recent, 1, 3, 9), None);
        assert_eq!(seqs(&recent, 1, 4, 9), Some(vec![5, 6, 7]));
        assert_eq!(seqs(&recent, 1, 5, 1), Some(vec![6]));
        assert_eq!(seqs(&recent, 1, 7, 9), Some(vec![]));
        recent.publish(vec![news(1, 8..2_000, 10)], &[]);
        assert_eq!(seqs(&recent, 1, 7, 9), None);
        assert_eq!(seqs(&recent, 1, 1_997, 9), Some(vec![1_998, 1_999]));
    }

    #[test]
    fn the_tail_that_was_written_first_goes_first() {
        let recent = Recent::default();
        recent.publish(vec![news(1, 1..2, 10), news(2, 1..2, 10), news(1, 2..3, 10)], &[]);
        recent.publish(vec![news(3, 1..2, TAIL_BYTES - 3 * ENTRY_BYTES - 20)], &[]);
        assert_eq!(seqs(&recent, 2, 0, 9), None);
        assert_eq!(seqs(&recent, 1, 0, 9), Some(vec![1, 2]));
        assert_eq!(seqs(&recent, 3, 0, 9), Some(vec![1]));
    }
}
