//! Gathers a history from the files of a hub that has ended and the canaries of its nodes.

use std::path::Path;
use std::path::PathBuf;

use cortex_core::id::TaskId;
use cortex_core::registry::NodeFilter;
use cortex_core::session::Seq;
use cortex_core::session::SessionStore;
use cortex_core::session::TaskFilter;
use cortex_core::task::Stream;
use cortex_hub_lib::store::Store;

use super::History;
use super::Log;
use super::Start;

/// Entries, or bytes of output, that are read at once.
const PAGE: usize = 64 << 10;

/// Adds what is in the store in `hub` and in the canaries to what clients were told.
pub(crate) fn read(mut history: History, hub: &Path, canaries: &[PathBuf]) -> History {
    check_pages(&hub.join("cortex.db"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(hub).await.expect("the hub has ended, and its store is whole");
        read_store(&mut history, &store).await.expect("the store can be read");
        store.close().await.expect("the store closes");
    });
    for canary in canaries {
        let text = std::fs::read_to_string(canary).unwrap_or_default();
        history.starts.extend(text.lines().map(start));
    }
    // Other tests may run on this machine.
    history.alive = marked();
    history.alive.retain(|(task, _)| history.tasks.contains_key(task));
    history
}

/// Asks the database itself whether its pages are in order.
fn check_pages(database: &Path) {
    let database = rusqlite::Connection::open(database).expect("the database");
    let verdict = database.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(verdict.as_deref(), Ok("ok"));
}

async fn read_store(history: &mut History, store: &Store) -> cortex_core::Result<()> {
    let sessions = store.sessions();
    for session in sessions.list(None).await? {
        let mut entries = Vec::new();
        loop {
            let after =
                entries.last().map_or(Seq(0), |entry: &cortex_core::session::Entry| entry.seq);
            let more = sessions.read(session.id, after, PAGE).await?;
            if more.is_empty() {
                break;
            }
            entries.extend(more);
        }
        history.logs.insert(session.id, Log { entries, receipts: session.receipts });
    }
    for task in sessions.tasks(TaskFilter::default()).await? {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let output = read_output(&*sessions, task.id, stream).await?;
            history.stored.insert((task.id, stream), output);
        }
        history.tasks.insert(task.id, task);
    }
    for node in store.registry().list(NodeFilter::default()).await? {
        let keys = node.identity_keys().into_iter().map(|identity| identity.key).collect();
        history.keys.insert(node.id, keys);
    }
    Ok(())
}

async fn read_output(
    sessions: &dyn SessionStore,
    task: TaskId,
    stream: Stream,
) -> cortex_core::Result<Vec<u8>> {
    let mut output = Vec::new();
    loop {
        let part = sessions.output(task, stream, output.len() as u64, PAGE).await?;
        if part.data.is_empty() {
            return Ok(output);
        }
        output.extend_from_slice(&part.data);
    }
}

/// A canary's line: the task and the attempt.
fn start(line: &str) -> Start {
    let parsed = line.split_once(' ').and_then(|(task, attempt)| {
        Some(Start { task: task.parse().ok()?, attempt: attempt.parse().ok()? })
    });
    parsed.unwrap_or_else(|| panic!("{line:?} is no line of a canary"))
}

/// The processes of this machine that carry a task's mark.
fn marked() -> Vec<(TaskId, u32)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended just now, or be somebody else's.
        let Ok(variables) = std::fs::read(entry.path().join("environ")) else { continue };
        let mark =
            variables.split(|byte| *byte == 0).find_map(|one| one.strip_prefix(b"CORTEX_TASK="));
        let task = mark.and_then(|mark| std::str::from_utf8(mark).ok()?.parse().ok());
        found.extend(task.map(|task| (task, pid)));
    }
    found
}
