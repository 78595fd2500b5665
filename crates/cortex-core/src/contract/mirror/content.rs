//! Cases about the bytes of files.

use std::ops::Range;

use bytes::Bytes;
use futures::StreamExt;
use futures::TryStreamExt;
use futures::channel::oneshot;
use futures::future::Either;
use futures::future::select;
use futures::stream;

use super::SESSION;
use super::accepted;
use super::change;
use super::file;
use super::holds;
use super::make_directory;
use super::put;
use super::put_as;
use super::read;
use crate::digest::CHUNK_SIZE;
use crate::digest::ContentId;
use crate::digest::Digest;
use crate::error::Error;
use crate::error::Kind;
use crate::mirror::MAX_PIECE;
use crate::mirror::MirrorStore;

/// Bytes without a short period, so that a piece lost or swapped shows.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

/// Content of any size comes back, however it was cut, in pieces that are neither empty nor large.
pub async fn bytes_come_back_as_they_were_put(store: &dyn MirrorStore) {
    for length in [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * MAX_PIECE + 3] {
        let bytes = sample(length);
        let content = ContentId::of(&bytes);
        assert!(!holds(store, content).await, "{length} bytes are not held before they are put");
        put(store, &bytes, 100_003).await.expect("content can be put");
        assert!(holds(store, content).await, "{length} bytes are held after they were put");
        let pieces = store.get(SESSION, content, content.whole()).await;
        let pieces: Vec<Bytes> = pieces
            .expect("held content can be read")
            .try_collect()
            .await
            .expect("held content can be read to its end");
        let fits = |piece: &Bytes| (1..=MAX_PIECE).contains(&piece.len());
        assert!(pieces.iter().all(fits), "pieces have 1 to {MAX_PIECE} bytes");
        assert!(pieces.concat() == bytes, "{length} bytes come back as they were put");
    }
}

/// Any range within the content is read exactly, any other is refused.
pub async fn a_range_is_read_exactly(store: &dyn MirrorStore) {
    let bytes = sample(3 * CHUNK_SIZE + 5);
    let content = ContentId::of(&bytes);
    put(store, &bytes, CHUNK_SIZE).await.expect("content can be put");
    let (chunk, end) = (CHUNK_SIZE as u64, content.size);
    for range in [
        0..0,
        0..1,
        0..end,
        chunk..2 * chunk,
        chunk - 1..2 * chunk + 1,
        3 * chunk..end,
        end - 1..end,
        end..end,
    ] {
        let pieces = store.get(SESSION, content, range.clone()).await;
        let pieces: Vec<Bytes> = pieces
            .unwrap_or_else(|error| panic!("range {range:?} of {end} bytes: {error}"))
            .try_collect()
            .await
            .expect("a range of held content can be read to its end");
        let position = |at: u64| usize::try_from(at).expect("small");
        let expected = &bytes[position(range.start)..position(range.end)];
        assert!(pieces.concat() == expected, "range {range:?} is read exactly");
        assert!(pieces.iter().all(|piece| !piece.is_empty()), "no piece of {range:?} is empty");
    }
    for (start, end) in [(0, end + 1), (end + 1, end + 1), (2, 1), (0, u64::MAX), (u64::MAX, 0)] {
        let range = Range { start, end };
        let error = store.get(SESSION, content, range.clone()).await.map(drop);
        let error = error.expect_err("a range outside of the content is refused");
        assert_eq!(error.kind(), Kind::Invalid, "range {range:?}: {error}");
    }
}

/// Reading content that is not held fails at once; a held digest with another size is not held.
pub async fn what_is_not_held_is_not_found(store: &dyn MirrorStore) {
    put(store, b"held", 4).await.expect("content can be put");
    let mut shorter = ContentId::of(b"held");
    shorter.size -= 1;
    for content in [ContentId::of(b"never put"), ContentId::of(b""), shorter] {
        assert!(!holds(store, content).await, "{content:?} is missing");
        let error = store.get(SESSION, content, content.whole()).await.map(drop);
        let error = error.expect_err("content that is not held cannot be read");
        assert_eq!(error.kind(), Kind::NotFound, "{content:?}: {error}");
    }
}

/// Bytes that are not what was announced are refused and not stored, even if they never end.
pub async fn wrong_bytes_are_refused(store: &dyn MirrorStore) {
    let large = sample(2 * CHUNK_SIZE);
    let list: Vec<u8> =
        large.chunks(CHUNK_SIZE).flat_map(|chunk| *Digest::of(chunk).as_bytes()).collect();
    let plain = ContentId { size: large.len() as u64, digest: Digest::of(&large) };
    for (name, bytes, why) in [
        (ContentId::of(b"right"), &b"wrong"[..], "other bytes of the same size"),
        (ContentId::of(b"right"), b"righ", "a byte too few"),
        (ContentId::of(b"right"), b"right!", "a byte too many"),
        (ContentId::of(b"right"), b"", "no bytes"),
        (ContentId::of(b""), b"x", "bytes for empty content"),
        (ContentId::of(&large), &list, "the list of chunks instead of the chunks"),
        (plain, &large, "large content under its plain digest"),
    ] {
        let error = put_as(store, name, bytes, 3).await.expect_err(why);
        assert_eq!((error.kind(), error.code()), (Kind::Invalid, "content_mismatch"), "{why}");
        assert!(!holds(store, name).await, "{why}: nothing is stored");
        assert!(!holds(store, ContentId::of(bytes)).await, "{why}: nothing is stored");
    }
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"more"))).boxed();
    let error = store.put(SESSION, ContentId::of(b"right"), endless).await;
    let error = error.expect_err("a stream that does not end is refused when it is too long");
    assert_eq!(error.code(), "content_mismatch", "a stream that does not end: {error}");
}

/// An error of the stream is handed on as it is, and nothing is stored.
pub async fn a_failed_stream_stores_nothing(store: &dyn MirrorStore) {
    let content = ContentId::of(b"abc");
    let cut = Error::new(Kind::Unavailable, "receive content", "cut off").with_code("link_cut");
    let pieces = [Ok(Bytes::from_static(b"abc")), Err(cut)];
    let error = store.put(SESSION, content, stream::iter(pieces).boxed()).await;
    let error = error.expect_err("the error of the stream is returned");
    let seen = (error.kind(), error.operation(), error.message(), error.code());
    let expected = (Kind::Unavailable, "receive content", "cut off", "link_cut");
    assert_eq!(seen, expected, "an error of the stream is returned as it is");
    assert!(!holds(store, content).await, "a stream that failed stores nothing");
}

/// Dropping a put in the middle of the stream stores nothing and spoils nothing.
pub async fn a_dropped_put_stores_nothing(store: &dyn MirrorStore) {
    let content = ContentId::of(b"abcdef");
    let (waits, waiting) = oneshot::channel();
    let end = stream::once(async move {
        // Somebody waits unless the case itself is dropped, and then nobody cares.
        let _ = waits.send(());
        std::future::pending().await
    });
    let pieces = stream::iter([Ok(Bytes::from_static(b"abc"))]).chain(end).boxed();
    match select(store.put(SESSION, content, pieces), waiting).await {
        Either::Right((waited, put)) => {
            waited.expect("the stream is read until it waits");
            drop(put);
        }
        Either::Left((answer, _)) => panic!("answered before the stream ended: {answer:?}"),
    }
    assert!(!holds(store, content).await, "a put that was dropped stores nothing");
    put(store, b"abcdef", 2).await.expect("content can be put after a put was dropped");
    assert_eq!(read(store, content).await.expect("can be read"), b"abcdef");
}

/// Content that is held is taken again, also by two at once, and empty pieces are harmless.
pub async fn putting_again_is_harmless(store: &dyn MirrorStore) {
    let content = ContentId::of(b"abc");
    let (one, other) = futures::future::join(put(store, b"abc", 1), put(store, b"abc", 2)).await;
    one.expect("two at once put the same");
    other.expect("two at once put the same");
    let pieces = ["", "a", "", "bc", ""].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
    let again = store.put(SESSION, content, stream::iter(pieces).boxed()).await;
    again.expect("content that is held is put again");
    assert_eq!(read(store, content).await.expect("can be read"), b"abc");
}

/// What is missing is told once each, in the order of the question.
pub async fn missing_is_told_once_and_in_order(store: &dyn MirrorStore) {
    let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| ContentId::of(bytes));
    put(store, b"b", 1).await.expect("content can be put");
    let missing = store.missing(SESSION, &[c, b, a, c, b, a]).await.expect("can be asked for");
    assert_eq!(missing, [c, a], "missing content is told once and in order");
    let missing = store.missing(SESSION, &[]).await.expect("can be asked for");
    assert_eq!(missing, [], "of nothing, nothing is missing");
}

/// Content of the newest tree can be read whatever happened to other files that had it.
pub async fn content_of_the_tree_stays(store: &dyn MirrorStore) {
    let content = ContentId::of(b"kept");
    put(store, b"kept", 4).await.expect("content can be put");
    put(store, b"new", 3).await.expect("content can be put");
    let (kept, new) = (file(b"kept"), file(b"new"));
    let pair = [change("a", None, Some(&kept)), change("b", None, Some(&kept))];
    let moved = [change("b", Some(&kept), None), change("d/b", None, Some(&kept))];
    let steps = [
        (pair.to_vec(), "two files have it"),
        (vec![change("a", Some(&kept), Some(&new))], "one of two files was replaced"),
        ([&moved[..], &[make_directory("d")]].concat(), "the other one was moved"),
        (vec![change("a", Some(&new), None)], "the first one was deleted"),
    ];
    for (base, (changes, why)) in (0..).zip(&steps) {
        accepted(store, base, changes).await;
        let bytes = read(store, content).await;
        let bytes = bytes.unwrap_or_else(|error| panic!("{why}, and it is gone: {error}"));
        assert_eq!(bytes, b"kept", "{why}");
        assert!(holds(store, content).await, "{why}");
    }
}

/// A stream that is being read ends with all bytes or an error after its content was removed.
pub async fn a_reader_outlives_its_call(store: &dyn MirrorStore) {
    let bytes = sample(MAX_PIECE + 1);
    let content = ContentId::of(&bytes);
    put(store, &bytes, CHUNK_SIZE).await.expect("content can be put");
    let pieces = store.get(SESSION, content, content.whole()).await;
    let mut pieces = pieces.expect("held content can be read");
    let first = pieces.try_next().await.expect("can be read").expect("has bytes");
    assert!(bytes.starts_with(&first), "the first piece is the beginning");
    store.remove(SESSION).await.expect("a mirror that is read can be removed");
    let rest: Result<Vec<Bytes>, Error> = pieces.try_collect().await;
    if let Ok(rest) = rest {
        assert!(rest.concat() == bytes[first.len()..], "a reader gets all bytes or an error");
    }
}
