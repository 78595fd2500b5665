//! Checks of every file by itself: its length, its name, and the names it says.

use std::path::Path;

use crate::source::File;
use crate::source::Sources;
use crate::table::Ban;
use crate::table::GENERATED;
use crate::table::VAGUE;

/// Returns one sentence for every hand-written file of more than `most` lines.
pub(crate) fn check_lengths(sources: &Sources, most: usize) -> Vec<String> {
    let mut faults = Vec::new();
    for file in sources.files().filter(|file| !is_generated(file)) {
        let lines = file.text.lines().count();
        if lines > most {
            faults.push(format!(
                "{}: {lines} lines, {most} are the limit; split it by what changes together",
                file.path,
            ));
        }
    }
    faults
}

/// Returns one sentence for every file and folder whose name says nothing.
pub(crate) fn check_names(sources: &Sources) -> Vec<String> {
    let mut faults = Vec::new();
    for file in sources.files() {
        for part in Path::new(&file.path).iter().filter_map(|part| part.to_str()) {
            let name = part.trim_end_matches(".rs");
            if let Some(word) = name.split(['_', '-']).find(|word| is_vague(word)) {
                faults.push(format!(
                    "{}: `{word}` says nothing; name the file after the thing in it",
                    file.path,
                ));
            }
        }
    }
    faults.dedup();
    faults
}

/// Returns one sentence for every place that says a banned name.
///
/// A name is found as it is written, so one that is hidden in a `use` tree with braces is missed;
/// `disallowed-methods` in clippy.toml sees through that.
pub(crate) fn check_bans(sources: &Sources, bans: &[Ban]) -> Vec<String> {
    let mut faults = Vec::new();
    for ban in bans {
        for module in ban.crates.iter().flat_map(|krate| sources.modules(krate)) {
            if ban.except.iter().any(|edge| module.is_within(edge)) {
                continue;
            }
            for line in module.lines_with(ban.path) {
                let (path, name, reason) = (module.path, ban.path, ban.reason);
                faults.push(format!("{path}:{line}: `{name}` is banned here: {reason}"));
            }
        }
    }
    faults
}

fn is_generated(file: &File) -> bool {
    file.path.split('/').any(|part| part == GENERATED)
}

fn is_vague(word: &str) -> bool {
    let word = word.to_lowercase();
    VAGUE.contains(&word.strip_suffix('s').unwrap_or(&word))
}

mod tests {
    use super::check_bans;
    use super::check_lengths;
    use super::check_names;
    use crate::source::Sources;
    use crate::table::Ban;

    const BANS: &[Ban] = &[Ban {
        path: "wire::Message",
        crates: &["a"],
        except: &["edge", "inner/edge"],
        reason: "only the edge may",
    }];

    #[test]
    fn refuses_a_line_too_many() {
        let (full, over) = ("//\n".repeat(4), "//\n".repeat(5));
        let sources = Sources::of(&[
            ("crates/a/src/full.rs", &full),
            ("tests/over.rs", &over),
            ("crates/a/src/generated/any.rs", &over),
        ]);
        let expected = "tests/over.rs: 5 lines, 4 are the limit; split it by what changes together";
        assert_eq!(check_lengths(&sources, 4), [expected]);
    }

    #[test]
    fn refuses_vague_names() {
        let refused = [
            "util",
            "utils",
            "utilities",
            "helper",
            "helpers",
            "common",
            "commons",
            "imp",
            "impls",
            "manager",
            "managers",
            "misc",
            "node_manager",
            "test_utils",
            "Utils",
        ];
        for name in refused {
            for path in [format!("crates/a/src/{name}.rs"), format!("tests/{name}/mod.rs")] {
                assert_eq!(check_names(&Sources::of(&[(&path, "")])).len(), 1, "{path}");
            }
        }
    }

    #[test]
    fn accepts_names_that_say_something() {
        for name in ["import", "important", "utilisation", "community", "management", "status"] {
            assert_eq!(check_names(&Sources::of(&[(&format!("tests/{name}.rs"), "")])), [""; 0]);
        }
    }

    #[test]
    fn lets_the_root_be_excepted() {
        let bans = [Ban { except: &["lib"], ..BANS[0] }];
        let sources = Sources::of(&[
            ("crates/a/src/lib.rs", "pub use wire::Message;"),
            ("crates/a/src/edge.rs", "use wire::Message;"),
        ]);
        let expected =
            ["crates/a/src/edge.rs:1: `wire::Message` is banned here: only the edge may"];
        assert_eq!(check_bans(&sources, &bans), expected);
    }

    #[test]
    fn refuses_banned_names_outside_the_edges() {
        let sources = Sources::of(&[
            ("crates/a/src/lib.rs", "pub use wire::Message;"),
            ("crates/a/src/edge.rs", "use wire::Message;"),
            ("crates/a/src/inner/edge/deep.rs", "use wire::Message;"),
            ("crates/a/src/inner/rule.rs", "// wire::Message\n\nfn f(x: wire::Message) {}"),
            ("crates/a/src/edges.rs", "#[cfg(test)] use wire::Message;\nuse wire::Messages;"),
            ("crates/b/src/lib.rs", "use wire::Message;"),
        ]);
        let expected = [
            "crates/a/src/lib.rs:1: `wire::Message` is banned here: only the edge may",
            "crates/a/src/inner/rule.rs:3: `wire::Message` is banned here: only the edge may",
        ];
        assert_eq!(check_bans(&sources, BANS), expected);
    }
}
