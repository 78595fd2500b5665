//! Locked and removed nodes: what is signed is obeyed at once, what is not is only noted.

use std::time::Duration;
use std::time::Instant;

use cortex_core::id::TaskId;
use cortex_core::policy::SandboxPolicy;
use cortex_core::report::News;
use cortex_core::task::Outcome;
use cortex_core::task::TaskSpec;
use cortex_node_lib::Status;
use cortex_proto::convert::ControlAct;
use cortex_proto::v1::stream_closing::Reason;

use crate::hub::FakeHub;
use crate::hub::LIMIT;
use crate::link::Link;

/// Starts something that ignores TERM, and returns its process id.
async fn start_stubborn(link: &mut Link) -> (TaskId, String) {
    let script = "trap \"\" TERM; echo $$; while :; do sleep 600; done";
    let task = link.submit(TaskSpec::argv(["sh", "-c", script])).await;
    (task, link.first_line().await)
}

fn is_there(pid: &str) -> bool {
    // What is dead and not waited for yet has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

async fn gone_within(pid: &str, limit: Duration) -> bool {
    let asked = Instant::now();
    while is_there(pid) && asked.elapsed() < limit {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    !is_there(pid)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_so_with_a_signature_erases_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let (_, pid) = start_stubborn(&mut link).await;
    link.control(ControlAct::Deregister).await;
    assert!(gone_within(&pid, Duration::from_secs(1)).await, "{pid} is dead within a second");
    link.close(Reason::Revoked).await;
    let status = running.node.status();
    let error = running.ended().await.expect_err("removed");
    assert_eq!(error.code(), "node_revoked");
    assert!(matches!(*status.borrow(), Status::Stopped { .. }));
    for file in ["identity.key", "enrolment.json", "journal"] {
        assert!(!dir.path().join(file).exists(), "{file} is erased");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_removed_while_away_learns_it_when_it_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let first = hub.run(dir.path());
    drop(hub.link().await);
    first.stop().await.unwrap();
    *hub.state.revoked.lock().unwrap() = true;
    let error = hub.run(dir.path()).ended().await.expect_err("removed");
    assert_eq!(error.code(), "node_revoked");
    assert!(!dir.path().join("identity.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_node_ends_its_tasks_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let (task, pid) = start_stubborn(&mut link).await;
    link.control(ControlAct::Suspend).await;
    assert!(gone_within(&pid, Duration::from_secs(1)).await, "{pid} is dead within a second");
    let ended = loop {
        let batch = link.batch().await;
        if let Some(News::Ended { outcome, .. }) = batch.into_iter().map(|one| one.news).last() {
            break outcome;
        }
    };
    let words = "the hub locked or removed the node".to_owned();
    assert_eq!(ended, Outcome::Interrupted { reason: words });
    link.ack(task, 1, u64::MAX).await;
    // It is the same node with the same keys.
    let task = link.submit(TaskSpec::argv(["echo", "again"])).await;
    assert_eq!(link.settle(task).await.stdout, b"again\n");
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn row_20_nothing_unsigned_ends_a_task_or_a_node() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    *hub.state.signs_removal.lock().unwrap() = false;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let (_, pid) = start_stubborn(&mut link).await;
    // A forged control, and then the words that nobody signs.
    let mut forged = hub.state.control(ControlAct::Deregister, link.epoch, 99);
    let mut signature = forged.signature.to_vec();
    signature[3] ^= 4;
    forged.signature = signature.into();
    link.send(forged).await;
    *hub.state.revoked.lock().unwrap() = true;
    link.close(Reason::Revoked).await;
    let mut status = running.node.status();
    let waits = status.wait_for(|status| matches!(status, Status::Waiting { .. }));
    tokio::time::timeout(LIMIT, waits).await.expect("it waits and asks again").unwrap();
    assert!(is_there(&pid), "the task goes on");
    assert!(dir.path().join("identity.key").exists());
    running.stop().await.unwrap();
    assert!(gone_within(&pid, LIMIT).await);
}
