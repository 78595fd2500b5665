//! Changes of a tree: how they are found, checked and applied, and who wins a conflict.

mod apply;
mod conflict;

use std::cmp::Ordering;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::digest::Digest;
use crate::path::RelPath;
use crate::tree::Entry;
use crate::tree::Tree;

pub use apply::ApplyError;
pub use apply::apply;
pub use apply::validate;
pub use conflict::Resolution;
pub use conflict::Side;
pub use conflict::copy_path;
pub use conflict::resolve;

/// Counts the commits of a mirror: 0 before the first, then one more with each.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub u64);

/// One path gets another entry, gets its first one, or loses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub path: RelPath,
    /// The [`Entry::hash`] of the entry that is replaced, or `None` where nothing stood before.
    ///
    /// A change that meets anything else is refused: it was made against another state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Digest>,
    /// What stands there afterwards, or `None` where it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
}

impl Version {
    /// The version of a mirror without any commit.
    pub const ZERO: Self = Self(0);

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Finds the changes that turn `from` into `to`; a different hint alone is no change.
///
/// Deletions come first, deepest path first; then the rest, outermost path first. Cut anywhere,
/// the parts can be [applied](apply) one after the other, and every state between is a whole tree.
#[must_use]
pub fn diff(from: &Tree, to: &Tree) -> Vec<Change> {
    let mut deleted = Vec::new();
    let mut set = Vec::new();
    let (mut old, mut new) = (from.iter().peekable(), to.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some((old_path, _)), Some((new_path, _))) => old_path.cmp(new_path),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        let was = if order.is_le() { old.next() } else { None };
        let is = if order.is_ge() { new.next() } else { None };
        match (was, is) {
            (Some((_, was)), Some((_, is))) if was.matches(is) => {}
            (was, Some((path, is))) => set.push(Change {
                path: path.clone(),
                parent: was.map(|(_, was)| was.hash()),
                entry: Some(is.clone()),
            }),
            (Some((path, was)), None) => {
                deleted.push(Change { path: path.clone(), parent: Some(was.hash()), entry: None });
            }
            (None, None) => {}
        }
    }
    deleted.reverse();
    deleted.append(&mut set);
    deleted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::arbitrary;

    proptest! {
        #[test]
        fn applying_the_diff_gives_the_target(from in arbitrary::tree(), to in arbitrary::tree()) {
            let changes = diff(&from, &to);
            let mut tree = from.clone();
            if changes.is_empty() {
                prop_assert!(from.matches(&to));
            } else {
                apply(&mut tree, &changes).unwrap();
            }
            prop_assert!(tree.matches(&to));
            prop_assert!(diff(&tree, &to).is_empty());
        }

        #[test]
        fn a_diff_can_be_applied_in_parts(
            from in arbitrary::tree(),
            to in arbitrary::tree(),
            part in 1..5usize,
        ) {
            let mut tree = from.clone();
            for changes in diff(&from, &to).chunks(part) {
                apply(&mut tree, changes).unwrap();
            }
            prop_assert!(tree.matches(&to));
        }

        #[test]
        fn only_what_differs_is_in_the_diff(from in arbitrary::tree(), to in arbitrary::tree()) {
            for change in diff(&from, &to) {
                let (was, is) = (from.get(change.path.as_str()), to.get(change.path.as_str()));
                prop_assert_eq!(change.parent, was.map(Entry::hash));
                prop_assert_eq!(change.entry.as_ref(), is);
                prop_assert_ne!(was.map(Entry::hash), is.map(Entry::hash));
            }
        }
    }

    #[test]
    fn a_change_reads_back_from_json() {
        let path = RelPath::new("a/b").unwrap();
        let made = Change { path: path.clone(), parent: None, entry: Some(Entry::Directory) };
        let json = serde_json::to_string(&made).unwrap();
        assert_eq!(json, r#"{"path":"a/b","entry":{"kind":"directory"}}"#);
        assert_eq!(serde_json::from_str::<Change>(&json).unwrap(), made);

        let parent = Some(Entry::Directory.hash());
        let deleted = Change { path, parent, entry: None };
        let json = serde_json::to_string(&deleted).unwrap();
        assert_eq!(serde_json::from_str::<Change>(&json).unwrap(), deleted);
    }
}
