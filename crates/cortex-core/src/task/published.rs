//! Files that a running skill publishes.
//!
//! Their bytes come one file after the other on [`Stream::Files`](super::Stream::Files); a file is
//! there once all of them are, and what is stored has the digest that its node states.

use serde::Deserialize;
use serde::Serialize;

use super::OutputTotals;
use crate::digest::Digest;

/// How many files one attempt may publish.
pub const MAX_PUBLISHED: usize = 64;

/// The largest file, in bytes: 64 MiB.
pub const MAX_PUBLISHED_FILE: u64 = 64 << 20;

/// What one attempt may publish, in bytes: 256 MiB. Files that were given up half-way count.
pub const MAX_PUBLISHED_BYTES: u64 = 256 << 20;

/// The longest name, in bytes; short enough for every file system with something behind it.
const MAX_NAME_BYTES: usize = 128;

/// What some file systems take for something else than a part of a path.
const SPECIAL: [char; 9] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|'];

/// What Windows takes for devices, whatever stands behind a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A file that a node has sent in full, as the node names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentFile {
    /// Its name, which [`is_portable`].
    pub name: String,
    /// Where among the attempt's own bytes of [`Stream::Files`](super::Stream::Files) it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
}

/// A file that a task has published: complete, and with this digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFile {
    /// Its name, which [`is_portable`].
    pub name: String,
    /// The attempt that published it.
    pub attempt: u32,
    /// Where on [`Stream::Files`](super::Stream::Files) it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
}

/// Why a file cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// It has no name that every file system takes.
    #[error(
        "{0:?} is no name for a file: 1 to {MAX_NAME_BYTES} bytes, one part of a path that every \
         system takes, not beginning with a dot or dash"
    )]
    Name(String),
    /// The attempt has published one of that name.
    #[error("a file {0:?} was published already")]
    Twice(String),
    /// There are too many.
    #[error("a task can publish {MAX_PUBLISHED} files")]
    Number,
    /// It is too large.
    #[error("a file can have {MAX_PUBLISHED_FILE} bytes")]
    Size,
    /// All together are too large.
    #[error("all files of a task can have {MAX_PUBLISHED_BYTES} bytes together")]
    Bytes,
    /// It has bytes that did not come, or that belong to another file.
    #[error("{0:?} has other bytes than came for it")]
    Place(String),
}

impl SentFile {
    /// The file as its task has it; `before` is what earlier attempts put out.
    #[must_use]
    pub fn of_attempt(self, attempt: u32, before: &OutputTotals) -> PublishedFile {
        let Self { name, offset, size, digest } = self;
        let offset = before.files.arrived().saturating_add(offset);
        PublishedFile { name, attempt, offset, size, digest }
    }
}

impl PublishedFile {
    /// Where its bytes end.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }

    /// Whether the least careful file system would lay both in one place.
    #[must_use]
    pub fn is_named_like(&self, name: &str) -> bool {
        self.name.to_lowercase() == name.to_lowercase()
    }

    /// Adds the file to those of its task: in place of one that an earlier attempt published under
    /// that name.
    pub(super) fn join(
        &self,
        files: &mut Vec<PublishedFile>,
        output: &OutputTotals,
        before: &OutputTotals,
    ) -> Result<(), FileFault> {
        check_name(&self.name)?;
        if self.size > MAX_PUBLISHED_FILE {
            return Err(FileFault::Size);
        }
        let own = || files.iter().filter(|file| file.attempt == self.attempt);
        if own().any(|file| file.is_named_like(&self.name)) {
            return Err(FileFault::Twice(self.name.clone()));
        }
        if own().count() >= MAX_PUBLISHED {
            return Err(FileFault::Number);
        }
        let behind = own().map(PublishedFile::end).max().unwrap_or(before.files.arrived());
        if self.offset < behind || self.end() > output.files.arrived() {
            return Err(FileFault::Place(self.name.clone()));
        }
        files.retain(|file| !file.is_named_like(&self.name));
        files.push(self.clone());
        Ok(())
    }
}

/// Whether a name can be given to a file on every system, and says nothing of a place.
#[must_use]
pub fn is_portable(name: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !SPECIAL.contains(&c);
    let stem = name.split('.').next().unwrap_or_default().to_lowercase();
    let is_port = |word: &str| {
        let number = stem.strip_prefix(word);
        number.is_some_and(|number| number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()))
    };
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.chars().all(is_plain)
        && !name.starts_with(['.', '-', ' '])
        && !name.ends_with(['.', ' '])
        && !DEVICES.contains(&stem.trim_end())
        && !is_port("com")
        && !is_port("lpt")
}

/// Checks a name.
///
/// # Errors
/// [`FileFault::Name`].
pub fn check_name(name: &str) -> Result<(), FileFault> {
    if is_portable(name) { Ok(()) } else { Err(FileFault::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::StreamTotals;

    fn totals(files: u64) -> OutputTotals {
        let files = StreamTotals { stored: files, ..StreamTotals::default() };
        OutputTotals { files, ..OutputTotals::default() }
    }

    fn file(name: &str, attempt: u32, offset: u64, size: u64) -> PublishedFile {
        PublishedFile { name: name.to_owned(), attempt, offset, size, digest: Digest::of(b"") }
    }

    #[test]
    fn a_name_is_one_part_of_a_path_on_every_system() {
        for name in ["plot.png", "a b", "ä", "con-1", "com10", "x..y", &"x".repeat(MAX_NAME_BYTES)]
        {
            assert!(is_portable(name), "{name:?}");
        }
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for name in [
            "",
            ".",
            "..",
            ".bashrc",
            "-rf",
            " a",
            "a ",
            "a.",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "c:x",
            "a\0",
            "a\n",
            "a\u{1b}[2J",
            "CON",
            "nul.txt",
            "com1",
            "LPT9.log",
            "a?",
            &long,
        ] {
            assert_eq!(check_name(name), Err(FileFault::Name(name.to_owned())), "{name:?}");
        }
    }

    #[test]
    fn files_lie_behind_each_other_and_have_names_of_their_own() {
        let (none, mut files) = (totals(0), Vec::new());
        let mut join = |file: PublishedFile| file.join(&mut files, &totals(10), &none);
        assert_eq!(join(file("a", 1, 0, 4)), Ok(()));
        assert_eq!(join(file("A", 1, 4, 1)), Err(FileFault::Twice("A".into())));
        for (offset, size) in [(3, 1), (4, 7), (11, 0), (u64::MAX, 1)] {
            let refused = join(file("b", 1, offset, size));
            assert_eq!(refused, Err(FileFault::Place("b".into())), "{offset} {size}");
        }
        // What was given up half-way lies between them.
        assert_eq!(join(file("b", 1, 6, 4)), Ok(()));
        assert_eq!(join(file("empty", 1, 10, 0)), Ok(()));
        let large = file("c", 1, 10, MAX_PUBLISHED_FILE + 1);
        assert_eq!(join(large), Err(FileFault::Size));
    }

    #[test]
    fn a_later_attempt_publishes_in_place_of_an_earlier_one() {
        let mut files = vec![file("a", 1, 0, 4), file("b", 1, 4, 4)];
        let own = SentFile { name: "A".into(), offset: 0, size: 2, digest: Digest::of(b"") };
        let own = own.of_attempt(2, &totals(8));
        assert_eq!((own.offset, own.end()), (8, 10));
        own.join(&mut files, &totals(10), &totals(8)).unwrap();
        let names: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.attempt)).collect();
        assert_eq!(names, [("b", 1), ("A", 2)]);
        let early = file("c", 2, 7, 1);
        assert!(early.join(&mut files, &totals(10), &totals(8)).is_err());
    }

    #[test]
    fn there_are_so_many_at_most() {
        let mut files = Vec::new();
        for number in 0..MAX_PUBLISHED {
            file(&number.to_string(), 1, 0, 0).join(&mut files, &totals(0), &totals(0)).unwrap();
        }
        let more = file("more", 1, 0, 0).join(&mut files, &totals(0), &totals(0));
        assert_eq!(more, Err(FileFault::Number));
    }
}
