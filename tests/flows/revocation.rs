//! Locked and removed nodes: cut off within a second, and for as long as it was meant.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::registry::NodeChange;
use cortex_core::session::Seq;
use cortex_core::session::TaskFilter;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskSpec;
use cortex_hub_lib::AuditFilter;
use cortex_hub_lib::OutputCursor;
use cortex_node_lib::Status;

use crate::certificates::copy;
use crate::sandbox::RunningNode;
use crate::sandbox::Sandbox;
use crate::sandbox::wait;

/// What a revocation may take, from the call to the process's end.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Runs something that ignores TERM; returns the task and its process id.
async fn start_stubborn(sandbox: &Sandbox, node: &RunningNode) -> (Arc<Task>, u32) {
    let session = sandbox.session(&[node]).await;
    let script = "trap '' TERM; echo on; while :; do sleep 300; done";
    let task = sandbox.submit(session, TaskSpec::argv(["sh", "-c", script])).await;
    let start = OutputCursor::default();
    let mut follower = sandbox.hub.follow(&sandbox.who, task.id, start).await.unwrap();
    wait(follower.next()).await.unwrap();
    let pid = sandbox.hub.task(&sandbox.who, task.id).await.unwrap().pid.unwrap();
    assert!(is_there(pid));
    (task, pid)
}

fn is_there(pid: u32) -> bool {
    // What is dead and not waited for yet has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

async fn gone(pid: u32) {
    wait(async {
        while is_there(pid) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_11_a_removed_node_is_cut_off_at_once_and_still_after_a_restart() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let id = node.node.id().unwrap();
    let (task, pid) = start_stubborn(&sandbox, &node).await;
    // Somebody has a backup of the node, keys and all.
    copy(&sandbox.path("lab-data"), &sandbox.path("backup-data"));
    let asked = Instant::now();
    sandbox.hub.amend_node(&sandbox.who, "lab", vec![NodeChange::Retire]).await.unwrap();
    gone(pid).await;
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    let error = node.ended().await.expect_err("it is no node any more");
    assert_eq!(error.code(), "node_revoked");
    let ended = sandbox.finish(&task).await;
    assert_eq!(ended.state, State::Interrupted);
    let data = sandbox.path("lab-data");
    assert!(!data.join("identity.key").exists() && !data.join("enrolment.json").exists());
    assert!(!data.join("tls-1.key").exists());
    let sandbox = sandbox.restart().await;
    assert!(sandbox.hub.node(&sandbox.who, &id.to_string()).await.is_err(), "for ever");
    let filter = AuditFilter { action: Some(Action::NodeRemove), limit: 9, ..Default::default() };
    let records = sandbox.hub.audit(&sandbox.who, filter).await.unwrap();
    assert_eq!(records.len(), 1, "{records:?}");
    let config = sandbox.path("lab.yaml");
    let backup = sandbox.launch(&config, "backup", |builder| builder);
    assert_eq!(backup.ended().await.expect_err("it stays removed").code(), "node_revoked");
    assert!(!sandbox.path("backup-data").join("identity.key").exists());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_11_a_locked_node_is_cut_off_at_once_and_comes_back_when_it_is_unlocked() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let (task, pid) = start_stubborn(&sandbox, &node).await;
    let mut status = node.node.status();
    let asked = Instant::now();
    sandbox.hub.amend_node(&sandbox.who, "lab", vec![NodeChange::Lock(true)]).await.unwrap();
    gone(pid).await;
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    assert_eq!(sandbox.finish(&task).await.state, State::Interrupted);
    let waits = |status: &Status| matches!(status, Status::Waiting { .. });
    wait(status.wait_for(waits)).await.unwrap();
    node.stop().await;
    let sandbox = sandbox.restart().await;
    let refused = sandbox.restart_node("lab");
    let mut status = refused.status();
    let reason = wait(status.wait_for(waits)).await.unwrap().clone();
    assert!(matches!(&reason, Status::Waiting { reason, .. } if reason.contains("locked")));
    refused.stop().await;
    sandbox.hub.amend_node(&sandbox.who, "lab", vec![NodeChange::Lock(false)]).await.unwrap();
    let node = sandbox.restart_node("lab");
    wait(node.node.wait_online()).await.unwrap();
    let session = sandbox.session(&[&node]).await;
    assert_eq!(sandbox.run(session, TaskSpec::argv(["true"])).await.state, State::Succeeded);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_who_enrols_again_under_the_name_is_somebody_else() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let first = node.node.id().unwrap();
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.run(session, TaskSpec::argv(["echo", "old"])).await;
    sandbox.hub.amend_node(&sandbox.who, "lab", vec![NodeChange::Retire]).await.unwrap();
    assert_eq!(node.ended().await.unwrap_err().code(), "node_revoked");
    let config = sandbox.invite("lab").await;
    // In the very directory of the old one: nothing of it is left there.
    let node = sandbox.start_node(&config, "lab", |builder| builder).await;
    let (hub, who) = (&sandbox.hub, &sandbox.who);
    let second = node.node.id().unwrap();
    assert_ne!(second, first);
    // Both are on record as their owner's, though nobody but the invite said whose they are.
    let filter = AuditFilter { action: Some(Action::NodeEnrol), limit: 9, ..Default::default() };
    let enrolled = hub.audit(who, filter).await.unwrap();
    let actors: Vec<_> = enrolled.iter().map(|record| record.actor).collect();
    assert_eq!(actors, [Actor::Node(second), Actor::Node(first)]);
    assert!(enrolled.iter().all(|record| record.detail == "lab"));
    let kept = hub.session(who, &session.to_string()).await.unwrap();
    assert_eq!(kept.nodes, [first], "the session does not have the new one");
    let own = TaskFilter { node: Some(second), ..Default::default() };
    assert!(hub.tasks(who, own).await.unwrap().is_empty());
    // What the old one did is still told as its own.
    assert_eq!(hub.task(who, task.id).await.unwrap().node, Some(first));
    let output = hub.output(who, task.id, Stream::Stdout, 0, 100).await.unwrap();
    assert_eq!(output.data, &b"old\n"[..]);
    assert!(hub.log(who, &session.to_string(), Seq(0)).await.is_ok());
    node.stop().await;
    sandbox.stop().await;
}
