//! The file with the contexts: read as it is, changed under a lock, replaced as a whole.

use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use crate::context::Contexts;
use crate::exit::Failure;
use crate::exit::Result;

/// Where contexts are remembered.
#[derive(Debug, Clone)]
pub(crate) struct ContextFile {
    path: PathBuf,
}

impl ContextFile {
    /// The file in the configuration folder; `xdg` is `XDG_CONFIG_HOME` and `home` is `HOME`.
    ///
    /// `None` if neither names an absolute folder.
    pub(crate) fn find(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Option<Self> {
        let folder = xdg
            .filter(|folder| folder.is_absolute())
            .or_else(|| Some(home.filter(|home| home.is_absolute())?.join(".config")))?;
        Some(Self { path: folder.join("cortex").join("config.yaml") })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it; no file is an empty one.
    ///
    /// # Errors
    /// A file that cannot be read or is not of the right shape, with line and column.
    pub(crate) fn read(&self) -> Result<Contexts> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contexts::default()),
            Err(error) => return Err(Failure::file("read", &self.path, &error)),
        };
        if text.trim().is_empty() {
            return Ok(Contexts::default());
        }
        serde_yaml::from_str(&text).map_err(|error| {
            Failure::usage(format!("{}: {error}", self.path.display()))
                .or_hint("correct the file, or move it away and sign in again")
        })
    }

    /// Changes it: reads it anew under a lock, lets `change` work on it, and replaces it.
    ///
    /// # Errors
    /// What `change` returns, then nothing is written; what reading and writing return.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Contexts) -> Result<T>) -> Result<T> {
        let _lock = self.lock()?;
        let mut contexts = self.read()?;
        let out = change(&mut contexts)?;
        self.write(&contexts)?;
        Ok(out)
    }

    /// Waits until no other process changes the file, and keeps others from it until the answer
    /// is dropped.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub(crate) fn lock(&self) -> Result<File> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| Failure::file("make", folder, &error))?;
        let path = self.path.with_extension("lock");
        let failed = |error: io::Error| Failure::file("lock", &path, &error);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// Replaces it, mode 0600. The caller holds the lock.
    ///
    /// # Errors
    /// The file cannot be written; the old one is still there.
    pub(crate) fn write(&self, contexts: &Contexts) -> Result<()> {
        let text = serde_yaml::to_string(contexts).map_err(|error| {
            Failure::new(
                cortex_core::ErrorKind::Internal,
                format!("cannot write {}: {error}", self.path.display()),
            )
        })?;
        write_private(&self.path, text.as_bytes())
    }
}

/// Replaces the file at `path` by one with mode 0600, all or nothing.
///
/// # Errors
/// The folder or the file cannot be written; an old file is still there then.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", uuid::Uuid::new_v4().simple()));
    let beside = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| {
        // Either it was never made, or it is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
        Failure::file("write", path, &error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::context::Context;

    fn contexts() -> Contexts {
        let context = Context {
            hub: "http://127.0.0.1:8080".into(),
            ca: None,
            token: Some("cxt1.a.b".to_owned().into()),
            login: None,
        };
        Contexts { current: Some("dev".into()), contexts: [("dev".to_owned(), context)].into() }
    }

    #[test]
    fn what_is_written_is_read_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = ContextFile::find(Some(folder.path().to_owned()), None).unwrap();
        assert_eq!(file.read().unwrap(), Contexts::default());
        file.update(|all| {
            *all = contexts();
            Ok(())
        })
        .unwrap();
        assert_eq!(file.read().unwrap(), contexts());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(file.path()), 0o600);
        assert_eq!(mode(file.path().parent().unwrap()), 0o700);
    }

    #[test]
    fn a_failed_change_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = ContextFile::find(Some(folder.path().to_owned()), None).unwrap();
        let refused = file.update(|all| {
            *all = contexts();
            Err::<(), _>(Failure::usage("no"))
        });
        assert!(refused.is_err());
        assert_eq!(file.read().unwrap(), Contexts::default());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = ContextFile::find(Some(folder.path().to_owned()), None).unwrap();
        std::fs::create_dir(folder.path().join("cortex")).unwrap();
        std::fs::write(file.path(), "curent: dev\n").unwrap();
        let failure = file.read().unwrap_err();
        assert!(failure.message().contains("curent"), "{failure}");
        assert!(failure.message().contains("line 1"), "{failure}");
    }

    #[test]
    fn a_relative_folder_does_not_count() {
        let file = ContextFile::find(Some("relative".into()), Some("/home/ada".into())).unwrap();
        assert_eq!(file.path(), Path::new("/home/ada/.config/cortex/config.yaml"));
        assert!(ContextFile::find(None, None).is_none());
    }
}
