//! The files that a task has published, written into a directory.
//!
//! Nothing is written outside of it: names are checked here again, links are not followed, and a file
//! comes into its place when it is complete and has its digest.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use cortex_core::ErrorKind;
use cortex_core::digest::Digest;
use cortex_core::receipt::StreamHash;
use cortex_core::task::is_portable;
use cortex_proto::json::FileInfo;
use cortex_proto::json::Page;
use http_body_util::BodyExt as _;
use tempfile::NamedTempFile;

use crate::args::task::FilesArgs;
use crate::args::task::OutDirArgs;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output::span;
use crate::program::Program;

/// Where files are written.
#[derive(Debug)]
pub(crate) struct Target {
    dir: PathBuf,
    force: bool,
}

impl Target {
    /// Makes the directory, unless it is there; nothing where none was asked for.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn of(args: &OutDirArgs) -> Result<Option<Self>> {
        let Some(dir) = args.out_dir.clone() else { return Ok(None) };
        std::fs::create_dir_all(&dir).map_err(|error| Failure::file("make", &dir, &error))?;
        Ok(Some(Self { dir, force: args.force }))
    }
}

/// `task files`: prints what there is, or writes it.
///
/// # Errors
/// What the hub refuses; a file is there already, or cannot be written.
pub(crate) async fn run(program: &Program, args: &FilesArgs) -> Result<()> {
    let target = Target::of(&args.place)?;
    let mut client = program.client()?;
    match target {
        Some(target) => fetch(program, &mut client, &args.id, &target).await,
        None => program.output.list(&list(&mut client, &args.id).await?),
    }
}

/// Writes all files of a task; none where one of them is there already and may not be replaced.
///
/// # Errors
/// As [`run`].
pub(crate) async fn fetch(
    program: &Program,
    client: &mut Client,
    id: &str,
    target: &Target,
) -> Result<()> {
    let page = list(client, id).await?;
    for file in &page.items {
        let path = place_of(&target.dir, &file.name)?;
        if !target.force && path.symlink_metadata().is_ok() {
            return Err(there(&path));
        }
    }
    for file in &page.items {
        let path = place_of(&target.dir, &file.name)?;
        let whole = receive(client, id, file, &target.dir).await?;
        let placed = match target.force {
            true => whole.persist(&path),
            false => whole.persist_noclobber(&path),
        };
        placed.map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => there(&path),
            _ => Failure::file("write", &path, &error.error),
        })?;
        program.output.note(format_args!("{} ({})", path.display(), span::bytes(file.size)));
    }
    if page.items.is_empty() {
        program.output.note("the task has published no files");
    }
    Ok(())
}

async fn list(client: &mut Client, id: &str) -> Result<Page<FileInfo>> {
    client.get(Route::new("/api/tasks").segment(id).segment("files")).await
}

/// Where a file goes: right in the directory, whatever the hub says.
fn place_of(dir: &Path, name: &str) -> Result<PathBuf> {
    if is_portable(name) {
        return Ok(dir.join(name));
    }
    let message = format!("the hub names a file {name:?}, which leads elsewhere");
    Err(Failure::new(ErrorKind::Invalid, message).with_code("bad_answer"))
}

fn there(path: &Path) -> Failure {
    Failure::new(ErrorKind::Exists, format!("{} is there already", path.display()))
        .with_code("file_exists")
        .or_hint("--force replaces it")
}

/// Reads a file into one without a lasting name, and compares it with what the hub says of it.
async fn receive(
    client: &mut Client,
    id: &str,
    file: &FileInfo,
    dir: &Path,
) -> Result<NamedTempFile> {
    let unwritten = |error: std::io::Error| Failure::file("write into", dir, &error);
    // As any new file: what the user's mask leaves of it.
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(".cortex-").permissions(Permissions::from_mode(0o666));
    let mut whole = builder.tempfile_in(dir).map_err(unwritten)?;
    let route = Route::new("/api/tasks").segment(id).segment("files").segment(&file.name);
    let response = client.send(&Call::get(route)).await.map_err(|error| client.told(error))?;
    let mut body = response.into_body();
    let (mut hash, broken) = (StreamHash::default(), |reason: String| {
        let message = format!("{:?} did not come as it is: {reason}", file.name);
        Failure::new(ErrorKind::Unavailable, message).with_code("file_incomplete")
    });
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(error.to_string()))?;
        let Ok(piece) = frame.into_data() else { continue };
        hash.update(&piece);
        whole.write_all(&piece).map_err(unwritten)?;
    }
    let found = hash.finish(false);
    let promised: Option<Digest> = file.sha256.parse().ok();
    if found.len != file.size || Some(found.digest) != promised {
        return Err(broken(format!("{} of {} bytes, or others", found.len, file.size)));
    }
    whole.flush().map_err(unwritten)?;
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let dir = Path::new("/tmp/out");
        assert_eq!(place_of(dir, "a.csv").unwrap(), Path::new("/tmp/out/a.csv"));
        for name in ["../a", "/etc/passwd", "..", ".profile", "a/b", ""] {
            assert!(place_of(dir, name).is_err(), "{name:?}");
        }
    }
}
