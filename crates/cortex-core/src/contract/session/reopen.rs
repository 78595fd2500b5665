//! Case: everything survives a restart.

use std::sync::Arc;

use super::scene::Scene;
use super::scene::at;
use super::scene::binary;
use super::scene::countersigned;
use super::scene::ended;
use super::scene::files_output;
use super::scene::node;
use super::scene::output;
use super::scene::published;
use super::scene::session_id;
use super::scene::started;
use super::scene::submitted;
use super::scene::task;
use crate::contract::promise::kept;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::session::Happening;
use crate::session::Seq;
use crate::session::SessionStore;
use crate::session::TaskFilter;
use crate::task::Stream;
use crate::task::TaskEvent;

/// Writes to the store that `make` gives for step 0, lets it go, and reads from that of step 1.
///
/// Both are to be backends of the same storage, which is empty at first. A store that keeps
/// nothing, as the one in memory, has nothing to show here.
///
/// # Panics
/// The store breaks a promise of [`SessionStore`]; the message says which.
pub async fn session_store_reopened(make: impl AsyncFn(usize) -> Arc<dyn SessionStore>) {
    let before = make(0).await;
    write(&*before).await;
    let scene = Scene { store: &*before, id: session_id(1) };
    let written = scene.everything().await;
    let head = scene.head().await;
    let sessions = kept(before.list(None).await, "sessions are listed");
    drop(before);

    let after = make(1).await;
    let scene = Scene { store: &*after, id: session_id(1) };
    let promise = "sessions, logs, tasks and output survive a restart";
    let survivors = kept(after.list(None).await, "sessions are listed");
    same(&survivors, &sessions, promise);
    let read = scene.everything().await;
    assert!(read == written, "broken promise: {promise}");
    let open = kept(after.tasks(TaskFilter::open()).await, "tasks are listed");
    let open: Vec<_> = open.iter().map(|task| task.id).collect();
    same(&open, &vec![task(3), task(1)], "after a restart, the open tasks are found");
    go_on(scene, head).await;
}

async fn write(store: &dyn SessionStore) {
    let scene = Scene::open(store, 1).await;
    let closed = Scene::open(store, 2).await;
    scene.play(vec![Happening::Attached { node: node(1) }]).await;
    scene.run(1).await;
    let mut offset = 0;
    for length in [3, 20_000, 70_001, 300_003] {
        scene.play(vec![output(1, Stream::Stdout, offset, binary(length, 9))]).await;
        offset += length as u64;
    }
    scene
        .play(vec![
            files_output(1, 0, binary(100_000, 3)),
            published(1, "a.bin", 0, &binary(100_000, 3)),
        ])
        .await;
    scene.run(2).await;
    scene.play(vec![output(2, Stream::Stderr, 0, "oh"), countersigned(2, 1, 7)]).await;
    scene.play(vec![submitted(3)]).await;
    closed.play(vec![Happening::Closed]).await;
}

async fn go_on(scene: Scene<'_>, head: Seq) {
    let cancel = TaskEvent::CancelRequested { by: None, reason: "restart".to_owned() };
    let what = vec![
        output(1, Stream::Stdout, 390_007, "the rest"),
        Happening::task(task(1), cancel),
        files_output(1, 100_000, "more"),
        published(1, "more", 100_000, b"more"),
        ended(1, 1, 0),
        submitted(4),
    ];
    let appended = scene.store.append(scene.id, Some(head), what, at(400)).await;
    let appended = kept(appended, "after a restart, a log goes on where it ended");
    same(&appended.entries[0].seq, &head.plus(1), "numbers go on after a restart");
    let whole = scene.whole_output(task(1), Stream::Stdout).await;
    assert!(whole.ends_with(b"the rest"), "broken promise: output goes on after a restart");

    let late = scene.append(vec![started(2, 1)]).await;
    refused_as(late, Kind::Conflict, "task_ended", "an end survives a restart");
    let closed = Scene { store: scene.store, id: session_id(2) };
    let late = closed.append(vec![submitted(5)]).await;
    refused_as(late, Kind::Precondition, "session_closed", "a closed session stays closed");
}
