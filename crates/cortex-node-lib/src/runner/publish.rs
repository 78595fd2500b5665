//! Files that a skill publishes, on their way into the outbox.
//!
//! They go one after the other, in pieces that wait for the hub as output does, so a file of any
//! size takes little memory. What was read is what is hashed and sent.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

use bytes::Bytes;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::receipt::StreamHash;
use cortex_core::skill::FileContent;
use cortex_core::task::FileFault;
use cortex_core::task::MAX_PUBLISHED;
use cortex_core::task::MAX_PUBLISHED_BYTES;
use cortex_core::task::MAX_PUBLISHED_FILE;
use cortex_core::task::SentFile;
use cortex_core::task::Stream;
use cortex_core::task::check_name;
use rustix::fs::Mode;
use rustix::fs::OFlags;

use super::workdir::Workdir;
use crate::uplink::AttemptKey;
use crate::uplink::Outbox;
use crate::uplink::Transcript;

const OPERATION: &str = "publish file";

/// How much is read and hashed at once, in bytes.
const PIECE: usize = 256 << 10;

/// What one attempt has published. Who holds it publishes next.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    names: tokio::sync::Mutex<BTreeSet<String>>,
}

/// Where an attempt's files go.
#[derive(Debug)]
pub(super) struct Way<'a> {
    pub(super) key: AttemptKey,
    pub(super) outbox: &'a Outbox,
    pub(super) transcript: &'a Transcript,
}

/// What is left to read of a file.
enum Source {
    Bytes(Bytes),
    File(File),
}

impl Shelf {
    /// Publishes a file; returns when all of it is in the outbox.
    ///
    /// # Errors
    /// As [`Console::publish`](cortex_core::skill::Console::publish) says.
    pub(super) async fn publish(
        &self,
        way: &Way<'_>,
        workdir: &Workdir,
        name: &str,
        content: FileContent,
    ) -> Result<()> {
        check_name(name).map_err(|fault| refused(&fault))?;
        let mut names = self.names.lock().await;
        // Names are compared as the least careful file system does.
        let key = name.to_lowercase();
        if names.contains(&key) {
            return Err(refused(&FileFault::Twice(name.to_owned())));
        }
        if names.len() >= MAX_PUBLISHED {
            return Err(refused(&FileFault::Number));
        }
        let mut source = match content {
            FileContent::Bytes(bytes) => Source::Bytes(bytes),
            FileContent::Path(path) => Source::File(open(workdir, path).await?),
        };
        let offset = way.outbox.put_out(way.key, Stream::Files);
        // What is too large as it is leaves its room to others.
        check_size(offset, source.size()?)?;
        let (mut hash, mut size) = (StreamHash::default(), 0);
        loop {
            let piece = source.next().await?;
            if piece.is_empty() {
                break;
            }
            size += piece.len() as u64;
            check_size(offset, size)?;
            hash.update(&piece);
            way.outbox.write(way.key, Stream::Files, piece, way.transcript).await;
        }
        let digest = hash.finish(false).digest;
        let file = SentFile { name: name.to_owned(), offset, size, digest };
        way.outbox.file(way.key, file, way.transcript);
        names.insert(key);
        Ok(())
    }
}

impl Source {
    fn size(&self) -> Result<u64> {
        match self {
            Source::Bytes(bytes) => Ok(bytes.len() as u64),
            Source::File(file) => file.metadata().map(|file| file.len()).map_err(unreadable),
        }
    }

    /// The next piece; an empty one at the end.
    async fn next(&mut self) -> Result<Bytes> {
        match self {
            Source::Bytes(bytes) => Ok(bytes.split_to(bytes.len().min(PIECE))),
            Source::File(file) => {
                let file = file.try_clone().map_err(unreadable)?;
                blocking(move || {
                    let mut piece = Vec::new();
                    file.take(PIECE as u64).read_to_end(&mut piece)?;
                    Ok(piece.into())
                })
                .await
                .map_err(unreadable)
            }
        }
    }
}

/// Opens a file of the call's directory; links that lead out of it are not followed.
async fn open(workdir: &Workdir, path: PathBuf) -> Result<File> {
    let dir = workdir.get().await?.path;
    let shown = path.display().to_string();
    let opened = blocking(move || open_below(&dir, &path)).await;
    let outside = |why: &str| {
        let message = format!("{shown} {why}");
        Error::new(ErrorKind::Invalid, OPERATION, message).with_code("file_path")
    };
    match opened {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(outside("is no file in the directory of the call")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(outside("is not there")),
        Err(error) => Err(unreadable(error)),
    }
}

fn open_below(dir: &Path, path: &Path) -> io::Result<Option<File>> {
    let dir = dir.canonicalize()?;
    let real = dir.join(path).canonicalize()?;
    if !real.starts_with(&dir) {
        return Ok(None);
    }
    // Whatever is put in its place meanwhile is not followed, and not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(&real, flags, Mode::empty())?);
    Ok(file.metadata()?.is_file().then_some(file))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|broken| Err(io::Error::other(broken)))
}

fn check_size(offset: u64, size: u64) -> Result<()> {
    if size > MAX_PUBLISHED_FILE {
        return Err(refused(&FileFault::Size));
    }
    if offset.saturating_add(size) > MAX_PUBLISHED_BYTES {
        return Err(refused(&FileFault::Bytes));
    }
    Ok(())
}

fn refused(fault: &FileFault) -> Error {
    let (kind, code) = match fault {
        FileFault::Twice(_) => (ErrorKind::Exists, "file_exists"),
        FileFault::Number => (ErrorKind::Exhausted, "too_many_files"),
        FileFault::Size | FileFault::Bytes => (ErrorKind::Exhausted, "file_too_large"),
        _ => (ErrorKind::Invalid, "file_name"),
    };
    Error::new(kind, OPERATION, fault.to_string()).with_code(code)
}

fn unreadable(error: io::Error) -> Error {
    let message = format!("it cannot be read: {error}");
    Error::new(ErrorKind::Internal, OPERATION, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use cortex_core::digest::Digest;
    use cortex_core::id::TaskId;

    use super::*;

    const KEY: AttemptKey = AttemptKey { task: TaskId::from_bytes([1; 16]), attempt: 1 };

    struct Desk {
        outbox: Outbox,
        transcript: Transcript,
        shelf: Shelf,
        workdir: Workdir,
        _data: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Self {
            let data = tempfile::tempdir().unwrap();
            let outbox = Outbox::new();
            outbox.admit(KEY);
            let workdir = Workdir::of(data.path(), KEY, Vec::new());
            let transcript = Transcript::default();
            Self { outbox, transcript, shelf: Shelf::default(), workdir, _data: data }
        }

        async fn publish(&self, name: &str, content: FileContent) -> Result<()> {
            let way = Way { key: KEY, outbox: &self.outbox, transcript: &self.transcript };
            self.shelf.publish(&way, &self.workdir, name, content).await
        }

        async fn code(&self, name: &str, content: FileContent) -> String {
            self.publish(name, content).await.unwrap_err().code().to_owned()
        }
    }

    fn bytes(bytes: &'static [u8]) -> FileContent {
        FileContent::Bytes(Bytes::from_static(bytes))
    }

    #[tokio::test]
    async fn what_cannot_be_published_is_refused_and_says_why() {
        let desk = Desk::new();
        desk.publish("a", bytes(b"1")).await.unwrap();
        assert_eq!(desk.code("A", bytes(b"2")).await, "file_exists");
        assert_eq!(desk.code("../a", bytes(b"2")).await, "file_name");
        let large = vec![0; usize::try_from(MAX_PUBLISHED_FILE).unwrap() + 1];
        assert_eq!(desk.code("b", FileContent::Bytes(large.into())).await, "file_too_large");
        // What was refused took no room.
        assert_eq!(desk.outbox.put_out(KEY, Stream::Files), 1);
        for number in 1..MAX_PUBLISHED {
            desk.publish(&format!("n{number}"), bytes(b"")).await.unwrap();
        }
        assert_eq!(desk.code("one-more", bytes(b"")).await, "too_many_files");
    }

    #[tokio::test]
    async fn only_files_of_the_calls_directory_are_published_by_path() {
        let desk = Desk::new();
        let dir = desk.workdir.get().await.unwrap().path;
        std::fs::write(dir.join("in"), b"abc").unwrap();
        std::fs::write(dir.join("../out"), b"secret").unwrap();
        std::os::unix::fs::symlink("../out", dir.join("link")).unwrap();
        std::os::unix::fs::symlink("in", dir.join("inner")).unwrap();
        for path in ["../out", "/etc/passwd", "link", ".", "none"] {
            assert_eq!(desk.code("x", FileContent::Path(path.into())).await, "file_path", "{path}");
        }
        desk.publish("relative", FileContent::Path("in".into())).await.unwrap();
        desk.publish("absolute", FileContent::Path(dir.join("in"))).await.unwrap();
        desk.publish("linked", FileContent::Path("inner".into())).await.unwrap();
        assert_eq!(desk.outbox.put_out(KEY, Stream::Files), 9);
    }

    #[tokio::test]
    async fn the_digest_is_that_of_the_bytes() {
        let mut source = Source::Bytes(Bytes::from(vec![7; PIECE + 1]));
        let mut hash = StreamHash::default();
        let mut pieces = Vec::new();
        loop {
            let piece = source.next().await.unwrap();
            if piece.is_empty() {
                break;
            }
            hash.update(&piece);
            pieces.push(piece.len());
        }
        assert_eq!(pieces, [PIECE, 1]);
        assert_eq!(hash.finish(false).digest, Digest::of(&vec![7; PIECE + 1]));
    }
}
