//! Which program an invocation starts, and which patterns name it.

use crate::policy::pattern::is_separator;
use crate::policy::pattern::text_matches;

/// A program as the task names it, with what the node found out about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program<'a> {
    /// The name or path that the task gives: `argv[0]`, or the shell of a command line.
    pub(super) given: &'a str,
    /// What the node's own search path gives for the last component of `given`.
    pub(super) resolved: Option<&'a str>,
    /// The file that would run, with all symbolic links followed.
    pub(super) real: Option<&'a str>,
}

impl<'a> Program<'a> {
    /// Says whether `given` names a program at all, not a directory or nothing.
    pub(super) fn has_name(&self) -> bool {
        !matches!(last_component(self.given), "" | "." | "..")
    }

    /// Says whether an allow rule's pattern names this program: exactly, or not at all.
    pub(super) fn is_allowed_by(&self, pattern: &str) -> bool {
        if is_absolute(pattern) {
            return self
                .started()
                .is_some_and(|path| is_plain(path) && text_matches(pattern, path));
        }
        let found_by_search = self.resolved == Some(self.given) && is_plain(self.given);
        (self.is_bare() || found_by_search) && text_matches(pattern, last_component(self.given))
    }

    /// Says whether a deny rule's pattern names this program, under whatever spelling.
    pub(super) fn is_denied_by(&self, pattern: &str) -> bool {
        if !is_absolute(pattern) {
            let pattern = case_folded(pattern);
            return self.spellings().flat_map(names).any(|name| text_matches(&pattern, &name));
        }
        let pattern = folded(pattern);
        if self.spellings().any(|path| text_matches(&pattern, &folded(path))) {
            return true;
        }
        // Not looked up: the name may lead to the denied file, so it is taken to do so.
        let unknown = self.is_bare() && self.resolved.is_none() && self.real.is_none();
        unknown && names(self.given).any(|name| text_matches(last_component(&pattern), &name))
    }

    fn is_bare(&self) -> bool {
        !self.given.contains(is_separator)
    }

    /// The path that would be started; a relative one depends on the working directory.
    fn started(&self) -> Option<&'a str> {
        if self.is_bare() { self.resolved } else { Some(self.given) }
    }

    fn spellings(&self) -> impl Iterator<Item = &'a str> {
        [Some(self.given), self.started(), self.real].into_iter().flatten()
    }
}

/// Says whether `path` is absolute: `/…`, or with a drive, `C:\…` or `C:/…`.
pub(super) fn is_absolute(path: &str) -> bool {
    match path.as_bytes() {
        [b'/', ..] => true,
        [drive, b':', b'/' | b'\\', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Says whether an absolute path is spelled in one way only: no `.`, `..` or empty component.
pub(super) fn is_plain(path: &str) -> bool {
    let rest = path.strip_prefix('/').unwrap_or(path);
    is_absolute(path) && !rest.split(is_separator).any(|part| matches!(part, "" | "." | ".."))
}

/// The components of an absolute path with `.` and `..` taken away, compared as text.
///
/// A backslash separates only after a drive: elsewhere it is a letter like others.
pub(super) fn components(path: &str) -> Vec<&str> {
    let unix = path.starts_with('/');
    let mut kept = Vec::new();
    for part in path.split(|c| if unix { c == '/' } else { is_separator(c) }) {
        match part {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    kept
}

/// The one form of all spellings of a path that deny rules take for the same.
fn folded(path: &str) -> String {
    let path = case_folded(path);
    let mut parts = components(&path);
    // Most systems keep `/bin` and `/sbin` as links into `/usr`.
    if let ["usr", "bin" | "sbin", ..] = parts.as_slice() {
        parts.remove(0);
    }
    format!("/{}", parts.join("/"))
}

/// Folds case by way of upper case, which also catches letters such as `ſ` and the Kelvin sign
/// that some file systems take for `s` and `k`.
fn case_folded(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

/// The names under which a file is known to systems that ignore case, `.exe` or trailing dots.
fn names(path: &str) -> impl Iterator<Item = String> {
    let name = case_folded(last_component(path));
    let trimmed = name.trim_end_matches(['.', ' ']);
    let stem = [".exe", ".com", ".bat", ".cmd"]
        .iter()
        .find_map(|suffix| trimmed.strip_suffix(suffix))
        .unwrap_or(trimmed);
    [stem.to_owned(), trimmed.to_owned(), name.clone()].into_iter()
}

fn last_component(path: &str) -> &str {
    let name = path.rsplit(is_separator).next().unwrap_or(path);
    match name.as_bytes() {
        // A drive without a separator, as in `C:rm`.
        [drive, b':', ..] if drive.is_ascii_alphabetic() => &name[2..],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(given: &'static str, resolved: Option<&'static str>) -> Program<'static> {
        Program { given, resolved, real: None }
    }

    #[test]
    fn a_bare_name_allows_only_what_the_search_path_gives() {
        let found = Some("/usr/bin/git");
        for yes in ["git", "/usr/bin/git"] {
            assert!(program(yes, found).is_allowed_by("git"), "{yes}");
        }
        for no in ["./git", "/tmp/git", "bin/git", "GIT", "/usr/bin/../bin/git", "..\\git", "git "]
        {
            assert!(!program(no, found).is_allowed_by("git"), "{no}");
        }
        assert!(!program("/usr/bin/git", None).is_allowed_by("git"));
        assert!(!program("./git", Some("./git")).is_allowed_by("git"), "search path with a dot");
    }

    #[test]
    fn a_path_allows_only_the_file_that_would_start() {
        assert!(program("git", Some("/usr/bin/git")).is_allowed_by("/usr/bin/git"));
        assert!(program("/usr/bin/git", Some("/opt/bin/git")).is_allowed_by("/usr/bin/git"));
        assert!(program("/opt/v1/bin/git", None).is_allowed_by("/opt/*/bin/git"));
        for no in ["git", "/usr/bin//git", "/usr/bin/./git", "/tmp/../usr/bin/git", "/USR/bin/git"]
        {
            assert!(!program(no, Some("/opt/bin/git")).is_allowed_by("/usr/bin/git"), "{no}");
        }
        assert!(!program("git", None).is_allowed_by("/usr/bin/git"));
        assert!(!program("/opt/a/b/bin/git", None).is_allowed_by("/opt/*/bin/git"));
    }

    #[test]
    fn a_denied_name_is_hit_under_every_spelling() {
        for given in
            ["rm", "/bin/rm", "./rm", "RM", "rm.exe", "C:\\x\\Rm.EXE", "C:rm", "rm.", "a/../rm"]
        {
            assert!(program(given, None).is_denied_by("rm"), "{given}");
        }
        for given in ["rmdir", "arm", "rm/x", "rm.sh"] {
            assert!(!program(given, None).is_denied_by("rm"), "{given}");
        }
        assert!(program("cmd.exe", None).is_denied_by("cmd.exe"));
        assert!(program("vi", Some("/usr/bin/vi")).is_denied_by("v*"));
        assert!(program("/bin/ba\u{17f}h", None).is_denied_by("bash"));
        let linked = Program { given: "/tmp/x", resolved: None, real: Some("/usr/bin/rm") };
        assert!(linked.is_denied_by("rm"), "a link to a denied program");
    }

    #[test]
    fn a_denied_path_is_hit_under_every_spelling() {
        for given in ["/bin/rm", "/usr/bin/rm", "/bin//rm", "/tmp/../bin/./rm", "/BIN/rm", "rm"] {
            assert!(program(given, None).is_denied_by("/bin/rm"), "{given}");
        }
        assert!(program("rm", Some("/usr/bin/rm")).is_denied_by("/bin/rm"));
        assert!(!program("rm", Some("/opt/safe/rm")).is_denied_by("/bin/rm"));
        assert!(!program("/opt/safe/rm", Some("/bin/rm")).is_denied_by("/bin/rm"));
    }
}
