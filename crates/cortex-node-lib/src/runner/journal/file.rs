//! The journal's file: filled in advance, written from the front, replaced as a whole.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use super::record;
use super::record::Entries;

/// Size of the file that a start makes, in bytes: enough for a thousand tasks.
const FIRST_FILE_BYTES: usize = 256 << 10;

/// Size of the files after it, in bytes: a node that gets here is busy, and each new file takes
/// several syncs. More only where more is known than fits into half of it.
const FILE_BYTES: usize = 4 << 20;

/// First bytes of a file; a new layout gets new ones.
const MAGIC: &[u8; 8] = b"cortexj2";

/// A larger file is none of ours.
const MAX_FILE_BYTES: u64 = 1 << 30;

#[derive(Debug)]
pub(super) struct JournalFile {
    path: PathBuf,
    file: File,
    end: usize,
    size: usize,
}

impl JournalFile {
    /// Opens the file and reads what is known, or makes it.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Entries)> {
        let mut entries = Entries::new();
        match File::open(path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
                read_into(&bytes, &mut entries)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // A fresh file at each start: a torn tail is left behind for good.
        let file = Self::make(path, &entries, FIRST_FILE_BYTES)?;
        Ok((file, entries))
    }

    /// Writes records behind those that are there; durable once this returns, where it is asked.
    pub(super) fn append(&mut self, bytes: &[u8], durable: bool) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end as u64)?;
        if durable {
            self.file.sync_data()?;
        }
        self.end += bytes.len();
        Ok(())
    }

    /// Whether as many bytes fit.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.end + len <= self.size
    }

    /// Replaces the file by one that holds only what is known.
    pub(super) fn compact(&mut self, entries: &Entries) -> io::Result<()> {
        *self = Self::make(&self.path, entries, FILE_BYTES)?;
        Ok(())
    }

    fn make(path: &Path, entries: &Entries, least: usize) -> io::Result<Self> {
        let mut content = MAGIC.to_vec();
        for (key, entry) in entries {
            for known in record::records_of(entry) {
                record::encode(*key, &known, &mut content);
            }
        }
        let end = content.len();
        let size = least.max(2 * end);
        // Zeros that are written, not only allocated: a first write to an allocated block would
        // change the file system's metadata.
        content.resize(size, 0);
        let beside = path.with_extension("new");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all_at(&content, 0)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { path: path.to_path_buf(), file, end, size })
    }
}

fn read_into(bytes: &[u8], entries: &mut Entries) -> io::Result<()> {
    let Some(records) = bytes.strip_prefix(MAGIC) else {
        let is_cut = bytes.len() < MAGIC.len() && MAGIC.starts_with(bytes);
        let message = "it is of another version of the node, or no journal";
        return if is_cut { Ok(()) } else { Err(io::Error::other(message)) };
    };
    record::decode_all(records, |key, known| record::apply(entries, key, known));
    Ok(())
}
