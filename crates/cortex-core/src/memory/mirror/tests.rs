//! What the backend in memory does beyond the contract.

use super::*;
use crate::path::RelPath;
use crate::tree::File;

const SESSION: SessionId = SessionId::from_bytes([1; 16]);

async fn put(store: &MemoryMirrorStore, bytes: &'static [u8]) -> Result<ContentId> {
    let content = ContentId::of(bytes);
    let pieces = stream::iter([Ok(Bytes::from_static(bytes))]).boxed();
    store.put(SESSION, content, pieces).await.map(|()| content)
}

async fn commit(
    store: &MemoryMirrorStore,
    was: Option<ContentId>,
    is: Option<ContentId>,
) -> Version {
    let file = |content| Entry::File(File { content, executable: false, modified_ns: None });
    let change = Change {
        path: RelPath::new("f").unwrap(),
        parent: was.map(|content| file(content).hash()),
        entry: is.map(file),
    };
    let base = store.tree(SESSION).await.unwrap().version;
    let now = Timestamp::from_millis(0);
    match store.commit(SESSION, base, None, vec![change], now).await.unwrap() {
        Commit::Accepted(version) => version,
        Commit::Behind(head) => panic!("nobody else commits, but the head is {head}"),
    }
}

#[tokio::test]
async fn replaced_content_is_dropped_at_once_and_waiting_content_kept() {
    let store = MemoryMirrorStore::new();
    let (old, new) = (put(&store, b"old").await.unwrap(), put(&store, b"new").await.unwrap());
    commit(&store, None, Some(old)).await;
    assert_eq!(store.missing(SESSION, &[old, new]).await.unwrap(), []);
    commit(&store, Some(old), Some(new)).await;
    assert_eq!(store.missing(SESSION, &[old, new]).await.unwrap(), [old]);
    commit(&store, Some(new), None).await;
    assert_eq!(store.missing(SESSION, &[old, new]).await.unwrap(), [old, new]);
}

#[tokio::test]
async fn a_session_holds_no_more_than_the_limit() {
    let store = MemoryMirrorStore::with_limit(5);
    let old = put(&store, b"123").await.unwrap();
    assert_eq!(put(&store, b"456").await.unwrap_err().kind(), Kind::Exhausted);
    assert!(put(&store, b"123").await.is_ok(), "what is held takes no more room");
    commit(&store, None, Some(old)).await;
    commit(&store, Some(old), None).await;
    assert!(put(&store, b"45678").await.is_ok());
    assert_eq!(put(&store, b"9").await.unwrap_err().kind(), Kind::Exhausted);
}
