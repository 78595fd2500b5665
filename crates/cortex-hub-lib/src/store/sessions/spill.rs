//! Long output: one file for each stream of a task, written at the offsets of the stream.
//!
//! Bytes are on the disk before the row that speaks of them is committed. What lies in a file
//! beyond the task's stored total was never acknowledged, and is written over.

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
use cortex_core::task::Stream;
use cortex_core::task::TaskEvent;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;

use crate::store::writer::INLINE_STREAM;
use crate::store::writer::is_inline;

/// Turns that are remembered before those that nobody waits for are forgotten.
const IDLE_TURNS: usize = 64;

/// One stream of a task.
type Key = (TaskId, Stream);

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
        Ok((Turns { held }, Long { pieces }))
    }

    /// Writes long output and returns when it is on the disk; the turns stay held.
    pub(super) async fn write(&self, turns: Turns, long: Long) -> Result<Turns> {
        let directory = Arc::clone(&self.directory);
        // The turns go along, so that they stay held even if the caller is dropped meanwhile.
        let written = spawn_blocking(move || {
            for ((task, stream), pieces) in &long.pieces {
                write_pieces(&directory, *task, *stream, pieces)?;
            }
            Ok(turns)
        });
        let written: io::Result<Turns> = written.await.unwrap_or_else(|error| Err(error.into()));
        written.map_err(write_error)
    }

    /// Reads the bytes of one stream at `spans` of offset and length.
    pub(super) async fn read(&self, key: Key, spans: Vec<(u64, usize)>) -> Result<Vec<Bytes>> {
        let path = file_of(&self.directory, key.0, key.1);
        let read = spawn_blocking(move || {
            let file = File::open(path)?;
            let read = |(offset, len)| {
                let mut data = vec![0; len];
                file.read_exact_at(&mut data, offset)?;
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
    /// Whether this may be written to a stream of which `stored` bytes are acknowledged.
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

fn file_of(directory: &Path, task: TaskId, stream: Stream) -> PathBuf {
    let stream = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    directory.join(format!("{task}.{stream}"))
}

fn write_pieces(
    directory: &Path,
    task: TaskId,
    stream: Stream,
    pieces: &[Piece],
) -> io::Result<()> {
    let path = file_of(directory, task, stream);
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true), 0o600);
    let file = match options.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = options.create_new(true).open(&path)?;
            // The file's name must survive a crash as its bytes do.
            File::open(directory)?.sync_all()?;
            file
        }
        opened => opened?,
    };
    for piece in pieces {
        file.write_all_at(&piece.data, piece.offset)?;
    }
    file.sync_data()
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
