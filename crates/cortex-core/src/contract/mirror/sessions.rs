//! Cases about whole mirrors: new, side by side, removed.

use super::OTHER_SESSION;
use super::SESSION;
use super::accepted;
use super::assert_error;
use super::at;
use super::change;
use super::file;
use super::holds;
use super::make_directory;
use super::put;
use super::read;
use super::refused;
use super::revisions;
use crate::change::Version;
use crate::digest::ContentId;
use crate::error::Kind;
use crate::mirror::MirrorStore;
use crate::mirror::Revisions;

/// A session without a commit has an empty tree at version 0.
pub async fn a_new_mirror_is_empty(store: &dyn MirrorStore) {
    let snapshot = store.tree(SESSION).await.expect("a mirror without a commit has a tree");
    assert_eq!(snapshot.version, Version::ZERO, "a mirror without a commit is at version 0");
    assert!(snapshot.tree.is_empty(), "a mirror without a commit is empty");
    let nothing = Revisions { revisions: vec![], head: Version::ZERO };
    assert_eq!(revisions(store, 0, 10).await, nothing, "there are no commits to read");
    store.remove(SESSION).await.expect("removing a mirror without a commit is success");
}

/// Versions, trees and content of one session are not those of another.
pub async fn sessions_do_not_see_each_other(store: &dyn MirrorStore) {
    put(store, b"1", 1).await.expect("content can be put");
    let changes = [change("f", None, Some(&file(b"1")))];
    accepted(store, 0, &changes).await;
    let other = store.tree(OTHER_SESSION).await.expect("the tree can be read");
    assert_eq!((other.version, other.tree.len()), (Version::ZERO, 0), "another session is empty");
    let id = ContentId::of(b"1");
    let missing = store.missing(OTHER_SESSION, &[id]).await.expect("can be asked for");
    assert_eq!(missing, [id], "another session's content is missing");
    let unread = store.get(OTHER_SESSION, id, id.whole()).await.map(drop);
    let unread = unread.expect_err("another session's content cannot be read");
    assert_eq!(unread.kind(), Kind::NotFound, "{unread}");
    let named = store.commit(OTHER_SESSION, Version(0), None, changes.to_vec(), at(1)).await;
    let named = named.expect_err("another session's content cannot be committed");
    assert_error(&named, Kind::Precondition, "content_missing", "another session's content");
    store.remove(OTHER_SESSION).await.expect("removing an empty mirror is success");
    let kept = read(store, id).await.expect("content of the tree can be read");
    assert_eq!(kept, b"1", "removing one session leaves the other");
}

/// After removal everything is as before the first commit, content included.
pub async fn a_removed_mirror_is_empty_again(store: &dyn MirrorStore) {
    put(store, b"1", 1).await.expect("content can be put");
    accepted(store, 0, &[change("f", None, Some(&file(b"1")))]).await;
    for time in ["once", "twice"] {
        store.remove(SESSION).await.unwrap_or_else(|error| panic!("removing {time}: {error}"));
    }
    assert!(!holds(store, ContentId::of(b"1")).await, "content goes with the mirror");
    let error = refused(store, 1, &[make_directory("d")], "a base before the removal").await;
    assert_error(&error, Kind::Precondition, "version_ahead", "a base before the removal");
    a_new_mirror_is_empty(store).await;
    accepted(store, 0, &[make_directory("d")]).await;
}
