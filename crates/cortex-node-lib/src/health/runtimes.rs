//! Interpreters and tools on the search path, with the versions that they print.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cortex_core::capability::Runtime;
use futures::StreamExt as _;
use futures::stream;
use tokio::process::Command;
use tokio::time::timeout;

use super::machine::clean;

/// A tool that has not printed its version by then is told without one.
const LIMIT: Duration = Duration::from_secs(2);

/// How many tools are asked at once; a small machine has other things to do at a node's start.
const AT_ONCE: usize = 4;

/// The tools that are looked for, and what makes each print its version.
const TOOLS: &[(&str, &str)] = &[
    ("bash", "--version"),
    ("cargo", "--version"),
    ("chromium", "--version"),
    ("docker", "--version"),
    ("dotnet", "--version"),
    ("gcc", "-dumpfullversion"),
    ("git", "--version"),
    ("go", "version"),
    ("google-chrome", "--version"),
    ("java", "-version"),
    ("node", "--version"),
    ("perl", "--version"),
    ("podman", "--version"),
    ("python3", "--version"),
    ("ruby", "--version"),
    ("rustc", "--version"),
];

/// Looks for all tools in the directories of a search path.
pub(super) async fn find(directories: &[PathBuf]) -> Vec<Runtime> {
    let found = TOOLS.iter().filter_map(|(name, argument)| {
        let path = directories.iter().map(|directory| directory.join(name));
        Some((*name, *argument, path.into_iter().find(|path| is_program(path))?))
    });
    let asked = found.map(|(name, argument, path)| async move {
        let version = version_of(&path, argument).await.unwrap_or_default();
        Runtime { name: name.to_owned(), version, path: clean(&path.to_string_lossy()) }
    });
    stream::iter(asked.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await
}

async fn version_of(path: &Path, argument: &str) -> Option<String> {
    let asked = Command::new(path)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, asked).await.ok()?.ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    version_in(&String::from_utf8_lossy(&text))
}

/// The first word of the first lines that looks like a version, without what surrounds it.
fn version_in(text: &str) -> Option<String> {
    let words = text.lines().take(3).flat_map(str::split_whitespace);
    let numbered = words.filter_map(|word| {
        let from = word.find(|c: char| c.is_ascii_digit())?;
        let lead = &word[..from];
        let is_lead =
            lead.chars().all(|c| !c.is_alphanumeric()) || matches!(lead, "v" | "go" | "(v");
        let rest = word[from..].trim_end_matches(|c: char| !c.is_alphanumeric());
        let version = rest.split(['(', '"', ',']).next().unwrap_or_default();
        (is_lead && version.contains('.')).then(|| clean(version))
    });
    numbered.into_iter().next()
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_tools_print_them() {
        for (text, version) in [
            ("Python 3.11.2\n", "3.11.2"),
            ("v20.11.0\n", "20.11.0"),
            ("go version go1.22.1 linux/amd64\n", "1.22.1"),
            ("git version 2.39.5\n", "2.39.5"),
            ("rustc 1.95.0 (59807616e 2026-04-14)\n", "1.95.0"),
            ("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\n", "5.2.15"),
            ("Docker version 24.0.7, build afdd53b\n", "24.0.7"),
            ("openjdk version \"17.0.9\" 2023-10-17\n", "17.0.9"),
            ("\nThis is perl 5, version 36, subversion 0 (v5.36.0) built for x86\n", "5.36.0"),
            ("12.2.0\n", "12.2.0"),
        ] {
            assert_eq!(version_in(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(version_in("no numbers here"), None);
    }

    #[tokio::test]
    async fn a_tool_on_the_search_path_is_asked() {
        let root = tempfile::tempdir().unwrap();
        let tool = root.path().join("python3");
        std::fs::write(&tool, "#!/bin/sh\necho Python 9.8.7\n").unwrap();
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        let found = find(&[root.path().to_path_buf()]).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].version.as_str()), ("python3", "9.8.7"));
    }
}
