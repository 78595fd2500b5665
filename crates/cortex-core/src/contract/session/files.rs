//! Cases: files that a task publishes.

use super::scene::Scene;
use super::scene::binary;
use super::scene::ended;
use super::scene::files_output;
use super::scene::published;
use super::scene::task;
use crate::contract::promise::refused;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::session::SessionStore;
use crate::task::Stream;

/// Lengths of the pieces in which a file comes.
const PIECES: [usize; 5] = [1, 65_536, 300_001, 16_385, 1_048_576];

/// A task's files are there when they are complete, with their bytes, and stay when it has ended.
pub async fn files_come_back_as_they_were_published(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    let mut first = Vec::new();
    for (length, seed) in PIECES.into_iter().zip(1u32..) {
        let piece = binary(length, seed);
        scene.play(vec![files_output(1, first.len() as u64, piece.clone())]).await;
        first.extend_from_slice(&piece);
    }
    same(&scene.task(1).await.files.len(), &0, "a file is not there before it is complete");
    let second_at = first.len() as u64;
    let second = b"a,b\n";
    let what = vec![
        published(1, "first.bin", 0, &first),
        files_output(1, second_at, &second[..]),
        published(1, "second.csv", second_at, second),
        published(1, "empty", second_at + 4, b""),
        ended(1, 1, 0),
    ];
    scene.play(what).await;
    let files = scene.task(1).await.files.clone();
    let found: Vec<_> =
        files.iter().map(|file| (file.name.as_str(), file.offset, file.size)).collect();
    let end = second_at + 4;
    let promised =
        vec![("first.bin", 0, second_at), ("second.csv", second_at, 4), ("empty", end, 0)];
    same(&found, &promised, "a task lists its files in the order in which they were complete");
    let whole = scene.whole_output(task(1), Stream::Files).await;
    let written = [&first[..], second].concat();
    assert!(whole == written, "broken promise: the bytes of files are read as they were written");
    for stream in Stream::STANDARD {
        let other = scene.whole_output(task(1), stream).await;
        same(&other.len(), &0, "files do not mix with output");
    }
}

/// Neither bytes that did not come, nor a name twice or that leads elsewhere, make a file.
pub async fn a_file_that_does_not_fit_is_refused(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    scene.run(1).await;
    let early = scene.append(vec![published(1, "early", 0, b"abc")]).await;
    refused(early, Kind::Conflict, "a file without its bytes is refused");
    scene.play(vec![files_output(1, 0, "abcdef"), published(1, "abc", 0, b"abc")]).await;
    let before = scene.everything().await;
    for (what, promise) in [
        (published(1, "ABC", 3, b"def"), "a name that is taken is refused"),
        (published(1, "../up", 3, b"def"), "a name that leads elsewhere is refused"),
        (published(1, "again", 0, b"abc"), "bytes of another file are refused"),
        (published(1, "more", 3, b"defg"), "bytes that did not come are refused"),
    ] {
        refused(scene.append(vec![what]).await, Kind::Conflict, promise);
    }
    same(&scene.everything().await, &before, "a refused file leaves no trace");
}
