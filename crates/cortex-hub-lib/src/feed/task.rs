//! One task as its readers see it: where it stands, and the newest of its output.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use tokio::sync::watch;
use tokio::time::Instant;

use super::live::Live;

/// Output that a topic keeps; who falls further behind reads the store.
const RECENT_BYTES: usize = 128 << 10;

/// Small pieces are read together up to this size, in bytes.
const JOINED_BYTES: usize = 64 << 10;

/// From so many readers on they are a crowd.
const CROWD: usize = 16;

/// A crowd is told of news this often, all at the same moments.
const BEAT: Duration = Duration::from_millis(100);

/// A task that has not ended, or whose readers are still there.
#[derive(Debug)]
pub(crate) struct TaskTopic {
    task: watch::Sender<Arc<Task>>,
    recent: Mutex<Recent>,
    /// Rings when a terminal shows something that is not stored yet.
    shown: watch::Sender<()>,
    live: Mutex<Live>,
    begun: Instant,
}

#[derive(Debug, Default)]
struct Recent {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// What was read together last: who comes next most likely wants the same.
    joined: Option<Piece>,
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
            begun: Instant::now(),
        })
    }

    /// When a reader that has read all there is may look again: at once, or at the next beat where
    /// there are many. So these read the same at the same time, and it is made ready once.
    pub(crate) fn next_beat(&self, now: Instant) -> Option<Instant> {
        if !self.is_crowded() {
            return None;
        }
        let beats = now.duration_since(self.begun).as_millis() / BEAT.as_millis() + 1;
        Some(self.begun + BEAT * u32::try_from(beats).unwrap_or(u32::MAX))
    }

    /// Whether it has many readers.
    pub(crate) fn is_crowded(&self) -> bool {
        self.task.receiver_count() >= CROWD
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
        self.lock().read(stream, offset)
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

impl Recent {
    fn read(&mut self, stream: Stream, offset: u64) -> Option<Bytes> {
        let of_stream = self.pieces.iter().filter(|piece| piece.stream == stream);
        let mut from_here = of_stream.skip_while(|piece| piece.end() <= offset);
        let first = from_here.next().filter(|piece| piece.offset <= offset)?;
        let skip = usize::try_from(offset - first.offset).unwrap_or(usize::MAX);
        let data = first.data.slice(skip..);
        let mut room = JOINED_BYTES.saturating_sub(data.len());
        let mut end = first.end();
        let more: Vec<&Bytes> = from_here
            .take_while(|piece| {
                let fits = piece.offset == end && piece.data.len() <= room;
                room = room.saturating_sub(piece.data.len());
                end = piece.end();
                fits
            })
            .map(|piece| &piece.data)
            .collect();
        if more.is_empty() {
            return Some(data);
        }
        let length = data.len() + more.iter().map(|data| data.len()).sum::<usize>();
        let is_same = |known: &&Piece| {
            (known.stream, known.offset, known.data.len()) == (stream, offset, length)
        };
        if let Some(known) = self.joined.as_ref().filter(is_same) {
            return Some(known.data.clone());
        }
        let mut joined = BytesMut::with_capacity(length);
        joined.extend_from_slice(&data);
        more.into_iter().for_each(|data| joined.extend_from_slice(data));
        let data = joined.freeze();
        self.joined = Some(Piece { stream, offset, data: data.clone() });
        Some(data)
    }
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset + self.data.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::id::SessionId;
    use cortex_core::id::TaskId;
    use cortex_core::id::UserId;
    use cortex_core::task::TaskSpec;
    use cortex_core::timestamp::Timestamp;

    use super::*;

    fn topic() -> Arc<TaskTopic> {
        let (id, session) = (TaskId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let spec = Arc::new(TaskSpec::argv(["true"]));
        let (by, now) = (UserId::from_bytes([3; 16]), Timestamp::from_millis(0));
        TaskTopic::new(Arc::new(Task::submitted(id, session, by, spec, now)))
    }

    #[test]
    fn small_pieces_are_read_together_and_streams_apart() {
        let topic = topic();
        topic.output(Stream::Stdout, 0, "ab".into());
        topic.output(Stream::Stderr, 0, "XY".into());
        topic.output(Stream::Stdout, 2, "cd".into());
        let read = |offset| topic.recent(Stream::Stdout, offset);
        assert_eq!(read(0).unwrap(), "abcd");
        assert_eq!(read(1).unwrap(), "bcd");
        assert_eq!(read(3).unwrap(), "d");
        assert_eq!(read(4), None);
        let first = read(0).unwrap();
        assert_eq!(read(0).unwrap().as_ptr(), first.as_ptr(), "it is joined once");
        topic.output(Stream::Stdout, 4, vec![b'x'; JOINED_BYTES].into());
        assert_eq!(read(0).unwrap(), "abcd");
        assert_eq!(read(4).unwrap().len(), JOINED_BYTES);
        assert_eq!(topic.recent(Stream::Stderr, 0).unwrap(), "XY");
    }

    #[test]
    fn a_crowd_looks_at_the_same_moments() {
        let topic = topic();
        let few: Vec<_> = (1..CROWD).map(|_| topic.bell()).collect();
        assert_eq!(topic.next_beat(Instant::now()), None);
        let _one_more = topic.bell();
        let beat = topic.next_beat(topic.begun).unwrap();
        assert_eq!(topic.next_beat(topic.begun + BEAT / 2), Some(beat));
        assert_eq!(topic.next_beat(beat), Some(beat + BEAT));
        drop(few);
    }
}
