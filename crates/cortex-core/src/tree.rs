//! A workspace as a value: which path holds which entry.

#[cfg(test)]
pub(crate) mod arbitrary;

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::Deserialize;
use serde::Serialize;

use crate::digest::ContentId;
use crate::digest::Digest;
use crate::path::LinkTarget;
use crate::path::RelPath;

/// What stands at a path.
///
/// `==` compares everything; whether two entries are the same to the mirror says
/// [`Entry::matches`], which leaves the hint out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A regular file.
    File(File),
    /// A directory; what it holds are entries of their own.
    Directory,
    /// A symlink, carried as it is and never followed.
    Symlink {
        /// Where it points to.
        target: LinkTarget,
    },
}

/// A regular file, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Names the bytes.
    pub content: ContentId,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// A hint: when it was last written, in nanoseconds since 1970. Decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_ns: Option<i64>,
}

/// The entries of a workspace by path.
///
/// Always whole: what holds an entry is the root or a [`Entry::Directory`] of the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<RelPath, Entry>,
}

/// Why entries are no [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// One path has two entries.
    #[error("two entries for {path:?}")]
    Duplicate {
        /// The path.
        path: RelPath,
    },
    /// The entry lies below something that is no directory.
    #[error("what holds {path:?} is no directory")]
    Orphan {
        /// The path of the entry.
        path: RelPath,
    },
}

impl Entry {
    /// Names the entry for optimistic concurrency: equal exactly where [`Entry::matches`] holds.
    ///
    /// SHA-256 over `cortex.entry.v1`, a NUL, and then: for a file `f`, one byte 1 or 0 for
    /// executable or not, the size as 8 bytes big-endian, the 32 bytes of the content's digest;
    /// for a directory `d`; for a symlink `l` and the target in UTF-8.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let mut bytes = b"cortex.entry.v1\0".to_vec();
        match self {
            Entry::File(file) => {
                bytes.extend([b'f', u8::from(file.executable)]);
                bytes.extend(file.content.size.to_be_bytes());
                bytes.extend(file.content.digest.as_bytes());
            }
            Entry::Directory => bytes.push(b'd'),
            Entry::Symlink { target } => {
                bytes.push(b'l');
                bytes.extend(target.as_str().as_bytes());
            }
        }
        Digest::of(&bytes)
    }

    /// Whether both are the same to the mirror: everything but the hint is equal.
    #[must_use]
    pub fn matches(&self, other: &Entry) -> bool {
        match (self, other) {
            (Entry::File(one), Entry::File(other)) => {
                one.content == other.content && one.executable == other.executable
            }
            _ => self == other,
        }
    }

    /// The name of the bytes, if it is a file.
    #[must_use]
    pub fn content(&self) -> Option<ContentId> {
        match self {
            Entry::File(file) => Some(file.content),
            Entry::Directory | Entry::Symlink { .. } => None,
        }
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self, Entry::Directory)
    }
}

impl Tree {
    /// Makes the tree of an empty workspace.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a tree of entries that come in any order.
    ///
    /// # Errors
    /// Two entries have one path, or an entry lies below something that is no directory.
    pub fn from_entries(
        entries: impl IntoIterator<Item = (RelPath, Entry)>,
    ) -> Result<Self, TreeError> {
        let mut tree = Self::new();
        for (path, entry) in entries {
            if tree.entries.contains_key(&path) {
                return Err(TreeError::Duplicate { path });
            }
            tree.entries.insert(path, entry);
        }
        match tree.entries.keys().find(|path| !tree.holds(path)) {
            Some(path) => Err(TreeError::Orphan { path: path.clone() }),
            None => Ok(tree),
        }
    }

    /// The entry at a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries in the order of their paths: a directory comes before what it holds.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&RelPath, &Entry)> {
        self.entries.iter()
    }

    /// All entries below a path at any depth, in the order of their paths.
    pub fn below(&self, path: &RelPath) -> impl DoubleEndedIterator<Item = (&RelPath, &Entry)> {
        // '0' is the byte after '/': between the two lies what begins with "path/".
        let (from, to) = (format!("{path}/"), format!("{path}0"));
        let range = (Bound::Excluded(from.as_str()), Bound::Excluded(to.as_str()));
        self.entries.range::<str, _>(range)
    }

    /// Whether both trees are the same to the mirror; see [`Entry::matches`].
    #[must_use]
    pub fn matches(&self, other: &Tree) -> bool {
        self.len() == other.len()
            && self.iter().zip(other.iter()).all(|((path, entry), (other_path, other_entry))| {
                path == other_path && entry.matches(other_entry)
            })
    }

    /// Sets or removes one entry; the caller keeps the tree whole.
    pub(crate) fn replace(&mut self, path: &RelPath, entry: Option<Entry>) {
        match entry {
            Some(entry) => self.entries.insert(path.clone(), entry),
            None => self.entries.remove(path),
        };
    }

    fn holds(&self, path: &RelPath) -> bool {
        path.parent_str().is_none_or(|parent| self.get(parent).is_some_and(Entry::is_directory))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn file(bytes: &[u8], executable: bool) -> Entry {
        Entry::File(File { content: ContentId::of(bytes), executable, modified_ns: None })
    }

    fn link(target: &str) -> Entry {
        Entry::Symlink { target: LinkTarget::new(target).unwrap() }
    }

    /// Computed by another program; other implementations have to get the same.
    #[test]
    fn known_hashes() {
        for (entry, hash) in [
            (
                file(b"abc", true),
                "50fb6e1e232c825813ddb0ef36139bd1a5a432473512667f64eff93d8da0c09d",
            ),
            (Entry::Directory, "71c81fbce468d01ad6d862f121d45aa04b2488961f8e0b9206eff6a853575829"),
            (link("../x"), "8e9a298186a621b84964f279cd7dc1985113c881055f124e49da5dfa028a9dd3"),
        ] {
            assert_eq!(entry.hash().to_string(), hash, "{entry:?}");
        }
    }

    #[test]
    fn json_form_is_stable() {
        let mut entry = file(b"", false);
        let Entry::File(inner) = &mut entry else { unreachable!() };
        inner.modified_ns = Some(5);
        let json = serde_json::to_value([&entry, &Entry::Directory, &link("x")]).unwrap();
        let digest = Digest::of(b"").to_string();
        let expected = serde_json::json!([
            {"kind": "file", "content": {"size": 0, "digest": digest}, "executable": false,
             "modified_ns": 5},
            {"kind": "directory"},
            {"kind": "symlink", "target": "x"},
        ]);
        assert_eq!(json, expected);
        let back: Vec<Entry> = serde_json::from_value(json).unwrap();
        assert_eq!(back, [entry, Entry::Directory, link("x")]);
    }

    #[test]
    fn entries_need_a_directory_to_lie_in() {
        let orphan = |holder: Option<Entry>| {
            let holder = holder.map(|entry| (path("a"), entry));
            Tree::from_entries(holder.into_iter().chain([(path("a/b"), Entry::Directory)]))
        };
        let refused = Err(TreeError::Orphan { path: path("a/b") });
        assert_eq!(orphan(None), refused);
        assert_eq!(orphan(Some(file(b"", false))), refused);
        assert_eq!(orphan(Some(link("elsewhere"))), refused);
        assert_eq!(orphan(Some(Entry::Directory)).unwrap().len(), 2);
    }

    #[test]
    fn two_entries_of_one_path_are_refused() {
        let twice = [(path("a"), Entry::Directory), (path("a"), file(b"", false))];
        assert_eq!(Tree::from_entries(twice), Err(TreeError::Duplicate { path: path("a") }));
    }

    proptest! {
        #[test]
        fn a_hash_is_equal_exactly_where_entries_match(
            one in arbitrary::entry(),
            other in arbitrary::entry(),
        ) {
            prop_assert_eq!(one.hash() == other.hash(), one.matches(&other));
            prop_assert!(one.matches(&one.clone()));
        }

        #[test]
        fn below_is_what_is_below(tree in arbitrary::tree()) {
            for (directory, _) in tree.iter() {
                let found: Vec<_> = tree.below(directory).collect();
                let expected: Vec<_> =
                    tree.iter().filter(|(path, _)| path.is_below(directory)).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
