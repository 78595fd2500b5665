//! Losing the hub and finding it again: nothing is lost, nothing is said twice to no purpose.

use std::time::Duration;

use cortex_core::policy::SandboxPolicy;
use cortex_core::report::News;
use cortex_core::task::Outcome;
use cortex_core::task::TaskSpec;
use cortex_node_lib::Status;
use cortex_proto::v1::stream_closing::Reason;

use crate::hub::FakeHub;
use crate::link::tell;

fn sh(script: &str) -> TaskSpec {
    TaskSpec::argv(["sh", "-c", script])
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_were_not_stored_are_sent_again_with_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let script = "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two";
    let task = link.submit(sh(script)).await;
    let mut before = Vec::new();
    while !before
        .iter()
        .any(|report: &cortex_core::report::Report| matches!(report.news, News::Output { .. }))
    {
        before.extend(link.batch().await);
    }
    // The start is stored, the output is not; then the hub goes away while the task runs on.
    link.ack(task, 1, 1).await;
    link.close(Reason::Shutdown).await;
    let mut link = hub.link().await;
    assert_eq!(link.epoch, 2);
    assert_eq!(link.known.len(), 1);
    assert!(link.known[0].started && link.known[0].task_id == task.to_string());
    let mut after = link.batch().await;
    assert_eq!(after[0], before[1], "the first that is not stored, unchanged");
    std::fs::write(dir.path().join("workspace/go"), "").unwrap();
    while !after.iter().any(|report| matches!(report.news, News::Ended { .. })) {
        after.extend(link.batch().await);
    }
    let mut all = before[..1].to_vec();
    all.extend(after);
    let story = tell(all);
    assert_eq!(story.stdout, b"one\ntwo\n");
    assert_eq!(story.outcome, Outcome::Exited { code: 0 });
    link.ack(task, 1, story.last).await;
    link.close(Reason::Shutdown).await;
    let link = hub.link().await;
    assert_eq!(link.known, [], "what is stored is forgotten");
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_an_older_stream_is_fenced() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let task = cortex_core::id::TaskId::generate();
    let old = link.task(task, 1, &TaskSpec::argv(["touch", "made"]), |_| ());
    link.close(Reason::Shutdown).await;
    let mut link = hub.link().await;
    link.send(old).await;
    let outcome = link.settle(task).await.outcome;
    assert!(matches!(&outcome, Outcome::Rejected { rule, .. } if rule == "FENCED"), "{outcome:?}");
    assert!(!dir.path().join("workspace/made").exists());
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_waits_for_a_hub_that_is_away_and_comes_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let task = link.submit(sh("head -c 12000000 /dev/zero; echo end >&2")).await;
    let mut seen: Vec<cortex_core::report::Report> = Vec::new();
    let mut received = 0;
    // Nothing is acknowledged, so the process stops at the bound of what may wait.
    while received + (256 << 10) + 128 <= 4 << 20 {
        for report in link.batch().await {
            if let News::Output { data, .. } = &report.news {
                received += data.len() + 128;
            }
            seen.push(report);
        }
    }
    assert!(received <= 4 << 20, "{received} bytes of output and their reports");
    link.ack(task, 1, seen.last().unwrap().sequence).await;
    while !seen.iter().any(|report| matches!(report.news, News::Ended { .. })) {
        let batch = link.batch().await;
        link.ack(task, 1, batch.last().unwrap().sequence).await;
        seen.extend(batch);
    }
    let story = tell(seen);
    assert_eq!(story.stdout.len(), 12_000_000);
    assert_eq!(story.stderr, b"end\n");
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_not_there_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let first = hub.run(dir.path());
    drop(hub.link().await);
    first.stop().await.unwrap();
    let config = hub.config(dir.path()).reconnect_limit(2);
    drop(hub);
    let running = crate::hub::Running::start(cortex_node_lib::NodeBuilder::new(config));
    let mut status = running.node.status();
    let waits = status.wait_for(|status| matches!(status, Status::Waiting { .. }));
    tokio::time::timeout(Duration::from_secs(10), waits).await.unwrap().unwrap();
    let error = running.ended().await.expect_err("the limit");
    assert_eq!(error.code(), "hub_unreachable");
}
