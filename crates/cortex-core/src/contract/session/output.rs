//! Cases: output comes back byte by byte.

use bytes::Bytes;

use super::scene::Scene;
use super::scene::binary;
use super::scene::ended;
use super::scene::output;
use super::scene::submitted;
use super::scene::task;
use crate::contract::promise::kept;
use crate::contract::promise::refused;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::session::Entry;
use crate::session::Happening;
use crate::session::SessionStore;
use crate::task::Stream;
use crate::task::TaskEvent;

const INLINE: usize = Happening::INLINE_OUTPUT;

/// Lengths of chunks at and around the limits at which a backend may store them elsewhere.
const LENGTHS: [usize; 14] =
    [1, 7, 0, 4_096, INLINE, INLINE + 1, 3, 65_535, 65_536, 65_537, 200_003, 1_048_577, 13, 999];

/// Bytes of any value, in chunks of any length, are read from every offset as they came.
pub async fn bytes_come_back_as_they_came(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    scene.run(2).await;
    let mut streams = [(Stream::Stdout, Vec::<u8>::new()), (Stream::Stderr, Vec::new())];
    let mut edges = vec![0];
    for (length, seed) in LENGTHS.into_iter().zip(1u32..) {
        for ((stream, written), salt) in streams.iter_mut().zip([0, 7_777]) {
            let data = binary(length, seed + salt);
            let offset = written.len() as u64;
            written.extend_from_slice(&data);
            scene.play(vec![output(1, *stream, offset, data)]).await;
        }
        edges.push(streams[0].1.len());
    }
    scene.play(vec![output(2, Stream::Stdout, 0, "another task's")]).await;
    for (stream, written) in &streams {
        let whole = scene.whole_output(task(1), *stream).await;
        assert!(whole == *written, "broken promise: output is read as it was written");
        for edge in &edges {
            for offset in edge.saturating_sub(1)..=edge + 1 {
                for limit in [1, 2, 1_000, 70_001] {
                    check_part(&scene, *stream, written, offset, limit).await;
                }
            }
        }
    }
    scene.play(vec![ended(1, 1, 0)]).await;
    let whole = scene.whole_output(task(1), Stream::Stdout).await;
    assert!(whole == streams[0].1, "broken promise: output stays when its task has ended");
    same(
        &scene.task(1).await.output.stdout.stored,
        &(whole.len() as u64),
        "a task knows its output",
    );
}

async fn check_part(
    scene: &Scene<'_>,
    stream: Stream,
    written: &[u8],
    offset: usize,
    limit: usize,
) {
    let part = scene.store.output(task(1), stream, offset as u64, limit).await;
    let part = kept(part, "the output of a task is read");
    let rest = written.get(offset..).unwrap_or_default();
    let promise = format!("{stream:?} from byte {offset}, at most {limit}");
    same(&part.offset, &(offset as u64), &format!("{promise}: begins where asked for"));
    same(
        &part.totals.arrived(),
        &(written.len() as u64),
        &format!("{promise}: says how much is stored"),
    );
    assert!(part.data.len() <= limit, "broken promise: {promise}: found {}", part.data.len());
    assert!(rest.starts_with(&part.data), "broken promise: {promise}: has the bytes from there");
    let is_empty = part.data.is_empty();
    same(&is_empty, &rest.is_empty(), &format!("{promise}: empty where nothing is stored"));
}

/// An entry that is read has its output if that is short, and none of it if it is long.
pub async fn short_output_comes_with_its_entry(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    let mut offset = 0;
    let mut written = Vec::new();
    for length in [1, INLINE, INLINE + 1, 300_000, 5, 0] {
        let data = binary(length, 3);
        let what = output(1, Stream::Stdout, offset, data.clone());
        offset += length as u64;
        let appended = scene.play(vec![what.clone()]).await;
        same(&appended.entries[0].what, &what, "an append returns entries with all their data");
        written.push((what, data));
    }
    for (entry, (what, data)) in scene.log().await.iter().skip(3).zip(written) {
        let Happening::Task { task, event, .. } = what else { unreachable!("it is output") };
        let data = if data.len() <= INLINE { data } else { Bytes::new() };
        let promised = Happening::Task { task, event, data };
        assert!(
            entry.what == promised,
            "broken promise: an entry is read with its output up to {INLINE} bytes, without \
             longer; found at {}: another event or other data",
            entry.seq
        );
    }
}

/// Output that does not begin where the stored output ends is refused.
pub async fn output_has_no_gap(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    scene.play(vec![output(1, Stream::Stdout, 0, "abc"), output(1, Stream::Stderr, 0, "x")]).await;
    let before = scene.everything().await;
    for offset in [0, 1, 2, 4, 1 << 40] {
        let refusal = scene.append(vec![output(1, Stream::Stdout, offset, "def")]).await;
        let promise = "output that does not continue what is stored is refused";
        refused(refusal, Kind::Conflict, promise);
    }
    same(&scene.everything().await, &before, "refused output leaves no trace");
    scene.play(vec![output(1, Stream::Stdout, 3, "def")]).await;
    let whole = scene.whole_output(task(1), Stream::Stdout).await;
    same(&whole.as_slice(), &&b"abcdef"[..], "output goes on where it ended");
}

/// Of what is left out nothing is read; the bytes before and behind it are, and keep their places.
pub async fn both_ends_are_kept_of_what_is_cut(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    let (short, long) = (binary(100, 1), binary(300_000, 2));
    let all = [&short[..], &long[..], b"behind"].concat();
    let long_at = short.len() as u64;
    let cut = |from, dropped| {
        let event = TaskEvent::Truncated { attempt: 1, stream: Stream::Stdout, from, dropped };
        Happening::task(task(1), event)
    };
    let put = |offset, data: &[u8]| output(1, Stream::Stdout, offset, data.to_vec());
    scene.play(vec![put(0, &short), put(long_at, &long), cut(50, 10)]).await;
    // What is left out grows at its end, in one append with what comes behind it.
    scene.play(vec![cut(60, 200_000), put(long_at + 300_000, b"behind"), cut(200_060, 1)]).await;
    let promise = "what is left out grows at its end, and only by what is stored";
    for (from, dropped) in [(50, 1), (200_060, 1), (200_062, 1), (200_061, 100_046)] {
        refused(scene.append(vec![cut(from, dropped)]).await, Kind::Conflict, promise);
    }
    let gap = 50..200_061;
    let length = all.len();
    for offset in [0, 49, 50, 51, 100, 200_060, 200_061, 200_062, 300_099, 300_100, length] {
        let part = store.output(task(1), Stream::Stdout, offset as u64, 1 << 20).await;
        let part = kept(part, "the output of a task is read");
        let end = if offset < gap.end { gap.start.max(offset) } else { length };
        let promise = format!("from byte {offset}, a part is before what is left out or behind it");
        assert!(all[offset..end].starts_with(&part.data), "broken promise: {promise}");
        same(&part.data.is_empty(), &(offset == end), &promise);
        same(&part.totals.gap().map(|gap| (gap.from, gap.to)), &Some((50, 200_061)), &promise);
        same(&part.totals.arrived(), &(length as u64), &promise);
    }
    let ends = [&all[..gap.start], &all[gap.end..]].concat();
    assert!(
        scene.whole_output(task(1), Stream::Stdout).await == ends,
        "broken promise: both ends of what is cut are kept"
    );
    let log = scene.log().await;
    let data = |entry: &Entry| match &entry.what {
        Happening::Task { data, .. } => data.clone(),
        _ => Bytes::new(),
    };
    let of = |wanted: u64| {
        log.iter().find(|entry| {
            matches!(&entry.what, Happening::Task { event: TaskEvent::Output { offset, .. }, .. }
                if *offset == wanted)
        })
    };
    same(&of(0).map(data), &Some(Bytes::new()), "an entry is read without what is left out of it");
    let behind = of(long_at + 300_000).map(data);
    same(&behind, &Some("behind".into()), "an entry behind what is left out has its output");
}

/// Output whose data is shorter or longer than its event says is refused; so is other data.
pub async fn data_has_the_length_that_its_event_says(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    let event = |len| TaskEvent::Output { attempt: 1, stream: Stream::Stdout, offset: 0, len };
    for (len, data) in [(3, "ab"), (3, "abcd"), (0, "a"), (1, "")] {
        let what = Happening::Task { task: task(1), event: event(len), data: data.into() };
        let refusal = scene.append(vec![what]).await;
        refused(refusal, Kind::Invalid, "output has the length that its event says");
    }
    let Happening::Task { task, event, .. } = submitted(2) else { unreachable!("it is a task's") };
    let what = Happening::Task { task, event, data: "stray".into() };
    let refusal = scene.append(vec![what]).await;
    refused(refusal, Kind::Invalid, "only output has data");
    same(&scene.log().await.len(), &3, "refused entries leave no trace");
}

/// Behind the end, before the beginning and of an unknown task there is no output.
pub async fn where_nothing_is_stored_a_part_is_empty(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.play(vec![submitted(1)]).await;
    check_part(&scene, Stream::Stdout, b"", 0, 100).await;
    scene.run(2).await;
    scene.play(vec![output(2, Stream::Stdout, 0, "abc")]).await;
    for (stream, offset, stored) in
        [(Stream::Stdout, 3, 3), (Stream::Stdout, 1 << 40, 3), (Stream::Stderr, 0, 0)]
    {
        let part = store.output(task(2), stream, offset, 100).await;
        let part = kept(part, "the output of a task is read");
        let found = (part.offset, part.data.len(), part.totals.arrived());
        let promised = (offset, 0, stored);
        same(&found, &promised, "a part is empty where nothing is stored");
    }
    let none = kept(store.output(task(2), Stream::Stdout, 0, 0).await, "output is read");
    same(&none.data.len(), &0, "a part has at most as many bytes as asked for");
    let unknown = store.output(task(9), Stream::Stdout, 0, 100).await;
    let promise = "the output of an unknown task is not found";
    refused_as(unknown, Kind::NotFound, "task_not_found", promise);
}
