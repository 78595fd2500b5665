//! What was acknowledged is there after the process is gone.

use std::path::Path;

use cortex_core::id::TaskId;
use cortex_core::session::Seq;
use cortex_core::session::TaskFilter;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::TaskSpec;
use tempfile::TempDir;

use super::NOW;
use super::append;
use super::begin;
use super::begun;
use super::directory;
use super::ended;
use super::open;
use super::pattern;
use super::put_out;
use super::read_all;
use super::task;
use super::with_session;

#[tokio::test]
async fn a_store_that_is_only_dropped_has_lost_nothing() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let (open_task, ended_task) = (begin(&store, session).await, begin(&store, session).await);
    append(&store, session, vec![ended(ended_task)]).await;
    drop(store);
    let store = open(&directory).await;
    let tasks = store.sessions().tasks(TaskFilter::open()).await.unwrap();
    assert_eq!(tasks.iter().map(|task| task.id).collect::<Vec<_>>(), [open_task]);
    let read = store.sessions().read(session, Seq(0), 100).await.unwrap();
    assert_eq!(
        read.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(),
        (1..=7).collect::<Vec<_>>()
    );
    assert!(read.iter().all(|entry| entry.at == NOW));
    append(&store, session, vec![ended(open_task)]).await;
    assert_eq!(task(&store, open_task).await.state, State::Succeeded);
}

/// The files of a killed process are those that a copy finds while it runs.
#[tokio::test]
async fn a_copy_of_the_files_of_a_running_store_has_all_that_was_acknowledged() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let id = begin(&store, session).await;
    for part in 0..4 {
        let offset = part * 40_000;
        let what = put_out(id, Stream::Stdout, offset, &pattern(offset, 40_000));
        append(&store, session, vec![what]).await;
    }
    let copy = copied(directory.path());
    let unacknowledged = begun(TaskId::generate(), TaskSpec::argv(["late"]));
    append(&store, session, unacknowledged).await;

    let restarted = open(&copy).await;
    let head = restarted.sessions().read(session, Seq(0), 100).await.unwrap();
    assert_eq!(head.last().map(|entry| entry.seq), Some(Seq(7)));
    let output = read_all(&restarted, id, Stream::Stdout, 1 << 20).await;
    assert!(output == pattern(0, 160_000));
    append(&restarted, session, vec![ended(id)]).await;
}

#[tokio::test]
async fn output_that_was_written_but_not_acknowledged_is_written_over() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let id = begin(&store, session).await;
    append(&store, session, vec![put_out(id, Stream::Stdout, 0, &pattern(0, 100_000))]).await;
    store.close().await.unwrap();
    // As a crash between the file and the row leaves it.
    let file = directory.path().join("output").join(format!("{id}.stdout"));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend_from_slice(&[0xee; 5_000]);
    std::fs::write(&file, bytes).unwrap();

    let store = open(&directory).await;
    assert!(read_all(&store, id, Stream::Stdout, 1 << 20).await == pattern(0, 100_000));
    let rest = put_out(id, Stream::Stdout, 100_000, &pattern(100_000, 50));
    append(&store, session, vec![rest]).await;
    assert!(read_all(&store, id, Stream::Stdout, 1 << 20).await == pattern(0, 100_050));
}

fn copied(from: &Path) -> TempDir {
    let copy = directory();
    copy_all(from, copy.path());
    copy
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
            // The shared index is rebuilt from the log, as after a reboot.
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
