//! A directory for one call of a skill, with the files that came with it.

use std::fs::DirBuilder;
use std::fs::OpenOptions;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::skill;
use cortex_core::task::InputFile;
use tokio::sync::OnceCell;

use crate::uplink::AttemptKey;

/// Where the directories of all calls lie, below the node's data directory.
const ALL: &str = "calls";

/// The directory of one attempt; made when it is first asked for.
#[derive(Debug)]
pub(super) struct Workdir {
    path: PathBuf,
    files: Vec<InputFile>,
    made: OnceCell<()>,
}

impl Workdir {
    pub(super) fn of(data_dir: &Path, key: AttemptKey, files: Vec<InputFile>) -> Self {
        let path = data_dir.join(ALL).join(format!("{}-{}", key.task, key.attempt));
        Self { path, files, made: OnceCell::new() }
    }

    /// Makes it, unless it is there.
    ///
    /// # Errors
    /// `Internal`: it cannot be made, or a file cannot be written.
    pub(super) async fn get(&self) -> Result<skill::Workdir> {
        let make = || async {
            let (path, files) = (self.path.clone(), self.files.clone());
            let made = tokio::task::spawn_blocking(move || lay_out(&path, &files)).await;
            made.unwrap_or_else(|broken| Err(io::Error::other(broken)))
        };
        self.made.get_or_try_init(make).await.map_err(|error| {
            let message = format!("cannot make {}: {error}", self.path.display());
            Error::new(ErrorKind::Internal, "make directory of call", message).with_source(error)
        })?;
        let files = self.files.iter().map(|file| self.path.join(&file.name)).collect();
        Ok(skill::Workdir { path: self.path.clone(), files })
    }

    /// Removes it with all that is in it.
    pub(super) async fn remove(&self) {
        // A call that could not be laid out may have left a part.
        if self.made.get().is_none() && self.files.is_empty() {
            return;
        }
        let path = self.path.clone();
        let removed = tokio::task::spawn_blocking(move || remove(&path)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(path = %self.path.display(), %error, "a call's directory stays");
        }
    }
}

/// Removes what an earlier run of the node left.
pub(super) fn remove_leftovers(data_dir: &Path) {
    let all = data_dir.join(ALL);
    if let Err(error) = remove(&all) {
        tracing::warn!(path = %all.display(), %error, "directories of earlier calls stay");
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn lay_out(path: &Path, files: &[InputFile]) -> io::Result<()> {
    remove(path)?;
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for file in files {
        let path = path.join(&file.name);
        let mut open = OpenOptions::new();
        open.write(true).create_new(true).mode(0o600).open(path)?.write_all(&file.data)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use bytes::Bytes;
    use cortex_core::id::TaskId;

    use super::*;

    const KEY: AttemptKey = AttemptKey { task: TaskId::from_bytes([1; 16]), attempt: 2 };

    fn file(name: &str, data: &'static [u8]) -> InputFile {
        InputFile { name: name.to_owned(), data: Bytes::from_static(data) }
    }

    #[tokio::test]
    async fn files_lie_in_a_private_directory_until_the_end() {
        let data = tempfile::tempdir().unwrap();
        let dir = Workdir::of(data.path(), KEY, vec![file("a", b"\xff\0"), file("b", b"")]);
        let made = dir.get().await.unwrap();
        assert_eq!(std::fs::read(&made.files[0]).unwrap(), b"\xff\0");
        assert_eq!(std::fs::read(&made.files[1]).unwrap(), b"");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&made.path), mode(&made.files[0])), (0o700, 0o600));
        std::fs::write(made.path.join("more"), "x").unwrap();
        // It is made once.
        assert_eq!(dir.get().await.unwrap(), made);
        assert!(made.path.join("more").exists());
        dir.remove().await;
        assert!(!made.path.exists());
    }

    #[tokio::test]
    async fn who_asks_for_none_leaves_no_trace_and_what_a_crash_left_is_removed() {
        let data = tempfile::tempdir().unwrap();
        Workdir::of(data.path(), KEY, Vec::new()).remove().await;
        assert!(!data.path().join(ALL).exists());
        let lost = Workdir::of(data.path(), KEY, vec![file("a", b"x")]);
        let made = lost.get().await.unwrap();
        remove_leftovers(data.path());
        assert!(!made.path.exists());
        remove_leftovers(data.path());
    }
}
