//! Whether the database is still the file that was opened.
//!
//! A file that is deleted or replaced while it is open goes on taking writes that nobody will ever
//! read: what went there must not be acknowledged.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;

/// The files of a database, and which ones they were at first sight.
#[derive(Debug)]
pub(super) struct Place {
    files: [(PathBuf, Option<Identity>); 2],
}

/// Tells files apart that come to have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Place {
    /// Notes where a database that was just opened lies.
    pub(super) fn of(database: &Path) -> Self {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let files = [database.to_path_buf(), PathBuf::from(log)];
        Self { files: files.map(|path| (path, None)) }
    }

    /// Sees whether all files are still there, and the same; takes some microseconds.
    ///
    /// # Errors
    /// `Unavailable`, code `database_gone`.
    pub(super) fn check(&mut self) -> Result<()> {
        for (path, known) in &mut self.files {
            let found = std::fs::metadata(&*path).ok().map(|found| Identity::of(&found));
            if known.is_some() && *known != found {
                return Err(gone(path));
            }
            // The log is made with the first write.
            *known = found;
        }
        Ok(())
    }
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }
}

fn gone(path: &Path) -> Error {
    let message = format!("{} was deleted or replaced while the hub uses it", path.display());
    Error::new(ErrorKind::Unavailable, "write to database", message)
        .with_code("database_gone")
        .with_hint(
            "put the file back, or stop the hub and restore the data directory from a backup",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_away_or_another_one_is_seen_and_so_is_its_return() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("cortex.db");
        let aside = dir.path().join("aside");
        std::fs::write(&database, "1").unwrap();
        let mut place = Place::of(&database);
        place.check().unwrap();
        let log = dir.path().join("cortex.db-wal");
        for file in [&database, &log] {
            std::fs::write(file, "2").unwrap();
            place.check().unwrap();
            std::fs::rename(file, &aside).unwrap();
            assert_eq!(place.check().unwrap_err().code(), "database_gone");
            std::fs::write(file, "3").unwrap();
            assert_eq!(place.check().unwrap_err().code(), "database_gone");
            std::fs::rename(&aside, file).unwrap();
            place.check().unwrap();
        }
    }
}
