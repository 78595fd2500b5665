//! Cases about versions, and about what is read of them.

use futures::future::join;

use super::AUTHOR;
use super::SESSION;
use super::accepted;
use super::assert_error;
use super::at;
use super::change;
use super::file;
use super::make_directory;
use super::put;
use super::refused;
use super::revisions;
use crate::change::Version;
use crate::change::apply;
use crate::digest::ContentId;
use crate::error::Kind;
use crate::mirror::Commit;
use crate::mirror::MirrorStore;
use crate::mirror::Revision;
use crate::path::LinkTarget;
use crate::tree::Entry;
use crate::tree::File;
use crate::tree::Tree;

const DIRECTORY: &Entry = &Entry::Directory;

/// A commit on an older version is told the newest, one on a newer version is refused.
pub async fn only_the_newest_version_is_built_upon(store: &dyn MirrorStore) {
    accepted(store, 0, &[make_directory("a")]).await;
    accepted(store, 1, &[make_directory("b")]).await;
    for old in [0, 1] {
        let late = vec![make_directory("late")];
        let answer = store.commit(SESSION, Version(old), None, late, at(1)).await;
        let answer = answer.expect("a late commit is answered, not refused");
        assert_eq!(answer, Commit::Behind(Version(2)), "a commit on {old} is behind");
    }
    let error = refused(store, 3, &[make_directory("early")], "a base that is not there").await;
    assert_error(&error, Kind::Precondition, "version_ahead", "a base that is not there");
    let tree = store.tree(SESSION).await.expect("the tree can be read").tree;
    assert!(tree.get("late").is_none(), "a commit that is behind changes nothing");
    assert_eq!(tree.len(), 2);
}

/// Of two commits on one version at the same time exactly one is taken.
pub async fn of_two_writers_one_wins(store: &dyn MirrorStore) {
    for base in 0..8 {
        let commit = |name: &str| {
            let changes = vec![make_directory(&format!("{name}{base}"))];
            store.commit(SESSION, Version(base), None, changes, at(1))
        };
        let (one, other) = join(commit("one"), commit("other")).await;
        let (one, other) = (one.expect("is answered"), other.expect("is answered"));
        let (won, lost) = (Commit::Accepted(Version(base + 1)), Commit::Behind(Version(base + 1)));
        assert!(
            (one, other) == (won, lost) || (one, other) == (lost, won),
            "exactly one of two writers wins, but they got {one:?} and {other:?}"
        );
    }
    let tree = store.tree(SESSION).await.expect("the tree can be read").tree;
    assert_eq!(tree.len(), 8, "only the winners' changes are in the tree");
}

/// Author, time and changes come back as they were given, hints included.
pub async fn a_commit_is_kept_as_it_was_made(store: &dyn MirrorStore) {
    put(store, b"tool", 4).await.expect("content can be put");
    let content = ContentId::of(b"tool");
    let hinted = File { content, executable: true, modified_ns: Some(1_700_000_000_123_456_789) };
    let target = LinkTarget::new("../outside/é").expect("is a target");
    let changes = vec![
        make_directory("dir"),
        change("dir/tool", None, Some(&Entry::File(hinted))),
        change("link", None, Some(&Entry::Symlink { target })),
    ];
    let now = at(1_700_000_000_456);
    for (base, author, changes) in
        [(0, Some(AUTHOR), changes), (1, None, vec![change("dir/tool2", None, Some(DIRECTORY))])]
    {
        let committed = store.commit(SESSION, Version(base), author, changes.clone(), now).await;
        assert_eq!(committed.expect("is taken"), Commit::Accepted(Version(base + 1)));
        let mut read = revisions(store, base, 10).await;
        for revision in &mut read.revisions {
            revision.changes.sort_by(|one, other| one.path.cmp(&other.path));
        }
        let expected = Revision { version: Version(base + 1), author, at: now, changes };
        assert_eq!(read.revisions, [expected], "a commit is read as it was made");
    }
}

/// Reading by version gives whole commits within the limit, at least one, and the newest version.
pub async fn changes_are_read_in_whole_commits(store: &dyn MirrorStore) {
    for base in 0..4 {
        let pair = ["a", "b"].map(|name| make_directory(&format!("{name}{base}")));
        accepted(store, base, &pair).await;
    }
    for (after, limit, expected) in [
        (0, 0, &[][..]),
        (0, 1, &[1]),
        (0, 3, &[1]),
        (0, 4, &[1, 2]),
        (0, usize::MAX, &[1, 2, 3, 4]),
        (2, 5, &[3, 4]),
        (3, 1, &[4]),
        (4, 10, &[]),
    ] {
        let read = revisions(store, after, limit).await;
        assert_eq!(read.head, Version(4), "the newest version is told with any limit");
        let versions: Vec<u64> = read.revisions.iter().map(|one| one.version.0).collect();
        assert_eq!(versions, expected, "commits after {after} within {limit} changes");
        assert!(read.revisions.iter().all(|revision| revision.changes.len() == 2));
    }
    let error = store.changes_since(SESSION, Version(5), 10).await;
    let error = error.expect_err("changes since a version that is not there are refused");
    assert_error(&error, Kind::Precondition, "version_ahead", "a version that is not there");
}

/// Applying all commits to the empty tree gives the tree that is read.
pub async fn the_tree_is_the_sum_of_the_changes(store: &dyn MirrorStore) {
    for bytes in [b"1", b"2"] {
        put(store, bytes, 1).await.expect("content can be put");
    }
    let (one, two) = (file(b"1"), file(b"2"));
    let commits = [
        vec![make_directory("d"), change("d/f", None, Some(&one)), change("d.x", None, Some(&two))],
        vec![change("d/f", Some(&one), None), change("d/g", None, Some(&one))],
        vec![change("d", Some(DIRECTORY), Some(&two)), change("d/g", Some(&one), None)],
        vec![change("d.x", Some(&two), Some(DIRECTORY)), change("d.x/f", None, Some(&two))],
    ];
    let mut sum = Tree::new();
    for (base, changes) in (0..).zip(&commits) {
        accepted(store, base, changes).await;
        for revision in revisions(store, base, usize::MAX).await.revisions {
            apply(&mut sum, &revision.changes).expect("stored changes fit on each other");
        }
        let snapshot = store.tree(SESSION).await.expect("the tree can be read");
        assert_eq!(snapshot.version, Version(base + 1), "the tree is that of the newest version");
        assert_eq!(*snapshot.tree, sum, "the tree is the sum of the changes");
    }
    let paths: Vec<String> = sum.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(paths, ["d", "d.x", "d.x/f"]);
    assert_eq!(sum.get("d"), Some(&two), "a directory was replaced by a file");
}
