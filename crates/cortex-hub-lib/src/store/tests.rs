//! Tests of the store as a whole, on a real disk.

mod accounts;
mod audit;
mod contracts;
mod crash;
mod migrated;
mod opening;
mod output;
mod presence;
mod sharing;

use std::sync::Arc;

use bytes::Bytes;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::session::Appended;
use cortex_core::session::Happening;
use cortex_core::session::Session;
use cortex_core::session::TaskFilter;
use cortex_core::task::Outcome;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use cortex_core::task::TaskSpec;
use cortex_core::timestamp::Timestamp;
use tempfile::TempDir;

use super::Store;

const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);
const OWNER: UserId = UserId::from_bytes([7; 16]);
const NODE: NodeId = NodeId::from_bytes([8; 16]);

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

async fn open(directory: &TempDir) -> Store {
    Store::open(directory.path()).await.expect("the store opens")
}

/// A store in a directory of its own, with one session.
async fn with_session(directory: &TempDir) -> (Store, SessionId) {
    let store = open(directory).await;
    let id = SessionId::generate();
    store.sessions().create(Session::new(id, OWNER, "talk", NOW)).await.unwrap();
    (store, id)
}

async fn append(store: &Store, session: SessionId, what: Vec<Happening>) -> Appended {
    store.sessions().append(session, None, what, NOW).await.unwrap()
}

async fn task(store: &Store, id: TaskId) -> Arc<Task> {
    let mut found = store.sessions().tasks(TaskFilter::one(id)).await.unwrap();
    found.pop().expect("the task is stored")
}

/// Begins a task: submits, assigns and starts it.
async fn begin(store: &Store, session: SessionId) -> TaskId {
    let id = TaskId::generate();
    append(store, session, begun(id, TaskSpec::argv(["true"]))).await;
    id
}

fn begun(id: TaskId, spec: TaskSpec) -> Vec<Happening> {
    vec![
        Happening::task(id, TaskEvent::Submitted { by: OWNER, spec: Arc::new(spec) }),
        Happening::task(id, TaskEvent::Assigned { attempt: 1, node: NODE }),
        Happening::task(id, TaskEvent::Started { attempt: 1, pid: Some(4) }),
    ]
}

fn ended(id: TaskId) -> Happening {
    let outcome = Outcome::Exited { code: 0 };
    Happening::task(id, TaskEvent::ended(1, outcome))
}

fn put_out(task: TaskId, stream: Stream, offset: u64, data: &[u8]) -> Happening {
    let len = u32::try_from(data.len()).unwrap();
    let event = TaskEvent::Output { attempt: 1, stream, offset, len };
    Happening::Task { task, event, data: Bytes::copy_from_slice(data) }
}

/// Bytes that differ from place to place, so that bytes from a wrong place are noticed.
fn pattern(offset: u64, len: usize) -> Vec<u8> {
    let byte = |number: u64| u8::try_from(number % 256).expect("it is below 256");
    (offset..offset + len as u64).map(|at| byte(at % 251) ^ byte(at / 251)).collect()
}

/// Reads a whole stream in parts of at most `limit` bytes.
async fn read_all(store: &Store, task: TaskId, stream: Stream, limit: usize) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let offset = all.len() as u64;
        let part = store.sessions().output(task, stream, offset, limit).await.unwrap();
        assert_eq!(part.offset, offset);
        if part.data.is_empty() {
            assert_eq!(part.totals.arrived(), offset);
            return all;
        }
        all.extend_from_slice(&part.data);
    }
}
