//! Long output: files for each stream of a task, cut as [`Segments`] says.
//!
//! Bytes are on the disk before the row that speaks of them is committed. What lies in a file
//! beyond the task's stored total was never acknowledged, and is written over. A file goes after the
//! row is committed that leaves all of it out.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::TaskId;
use cortex_core::session::Happening;
use cortex_core::task::Gap;
use cortex_core::task::Stream;
use cortex_core::task::TaskEvent;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;

use super::segments::Segments;
use super::segments::file_of;
use crate::store::writer::INLINE_STREAM;
use crate::store::writer::is_inline;

/// Turns that are remembered before those that nobody waits for are forgotten.
const IDLE_TURNS: usize = 64;

/// One stream of a task.
pub(super) type Key = (TaskId, Stream);

/// A stream's turn: whoever has it may write to its file.
type Turn = tokio::sync::Mutex<()>;

/// The files of long output.
#[derive(Debug)]
pub(super) struct Spills {
    directory: Arc<Path>,
    turns: Mutex<HashMap<Key, Weak<Turn>>>,
}

/// The turns that an append has.
#[derive(Debug)]
pub(super) struct Turns {
    held: BTreeMap<Key, OwnedMutexGuard<()>>,
}

/// The long output of an append.
#[derive(Debug)]
pub(super) struct Long {
    pieces: BTreeMap<Key, Vec<Piece>>,
    /// How the tasks that it belongs to are cut, once that is known.
    segments: BTreeMap<TaskId, Segments>,
}

#[derive(Debug)]
struct Piece {
    offset: u64,
    data: Bytes,
}

/// Whether an append has output that goes to a file.
pub(super) fn is_needed(what: &[Happening]) -> bool {
    what.iter().any(|what| piece(what).is_some())
}

impl Spills {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory: directory.into(), turns: Mutex::default() }
    }

    /// Waits until nobody else writes to the streams of which `what` has long output.
    pub(super) async fn take_turns(&self, what: &[Happening]) -> Result<(Turns, Long)> {
        let mut pieces = BTreeMap::<Key, Vec<Piece>>::new();
        for (key, piece) in what.iter().filter_map(piece) {
            pieces.entry(key).or_default().push(piece);
        }
        let mut held = BTreeMap::new();
        // All take their turns in the order of the keys, so nobody waits in a circle.
        for key in pieces.keys() {
            held.insert(*key, self.turn(*key).lock_owned().await);
        }
        Ok((Turns { held }, Long { pieces, segments: BTreeMap::new() }))
    }

    /// Writes long output and returns when it is on the disk; the turns stay held.
    pub(super) async fn write(&self, turns: Turns, long: Long) -> Result<Turns> {
        let directory = Arc::clone(&self.directory);
        // The turns go along, so that they stay held even if the caller is dropped meanwhile.
        let written = spawn_blocking(move || {
            for (key, pieces) in &long.pieces {
                let Some(segments) = long.segments.get(&key.0) else { continue };
                write_pieces(&directory, *key, *segments, pieces)?;
            }
            Ok(turns)
        });
        let written: io::Result<Turns> = written.await.unwrap_or_else(|error| Err(error.into()));
        written.map_err(write_error)
    }

    /// Reads the bytes of one stream at `spans` of offset and length.
    pub(super) async fn read(
        &self,
        key: Key,
        segments: Segments,
        spans: Vec<(u64, usize)>,
    ) -> Result<Vec<Bytes>> {
        let directory = Arc::clone(&self.directory);
        let read = spawn_blocking(move || {
            let mut open = None;
            let read = |(offset, len)| {
                let mut data = vec![0; len];
                for part in segments.parts(offset, len) {
                    let file = file(&mut open, part.index, || {
                        File::open(file_of(&directory, key.0, key.1, part.index))
                    })?;
                    file.read_exact_at(&mut data[part.range], part.at)?;
                }
                Ok(Bytes::from(data))
            };
            spans.into_iter().map(read).collect()
        });
        let read: io::Result<_> = read.await.unwrap_or_else(|error| Err(error.into()));
        read.map_err(|error| {
            let message = format!("stored output of {} cannot be read", key.0);
            let error = Error::new(ErrorKind::Internal, "read output", message).with_source(error);
            error.with_code("output_damaged")
        })
    }

    /// Removes the files of which nothing is stored any more, since the bytes from `from` on are
    /// left out.
    pub(super) async fn remove(&self, key: Key, segments: Segments, gap: Gap, from: u64) {
        let emptied = segments.emptied(gap, from);
        if emptied.is_empty() {
            return;
        }
        let directory = Arc::clone(&self.directory);
        let removed = spawn_blocking(move || {
            for index in emptied {
                let path = file_of(&directory, key.0, key.1, index);
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        tracing::warn!(path = %path.display(), %error, "output stays on the disk");
                    }
                    _ => {}
                }
            }
        });
        // A file that stays takes room and does no harm.
        let _ = removed.await;
    }

    fn turn(&self, key: Key) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        if turns.len() >= IDLE_TURNS {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::new(Turn::default());
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }
}

impl Turns {
    /// The streams that are held.
    pub(super) fn streams(&self) -> impl Iterator<Item = Key> {
        self.held.keys().copied()
    }
}

impl Long {
    /// Says how a task's output is cut; of what nothing is said, nothing is written.
    pub(super) fn cut(&mut self, task: TaskId, segments: Segments) {
        self.segments.insert(task, segments);
    }

    /// Whether this may be written to a stream of which `stored` bytes have come.
    ///
    /// Nothing acknowledged is ever written over. A gap is left only for output that is short
    /// enough for the database and may be on its way to it; if it does not come, the writer
    /// refuses what follows.
    pub(super) fn fits(&self, task: TaskId, stream: Stream, stored: u64) -> bool {
        let mut end = stored.saturating_add(INLINE_STREAM);
        self.pieces.get(&(task, stream)).is_none_or(|pieces| {
            pieces.iter().all(|piece| {
                let fits = (stored..=end).contains(&piece.offset);
                end = piece.offset.saturating_add(piece.data.len() as u64);
                fits
            })
        })
    }
}

fn piece(what: &Happening) -> Option<(Key, Piece)> {
    let Happening::Task { task, event: TaskEvent::Output { stream, offset, .. }, data } = what
    else {
        return None;
    };
    let is_long = !data.is_empty() && !is_inline(*offset, data.len());
    is_long.then(|| ((*task, *stream), Piece { offset: *offset, data: data.clone() }))
}

fn write_pieces(
    directory: &Path,
    (task, stream): Key,
    segments: Segments,
    pieces: &[Piece],
) -> io::Result<()> {
    let mut open = None;
    for piece in pieces {
        for part in segments.parts(piece.offset, piece.data.len()) {
            if let Some((index, file)) = &open
                && *index != part.index
            {
                File::sync_data(file)?;
            }
            let file = file(&mut open, part.index, || {
                open_or_make(directory, &file_of(directory, task, stream, part.index))
            })?;
            file.write_all_at(&piece.data[part.range], part.at)?;
        }
    }
    open.map_or(Ok(()), |(_, file)| file.sync_data())
}

/// The file of that index: the one that is open, or the one that `opens` opens.
fn file(
    open: &mut Option<(u64, File)>,
    index: u64,
    opens: impl FnOnce() -> io::Result<File>,
) -> io::Result<&File> {
    if open.as_ref().is_none_or(|(known, _)| *known != index) {
        *open = Some((index, opens()?));
    }
    open.as_ref().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn open_or_make(directory: &Path, path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true), 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = options.create_new(true).open(path)?;
            // The file's name must survive a crash as its bytes do.
            File::open(directory)?.sync_all()?;
            Ok(file)
        }
        opened => opened,
    }
}

fn write_error(error: io::Error) -> Error {
    let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let (kind, code) = if is_full {
        (ErrorKind::Unavailable, "disk_full")
    } else {
        (ErrorKind::Internal, "output_unwritable")
    };
    Error::new(kind, "write output", "output could not be written to the data directory")
        .with_code(code)
        .with_source(error)
}
