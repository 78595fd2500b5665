//! Private files: made with their final mode, brought to the disk, refused when others can read
//! them.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use zeroize::Zeroizing;

use super::OPERATION;
use super::RESTORE;

/// More than any file of the vault can have.
const MAX_BYTES: usize = 16 << 10;

/// Bits of a mode that let anybody but the owner in.
const OTHERS: u32 = 0o077;

pub(super) fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|error| failed("look at", path, error))
}

/// Makes a folder and those above it, for the owner only where they are new.
pub(super) fn make_parents(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| failed("make", path, error))
}

/// Makes a folder that must not exist yet.
pub(super) fn make_private(path: &Path) -> Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path).map_err(|error| failed("make", path, error))
}

/// Removes what a start that was cut off has left behind.
pub(super) fn remove_left_over(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

/// Writes a file that must not exist yet, readable by its owner only, and brings it to the disk.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(|error| failed("write", path, error))
}

/// What a file is called while it is being replaced: its name with this at its end.
pub(super) const DRAFT: &str = ".new";

/// Makes or replaces a file: after a crash there is the old one or the new one, never a part.
pub(super) fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let (path, draft) = (folder.join(name), folder.join(format!("{name}{DRAFT}")));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &draft, error));
        }
        _ => {}
    }
    write(&draft, bytes)?;
    rename(&draft, &path)?;
    bring_to_disk(folder)
}

/// Removes a file, also from the disk's list of names.
pub(super) fn remove(folder: &Path, name: &str) -> Result<()> {
    let path = folder.join(name);
    fs::remove_file(&path).map_err(|error| failed("remove", &path, error))?;
    bring_to_disk(folder)
}

/// The names of all files in a folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let cannot = |error| failed("look into", folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        names.extend(entry.map_err(cannot)?.file_name().into_string());
    }
    Ok(names)
}

/// Brings a folder's list of names to the disk.
pub(super) fn bring_to_disk(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed("bring to disk", folder, error))
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| failed("rename to", to, error))
}

/// Refuses a folder that others can look into.
pub(super) fn check_folder(path: &Path) -> Result<()> {
    let mode =
        fs::metadata(path).map_err(|error| failed("look at", path, error))?.permissions().mode();
    check_mode(path, mode, 0o700)
}

/// Reads a file, unless others can read it too.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path).map_err(|error| failed("read", path, error))?;
    // Judged on the open file, so that nobody can swap it in between.
    let metadata = file.metadata().map_err(|error| failed("read", path, error))?;
    check_mode(path, metadata.permissions().mode(), 0o600)?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES as u64 {
        return Err(super::damaged(path));
    }
    // Room for all of it at once: growing would leave copies in freed memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    file.take(MAX_BYTES as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| failed("read", path, error))?;
    Ok(bytes)
}

fn check_mode(path: &Path, mode: u32, wanted: u32) -> Result<()> {
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let message =
        format!("{} can be read or changed by others (mode {:o})", path.display(), mode & 0o7777);
    Err(Error::new(Kind::Precondition, OPERATION, message)
        .with_code("secrets_exposed")
        .with_hint(format!("run: chmod {wanted:o} '{}'", path.display())))
}

fn failed(act: &str, path: &Path, error: io::Error) -> Error {
    let message = format!("cannot {act} {}: {error}", path.display());
    let (code, hint) = match error.kind() {
        io::ErrorKind::NotFound => ("trust_incomplete", RESTORE),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ("data_dir_denied", "let the hub's user own the data directory, or name another one")
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => {
            ("data_dir_in_use", "another hub is starting in this data directory")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ("disk_full", "make room on this file system")
        }
        _ => ("data_dir_failed", "check the file system of the data directory"),
    };
    Error::new(Kind::Precondition, OPERATION, message)
        .with_code(code)
        .with_hint(hint)
        .with_source(error)
}
