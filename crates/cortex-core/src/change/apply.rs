//! Applying changes to a tree: all of them or none.

use std::collections::BTreeMap;

use super::Change;
use crate::digest::Digest;
use crate::error::Error;
use crate::error::Kind;
use crate::path::RelPath;
use crate::tree::Entry;
use crate::tree::Tree;

/// Why changes cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// There is no change.
    #[error("there is no change")]
    Empty,
    /// There are more than [`Change::MAX_COUNT`] changes.
    #[error("{count} changes at once, the limit is {}", Change::MAX_COUNT)]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// One path is changed twice.
    #[error("two changes of {path:?}")]
    Duplicate {
        /// The path.
        path: RelPath,
    },
    /// The change leaves everything as it is.
    #[error("the change of {path:?} changes nothing")]
    Pointless {
        /// The path.
        path: RelPath,
    },
    /// Another entry stands at the path than the change was made against.
    #[error("{path:?} was changed by somebody else")]
    Stale {
        /// The path.
        path: RelPath,
        /// The hash of the entry that stands there.
        found: Option<Digest>,
    },
    /// An entry would lie below something that is no directory.
    #[error("what holds {path:?} is no directory")]
    Orphan {
        /// The path of the entry.
        path: RelPath,
    },
    /// A directory would go while something remains in it.
    #[error("directory {path:?} is not empty: {remains:?} remains")]
    Occupied {
        /// The path of the directory.
        path: RelPath,
        /// A path that remains in it.
        remains: RelPath,
    },
}

impl Change {
    /// The most changes that one commit may have.
    pub const MAX_COUNT: usize = 65_536;
}

/// Checks what can be wrong with changes whatever tree they meet.
///
/// # Errors
/// `Empty`, `TooMany`, `Duplicate` or `Pointless`.
pub fn validate(changes: &[Change]) -> Result<(), ApplyError> {
    by_path(changes).map(drop)
}

/// Applies changes, in any order, to a tree: all of them, or none where it fails.
///
/// # Errors
/// The first rule that is broken: those of [`validate`], then `Stale`, then `Orphan` and
/// `Occupied`. The tree is untouched then.
pub fn apply(tree: &mut Tree, changes: &[Change]) -> Result<(), ApplyError> {
    let changed = by_path(changes)?;
    for change in changes {
        let found = tree.get(change.path.as_str()).map(Entry::hash);
        if found != change.parent {
            return Err(ApplyError::Stale { path: change.path.clone(), found });
        }
    }
    let after = |path: &str| match changed.get(path) {
        Some(change) => change.entry.as_ref(),
        None => tree.get(path),
    };
    for Change { path, entry, .. } in changes {
        let held = || {
            let parent = path.parent_str();
            parent.is_none_or(|parent| after(parent).is_some_and(Entry::is_directory))
        };
        if entry.is_some() && !held() {
            return Err(ApplyError::Orphan { path: path.clone() });
        }
        let is_directory = entry.as_ref().is_some_and(Entry::is_directory);
        let was_directory = tree.get(path.as_str()).is_some_and(Entry::is_directory);
        if was_directory && !is_directory {
            let remains = tree.below(path).find(|(below, _)| after(below.as_str()).is_some());
            if let Some((remains, _)) = remains {
                let (path, remains) = (path.clone(), remains.clone());
                return Err(ApplyError::Occupied { path, remains });
            }
        }
    }
    for change in changes {
        tree.replace(&change.path, change.entry.clone());
    }
    Ok(())
}

fn by_path(changes: &[Change]) -> Result<BTreeMap<&str, &Change>, ApplyError> {
    if changes.is_empty() {
        return Err(ApplyError::Empty);
    }
    if changes.len() > Change::MAX_COUNT {
        return Err(ApplyError::TooMany { count: changes.len() });
    }
    let mut changed = BTreeMap::new();
    for change in changes {
        if changed.insert(change.path.as_str(), change).is_some() {
            return Err(ApplyError::Duplicate { path: change.path.clone() });
        }
        if change.parent == change.entry.as_ref().map(Entry::hash) {
            return Err(ApplyError::Pointless { path: change.path.clone() });
        }
    }
    Ok(changed)
}

/// `Conflict` with the code `parent_mismatch` for [`ApplyError::Stale`], `Invalid` for the rest.
impl From<ApplyError> for Error {
    fn from(error: ApplyError) -> Self {
        let message = error.to_string();
        match error {
            ApplyError::Stale { .. } => {
                Error::new(Kind::Conflict, "commit changes", message).with_code("parent_mismatch")
            }
            _ => Error::new(Kind::Invalid, "commit changes", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::ContentId;
    use crate::tree::File;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn file(text: &str) -> Entry {
        let content = ContentId::of(text.as_bytes());
        Entry::File(File { content, executable: false, modified_ns: None })
    }

    fn change(at: &str, was: Option<&Entry>, is: Option<&Entry>) -> Change {
        Change { path: path(at), parent: was.map(Entry::hash), entry: is.cloned() }
    }

    const DIRECTORY: Option<&Entry> = Some(&Entry::Directory);

    fn tree() -> Tree {
        let entries = [("d", Entry::Directory), ("d/f", file("1")), ("f", file("2"))];
        Tree::from_entries(entries.map(|(at, entry)| (path(at), entry))).unwrap()
    }

    fn refusal(changes: &[Change]) -> ApplyError {
        let mut tree = tree();
        let error = apply(&mut tree, changes).expect_err("changes are refused");
        assert_eq!(tree, self::tree(), "a refusal leaves the tree as it was");
        error
    }

    #[test]
    fn what_is_wrong_by_itself() {
        assert_eq!(refusal(&[]), ApplyError::Empty);
        let twice = [change("n", None, DIRECTORY), change("n", None, Some(&file("1")))];
        assert_eq!(refusal(&twice), ApplyError::Duplicate { path: path("n") });
        for nothing in [change("n", None, None), change("d", DIRECTORY, DIRECTORY)] {
            let path = nothing.path.clone();
            assert_eq!(refusal(&[nothing]), ApplyError::Pointless { path });
        }
        let many = vec![change("n", None, DIRECTORY); Change::MAX_COUNT + 1];
        assert_eq!(refusal(&many), ApplyError::TooMany { count: Change::MAX_COUNT + 1 });
    }

    #[test]
    fn another_parent_is_stale() {
        for (stale, found) in [
            (change("f", None, Some(&file("3"))), Some(file("2"))),
            (change("f", Some(&file("1")), Some(&file("3"))), Some(file("2"))),
            (change("n", Some(&file("1")), None), None),
        ] {
            let expected =
                ApplyError::Stale { path: stale.path.clone(), found: found.map(|e| e.hash()) };
            assert_eq!(refusal(&[change("ok", None, DIRECTORY), stale]), expected);
        }
    }

    #[test]
    fn files_hold_nothing_and_directories_go_empty() {
        let orphan = |at: &str| ApplyError::Orphan { path: path(at) };
        assert_eq!(refusal(&[change("n/x", None, DIRECTORY)]), orphan("n/x"));
        assert_eq!(refusal(&[change("f/x", None, DIRECTORY)]), orphan("f/x"));
        let occupied = ApplyError::Occupied { path: path("d"), remains: path("d/f") };
        assert_eq!(refusal(&[change("d", DIRECTORY, None)]), occupied);
        assert_eq!(refusal(&[change("d", DIRECTORY, Some(&file("1")))]), occupied);
        let replaced_below = [
            change("d", DIRECTORY, None),
            change("d/f", Some(&file("1")), None),
            change("d/n", None, Some(&file("1"))),
        ];
        assert_eq!(refusal(&replaced_below), orphan("d/n"));
    }

    #[test]
    fn a_file_and_a_directory_swap_names() {
        let mut tree = tree();
        let swap = [
            change("f/f", None, Some(&file("1"))),
            change("f", Some(&file("2")), DIRECTORY),
            change("d", DIRECTORY, Some(&file("2"))),
            change("d/f", Some(&file("1")), None),
        ];
        apply(&mut tree, &swap).unwrap();
        let entries = [("f", Entry::Directory), ("f/f", file("1")), ("d", file("2"))];
        let expected = Tree::from_entries(entries.map(|(at, entry)| (path(at), entry)));
        assert_eq!(Ok(tree), expected);
    }

    #[test]
    fn a_stale_parent_is_a_conflict_and_the_rest_invalid() {
        let stale = Error::from(ApplyError::Stale { path: path("a"), found: None });
        assert_eq!((stale.kind(), stale.code()), (Kind::Conflict, "parent_mismatch"));
        assert_eq!(Error::from(ApplyError::Empty).kind(), Kind::Invalid);
    }
}
