//! Random entries and trees for property tests: few names, so that they meet often.

use proptest::prelude::*;

use super::*;

/// Any entry, with few different contents and targets.
pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        3 => (0..4u8, any::<bool>(), proptest::option::of(0..3i64)).prop_map(
            |(content, executable, modified_ns)| {
                let content = ContentId::of(&[content]);
                Entry::File(File { content, executable, modified_ns })
            }
        ),
        3 => Just(Entry::Directory),
        1 => "[xy]".prop_map(|text| Entry::Symlink {
            target: LinkTarget::new(text).expect("one letter is a target"),
        }),
    ]
}

/// A path of one to four components; `.` sorts before `/`, which a wrong range would show.
pub(crate) fn path() -> impl Strategy<Value = RelPath> {
    proptest::collection::vec("a|b|a\\.c|ab|Z", 1..5)
        .prop_map(|parts| RelPath::new(parts.join("/")).expect("short names are a path"))
}

/// A whole tree: what does not fit is left out.
pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    proptest::collection::vec((path(), entry()), 0..40).prop_map(|entries| {
        let mut tree = Tree::new();
        for (path, entry) in entries {
            let mut ancestors: Vec<RelPath> =
                std::iter::successors(path.parent(), RelPath::parent).collect();
            ancestors.reverse();
            for ancestor in &ancestors {
                if tree.get(ancestor.as_str()).is_none() {
                    tree.replace(ancestor, Some(Entry::Directory));
                }
            }
            if tree.get(path.as_str()).is_none() && tree.holds(&path) {
                tree.replace(&path, Some(entry));
            }
        }
        // A file in place of an ancestor may have left orphans behind; only whole trees are good.
        let whole: Vec<_> = tree
            .iter()
            .filter(|(path, _)| {
                std::iter::successors(path.parent(), RelPath::parent)
                    .all(|up| tree.get(up.as_str()).is_some_and(Entry::is_directory))
            })
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .collect();
        Tree::from_entries(whole).expect("orphans were left out")
    })
}
