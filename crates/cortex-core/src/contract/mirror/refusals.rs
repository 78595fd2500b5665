//! Cases about commits that are refused.

use super::SESSION;
use super::accepted;
use super::assert_error;
use super::at;
use super::change;
use super::file;
use super::make_directory;
use super::put;
use super::refused;
use crate::change::Change;
use crate::change::Version;
use crate::digest::ContentId;
use crate::error::Kind;
use crate::mirror::Commit;
use crate::mirror::MirrorStore;
use crate::path::LinkTarget;
use crate::tree::Entry;
use crate::tree::File;

const DIRECTORY: &Entry = &Entry::Directory;

/// A change made against another entry than the one that stands there is a conflict.
pub async fn a_stale_parent_is_a_conflict(store: &dyn MirrorStore) {
    for bytes in [b"1", b"2"] {
        put(store, bytes, 1).await.expect("content can be put");
    }
    accepted(store, 0, &[change("f", None, Some(&file(b"1")))]).await;
    for (stale, why) in [
        (change("f", None, Some(&file(b"2"))), "a file made where one stands"),
        (change("f", Some(&file(b"2")), None), "a deletion of another file"),
        (change("f", Some(DIRECTORY), Some(&file(b"2"))), "a file in place of no directory"),
        (change("gone", Some(&file(b"1")), Some(&file(b"2"))), "an edit of what is not there"),
        (change("gone", Some(&file(b"1")), None), "a deletion of what is not there"),
    ] {
        let error = refused(store, 1, &[make_directory("good"), stale], why).await;
        assert_error(&error, Kind::Conflict, "parent_mismatch", why);
    }
}

/// No change, two of one path, one that changes nothing, too many: refused on any version.
pub async fn a_malformed_commit_is_refused(store: &dyn MirrorStore) {
    accepted(store, 0, &[make_directory("d")]).await;
    let twice = [make_directory("n"), change("n", None, Some(&file(b"")))];
    let many: Vec<Change> =
        (0..=Change::MAX_COUNT).map(|n| make_directory(&format!("n{n}"))).collect();
    for (changes, why) in [
        (&[][..], "no change"),
        (&twice[..], "two changes of one path"),
        (&[change("n", None, None)][..], "nothing in place of nothing"),
        (&[change("d", Some(DIRECTORY), Some(DIRECTORY))][..], "an entry in place of its like"),
        (&many[..], "too many changes"),
    ] {
        for base in [0, 1, 9] {
            let error = refused(store, base, changes, why).await;
            assert_eq!(error.kind(), Kind::Invalid, "{why}, on version {base}: {error}");
        }
    }
}

/// Nothing lies below a file, a symlink or nothing, and no directory goes with something in it.
pub async fn a_broken_tree_is_refused(store: &dyn MirrorStore) {
    put(store, b"1", 1).await.expect("content can be put");
    let one = file(b"1");
    let link = Entry::Symlink { target: LinkTarget::new("d").expect("is a target") };
    let entries = [("f", &one), ("l", &link), ("d", DIRECTORY), ("d/f", &one)];
    accepted(store, 0, &entries.map(|(at, entry)| change(at, None, Some(entry)))).await;
    for (changes, why) in [
        (vec![make_directory("n/x")], "an entry below nothing"),
        (vec![make_directory("f/x")], "an entry below a file"),
        (vec![make_directory("l/x")], "an entry below a symlink"),
        (vec![change("d", Some(DIRECTORY), None)], "a full directory deleted"),
        (vec![change("d", Some(DIRECTORY), Some(&one))], "a full directory made a file"),
        (
            vec![
                change("d", Some(DIRECTORY), None),
                change("d/f", Some(&one), None),
                change("d/n", None, Some(&one)),
            ],
            "an entry made in a directory that goes",
        ),
    ] {
        let error = refused(store, 1, &changes, why).await;
        assert_eq!(error.kind(), Kind::Invalid, "{why}: {error}");
    }
    // Any order is good, children before parents too.
    let turned = [
        change("f/x", None, Some(&one)),
        change("f", Some(&one), Some(DIRECTORY)),
        change("d", Some(DIRECTORY), Some(&one)),
        change("d/f", Some(&one), None),
    ];
    accepted(store, 1, &turned).await;
}

/// Being behind is told before anything that depends on the tree or on content is looked at.
pub async fn checks_come_in_order(store: &dyn MirrorStore) {
    accepted(store, 0, &[make_directory("d")]).await;
    let never_put = file(b"never put");
    for (changes, why) in [
        (vec![change("d", None, Some(DIRECTORY))], "stale, but behind"),
        (vec![make_directory("n/x")], "orphaned, but behind"),
        (vec![change("f", None, Some(&never_put))], "without content, but behind"),
    ] {
        let answer = store.commit(SESSION, Version(0), None, changes, at(1)).await;
        assert_eq!(answer.expect(why), Commit::Behind(Version(1)), "{why}");
    }
}

/// A commit that names content that is not held is refused, and taken once it is.
pub async fn content_has_to_be_there_first(store: &dyn MirrorStore) {
    put(store, b"held", 4).await.expect("content can be put");
    let mut other_size = ContentId::of(b"held");
    other_size.size += 1;
    let other_size =
        Entry::File(File { content: other_size, executable: false, modified_ns: None });
    for (missing, why) in [
        (file(b"never put"), "content that was never put"),
        (file(b""), "empty content that was never put"),
        (other_size, "held digest with another size"),
    ] {
        let held = change("held", None, Some(&file(b"held")));
        let error = refused(store, 0, &[held, change("f", None, Some(&missing))], why).await;
        assert_error(&error, Kind::Precondition, "content_missing", why);
    }
    put(store, b"never put", 9).await.expect("content can be put");
    accepted(store, 0, &[change("f", None, Some(&file(b"never put")))]).await;
}
