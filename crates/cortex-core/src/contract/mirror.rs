//! The contract of [`MirrorStore`]: every promise of its documentation, as a case.

pub mod commits;
pub mod content;
pub mod refusals;
pub mod sessions;

use bytes::Bytes;
use futures::StreamExt;
use futures::TryStreamExt;
use futures::stream;

use crate::change::Change;
use crate::change::Version;
use crate::digest::ContentId;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::id::NodeId;
use crate::id::SessionId;
use crate::mirror::Commit;
use crate::mirror::MirrorStore;
use crate::mirror::Revisions;
use crate::path::RelPath;
use crate::timestamp::Timestamp;
use crate::tree::Entry;
use crate::tree::File;

/// The session that the cases use; a backend that needs sessions to exist makes it first.
pub const SESSION: SessionId = SessionId::from_bytes([0x51; 16]);
/// A second session, likewise.
pub const OTHER_SESSION: SessionId = SessionId::from_bytes([0x52; 16]);
/// The node that commits, likewise.
pub const AUTHOR: NodeId = NodeId::from_bytes([0x61; 16]);

/// Runs every case on a fresh store of its own that `make` gives.
///
/// The stores have to hold at least 4 MiB of content a session.
///
/// # Panics
/// The store breaks a promise of [`MirrorStore`]; the message says which.
pub async fn mirror_store<S: MirrorStore>(make: impl AsyncFn() -> S) {
    sessions::a_new_mirror_is_empty(&make().await).await;
    commits::only_the_newest_version_is_built_upon(&make().await).await;
    commits::of_two_writers_one_wins(&make().await).await;
    commits::a_commit_is_kept_as_it_was_made(&make().await).await;
    refusals::a_stale_parent_is_a_conflict(&make().await).await;
    refusals::a_malformed_commit_is_refused(&make().await).await;
    refusals::a_broken_tree_is_refused(&make().await).await;
    refusals::checks_come_in_order(&make().await).await;
    refusals::content_has_to_be_there_first(&make().await).await;
    commits::changes_are_read_in_whole_commits(&make().await).await;
    commits::the_tree_is_the_sum_of_the_changes(&make().await).await;
    sessions::sessions_do_not_see_each_other(&make().await).await;
    sessions::a_removed_mirror_is_empty_again(&make().await).await;

    content::bytes_come_back_as_they_were_put(&make().await).await;
    content::a_range_is_read_exactly(&make().await).await;
    content::what_is_not_held_is_not_found(&make().await).await;
    content::wrong_bytes_are_refused(&make().await).await;
    content::a_failed_stream_stores_nothing(&make().await).await;
    content::a_dropped_put_stores_nothing(&make().await).await;
    content::putting_again_is_harmless(&make().await).await;
    content::missing_is_told_once_and_in_order(&make().await).await;
    content::content_of_the_tree_stays(&make().await).await;
    content::a_reader_outlives_its_call(&make().await).await;
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("the suite's paths are paths")
}

fn file(bytes: &[u8]) -> Entry {
    let content = ContentId::of(bytes);
    Entry::File(File { content, executable: false, modified_ns: None })
}

fn change(at: &str, was: Option<&Entry>, is: Option<&Entry>) -> Change {
    Change { path: path(at), parent: was.map(Entry::hash), entry: is.cloned() }
}

fn make_directory(at: &str) -> Change {
    change(at, None, Some(&Entry::Directory))
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Puts bytes in pieces of `piece` bytes.
async fn put(store: &dyn MirrorStore, bytes: &[u8], piece: usize) -> Result<()> {
    put_as(store, ContentId::of(bytes), bytes, piece).await
}

/// Puts bytes under a name that may be wrong.
async fn put_as(
    store: &dyn MirrorStore,
    name: ContentId,
    bytes: &[u8],
    piece: usize,
) -> Result<()> {
    let pieces = bytes.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece)));
    store.put(SESSION, name, stream::iter(pieces).boxed()).await
}

async fn read(store: &dyn MirrorStore, content: ContentId) -> Result<Vec<u8>> {
    let pieces = store.get(SESSION, content, content.whole()).await?;
    pieces.try_fold(Vec::new(), async |whole, piece| Ok([&whole, &*piece].concat())).await
}

async fn revisions(store: &dyn MirrorStore, after: u64, limit: usize) -> Revisions {
    let read = store.changes_since(SESSION, Version(after), limit).await;
    read.expect("changes since a version that is there can be read")
}

async fn holds(store: &dyn MirrorStore, content: ContentId) -> bool {
    store.missing(SESSION, &[content]).await.expect("missing content can be asked for").is_empty()
}

/// Commits on `base` and expects it to be taken as the version after it.
async fn accepted(store: &dyn MirrorStore, base: u64, changes: &[Change]) {
    let committed =
        store.commit(SESSION, Version(base), Some(AUTHOR), changes.to_vec(), at(1)).await;
    let committed = committed.expect("a good commit on the newest version is taken");
    assert_eq!(
        committed,
        Commit::Accepted(Version(base + 1)),
        "a commit on the newest version makes the version after it"
    );
}

/// Commits on `base` and expects a refusal that leaves the mirror as it was.
async fn refused(store: &dyn MirrorStore, base: u64, changes: &[Change], why: &str) -> Error {
    let before = store.tree(SESSION).await.expect("the tree can be read");
    let answer = store.commit(SESSION, Version(base), None, changes.to_vec(), at(1)).await;
    let error = match answer {
        Ok(answer) => panic!("{why}: must be refused, but was answered with {answer:?}"),
        Err(error) => error,
    };
    let after = store.tree(SESSION).await.expect("the tree can be read");
    assert_eq!(before, after, "{why}: a refused commit changes nothing");
    error
}

fn assert_error(error: &Error, kind: Kind, code: &str, why: &str) {
    assert_eq!((error.kind(), error.code()), (kind, code), "{why}: {error}");
}

#[cfg(test)]
mod tests;
