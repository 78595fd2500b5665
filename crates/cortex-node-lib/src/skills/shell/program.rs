//! Finds the file that a task's program name means.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;

/// The directories in which bare names are looked up, in order.
#[derive(Debug, Clone)]
pub(super) struct Search {
    directories: Vec<PathBuf>,
}

/// What was found for a name; judged as a whole, started as [`Found::file`].
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The file to start.
    pub(super) file: Option<PathBuf>,
    /// What the search path gives for the last component of the name.
    pub(super) by_name: Option<PathBuf>,
    /// The file to start with all links followed.
    pub(super) real: Option<PathBuf>,
}

impl Search {
    /// Takes the absolute directories of a `PATH`: what a relative one means depends on the task.
    pub(super) fn of(path: Option<&OsStr>) -> Self {
        let default = OsStr::new("/usr/local/bin:/usr/bin:/bin");
        let directories = std::env::split_paths(path.unwrap_or(default));
        Self { directories: directories.filter(|directory| directory.is_absolute()).collect() }
    }

    pub(super) fn find(&self, name: &str, cwd: &Path) -> Found {
        let last = name.rsplit('/').next().unwrap_or_default();
        let by_name = self.look_up(last);
        let file = if name.contains('/') {
            Some(cwd.join(name)).filter(|path| is_program(path))
        } else {
            by_name.clone()
        };
        let real = file.as_deref().and_then(|file| std::fs::canonicalize(file).ok());
        // A file that vanished between two looks is not started.
        let file = if real.is_some() { file } else { None };
        Found { file, by_name, real }
    }

    /// Why there is nothing to start, for the person who asked for it.
    pub(super) fn not_found(&self, name: &str, cwd: &Path) -> String {
        if name.contains('/') {
            let path = cwd.join(name);
            let state = if path.exists() { "is no executable file" } else { "does not exist" };
            return format!("{} {state}", path.display());
        }
        let searched: Vec<String> =
            self.directories.iter().map(|directory| directory.display().to_string()).collect();
        format!("there is no program {name:?} on this node; searched {}", searched.join(":"))
    }

    fn look_up(&self, name: &str) -> Option<PathBuf> {
        if name.is_empty() || matches!(name, "." | "..") {
            return None;
        }
        let candidates = self.directories.iter().map(|directory| directory.join(name));
        candidates.into_iter().find(|path| is_program(path))
    }
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(dir: &Path, name: &str, mode: u32) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn names_are_searched_and_paths_are_not() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (first, second) = (root.join("a"), root.join("b"));
        std::fs::create_dir_all(&first).unwrap();
        std::fs::create_dir_all(&second).unwrap();
        program(&first, "tool", 0o644);
        let tool = program(&second, "tool", 0o755);
        std::os::unix::fs::symlink(&tool, second.join("alias")).unwrap();
        let path = format!("{}:.:{}", first.display(), second.display());
        let search = Search::of(Some(OsStr::new(&path)));

        let found = search.find("tool", &root);
        assert_eq!(found.file.as_ref(), Some(&tool));
        assert_eq!(found.by_name, found.file);
        let alias = search.find("alias", &root);
        assert_eq!(alias.file, Some(second.join("alias")));
        assert_eq!(alias.real.as_ref(), Some(&tool));
        let relative = search.find("./b/tool", &root);
        assert_eq!(relative.file, Some(root.join("./b/tool")));
        assert_eq!(relative.by_name.as_ref(), Some(&tool));
        assert!(search.find("./tool", &root).file.is_none());
        assert!(search.not_found("nope", &root).contains(&second.display().to_string()));
        assert!(search.not_found("a/tool", &root).contains("no executable file"));
    }
}
