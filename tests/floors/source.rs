//! The workspace's sources as plain values: read once from disk, or made up by a test.

use std::fs;
use std::io;
use std::path::Path;

use crate::lexer::Kind;
use crate::lexer::Token;
use crate::lexer::tokens;
use crate::test_code;

/// Every hand-written and generated `.rs` file of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    files: Vec<File>,
}

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    /// Where it is, from the workspace's root, with `/` between the parts.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

/// One file of a crate's `src`, without its test code.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    /// The path of its file, for messages.
    pub(crate) path: &'a str,
    /// Its names from the crate's root, e.g. `["rest", "tasks"]`; none for `lib.rs` and `main.rs`.
    pub(crate) names: Vec<&'a str>,
    /// Its tokens, without items under `#[cfg(test)]`.
    pub(crate) tokens: Vec<Token<'a>>,
}

/// The folders in the root that hold sources.
const FOLDERS: [&str; 4] = ["crates", "examples", "benches", "tests"];

impl Sources {
    /// Reads the workspace at `root`.
    ///
    /// # Errors
    /// Any file or folder that cannot be read, and text that is not UTF-8.
    pub(crate) fn load(root: &Path) -> io::Result<Self> {
        let mut sources = Self::default();
        for folder in FOLDERS {
            sources.read(&root.join(folder), folder)?;
        }
        sources.files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(sources)
    }

    /// Makes sources up.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File { path: path.into(), text: text.into() };
        Self { files: files.iter().map(file).collect() }
    }

    /// Every file.
    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The modules of the crate in `crates/{folder}`, without test code.
    ///
    /// Left out are items and inline modules under `#[cfg(test)]`, and files that are declared as
    /// `#[cfg(test)] mod name;`.
    pub(crate) fn modules(&self, folder: &str) -> Vec<Module<'_>> {
        let src = format!("crates/{folder}/src/");
        let mut modules = Vec::new();
        let mut test_files = Vec::new();
        for file in &self.files {
            let Some(inner) = file.path.strip_prefix(&src) else {
                continue;
            };
            let names = names(inner);
            let (tokens, declared) = test_code::strip(&tokens(&file.text));
            test_files.extend(declared.into_iter().map(|name| [&names[..], &[name]].concat()));
            modules.push(Module { path: &file.path, names, tokens });
        }
        modules.retain(|module| !test_files.iter().any(|test| module.names.starts_with(test)));
        modules
    }

    fn read(&mut self, folder: &Path, name: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let file_name = entry.file_name();
            let Some(file_name) = file_name.to_str() else {
                continue;
            };
            let path = format!("{name}/{file_name}");
            if entry.file_type()?.is_dir() {
                // `target` folders and caches hold what others wrote.
                if !file_name.starts_with('.') && file_name != "target" {
                    self.read(&entry.path(), &path)?;
                }
            } else if file_name.ends_with(".rs") {
                self.files.push(File { text: fs::read_to_string(entry.path())?, path });
            }
        }
        Ok(())
    }
}

impl Module<'_> {
    /// The module directly below the crate's root that this one belongs to.
    pub(crate) fn top(&self) -> Option<&str> {
        self.names.first().copied()
    }

    /// Whether it is the module `path` (names with `/` between them) or one below it; `lib` is the
    /// crate's root alone.
    pub(crate) fn is_within(&self, path: &str) -> bool {
        if path == "lib" {
            return self.names.is_empty();
        }
        let wanted: Vec<&str> = path.split('/').collect();
        self.names.starts_with(&wanted)
    }

    /// The lines on which the names of `path` (with `::` between them) stand in this order.
    pub(crate) fn lines_with(&self, path: &str) -> Vec<usize> {
        let mut wanted = Vec::new();
        for name in path.split("::") {
            if !wanted.is_empty() {
                wanted.push(Kind::Sep);
            }
            wanted.push(Kind::Word(name));
        }
        let same = |window: &&[Token<'_>]| {
            window.iter().map(|token| token.kind).eq(wanted.iter().copied())
        };
        self.tokens.windows(wanted.len()).filter(same).map(|window| window[0].line).collect()
    }
}

/// The names of the module in the file `inner` of a `src` folder.
fn names(inner: &str) -> Vec<&str> {
    let mut names: Vec<&str> = inner.trim_end_matches(".rs").split('/').collect();
    if names.last() == Some(&"mod") || matches!(names[..], ["lib" | "main"]) {
        names.pop();
    }
    names
}

mod tests {
    use super::Sources;
    use super::names;

    #[test]
    fn names_modules_as_rust_does() {
        assert_eq!(names("lib.rs"), [""; 0]);
        assert_eq!(names("main.rs"), [""; 0]);
        assert_eq!(names("rest.rs"), ["rest"]);
        assert_eq!(names("rest/mod.rs"), ["rest"]);
        assert_eq!(names("rest/lib.rs"), ["rest", "lib"]);
    }

    #[test]
    fn leaves_out_files_of_test_modules() {
        let sources = Sources::of(&[
            ("crates/a/src/lib.rs", "mod one;"),
            ("crates/a/src/one.rs", "#[cfg(test)]\nmod tests;\nmod two;"),
            ("crates/a/src/one/tests.rs", "mod deep;"),
            ("crates/a/src/one/tests/deep.rs", ""),
            ("crates/a/src/one/two.rs", ""),
            ("crates/ab/src/lib.rs", ""),
        ]);
        let paths: Vec<&str> = sources.modules("a").iter().map(|module| module.path).collect();
        let expected = ["crates/a/src/lib.rs", "crates/a/src/one.rs", "crates/a/src/one/two.rs"];
        assert_eq!(paths, expected);
    }

    #[test]
    fn finds_paths_by_whole_names() {
        let sources = Sources::of(&[(
            "crates/a/src/one.rs",
            "// process::exit\nuse std::process::exit;\nmy_process::exit();\nprocess::exiting();",
        )]);
        let modules = sources.modules("a");
        assert_eq!(modules[0].lines_with("process::exit"), [2]);
        assert_eq!(modules[0].lines_with("my_process"), [3]);
    }
}
