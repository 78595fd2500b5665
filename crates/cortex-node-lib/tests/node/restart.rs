//! The node's own end, orderly or not: nothing runs twice, nothing is left behind.

use std::path::Path;

use cortex_core::id::TaskId;
use cortex_core::policy::SandboxPolicy;
use cortex_core::report::AFTER_RESTART;
use cortex_core::report::News;
use cortex_core::task::Outcome;
use cortex_core::task::TaskSpec;
use cortex_node_lib::NodeBuilder;

use crate::hub::FakeHub;
use crate::hub::Running;
use crate::link::Link;

/// Starts a task that says its process id and stays.
async fn start_sleeper(link: &mut Link) -> (TaskId, String) {
    let task =
        link.submit(TaskSpec::argv(["sh", "-c", "echo $$; echo run >> runs; sleep 600"])).await;
    (task, link.first_line().await)
}

fn is_there(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_ran_when_the_node_died_is_interrupted_and_not_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let (task, _) = start_sleeper(&mut link).await;
    running.crash(dir.path()).await;
    drop(link);
    let second = hub.run(dir.path());
    let mut link = hub.link().await;
    assert_eq!(link.known.len(), 1);
    assert_eq!(link.known[0].task_id, task.to_string());
    assert!(link.known[0].started);
    // The hub asks again before it has read the report: nothing starts.
    link.submit_as(task, 1, TaskSpec::argv(["sh", "-c", "echo run >> runs"])).await;
    let story = link.story(task).await;
    assert!(
        matches!(&story.outcome, Outcome::Interrupted { reason } if reason.contains("restarted"))
    );
    assert_eq!(story.last, AFTER_RESTART);
    // Not acknowledged: a third run reports it again.
    second.crash(dir.path()).await;
    drop(link);
    let third = hub.run(dir.path());
    let mut link = hub.link().await;
    assert_eq!(link.known.len(), 1);
    let story = link.settle(task).await;
    assert!(matches!(story.outcome, Outcome::Interrupted { .. }));
    third.stop().await.unwrap();
    drop(link);
    let fourth = hub.run(dir.path());
    let link = hub.link().await;
    assert_eq!(link.known, [], "settled for good");
    drop(link);
    fourth.stop().await.unwrap();
    let runs = std::fs::read_to_string(dir.path().join("workspace/runs")).unwrap();
    assert_eq!(runs, "run\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_end_interrupts_what_runs_past_the_drain_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = Running::start(NodeBuilder::new(hub.config(dir.path())));
    let mut link = hub.link().await;
    let (task, pid) = start_sleeper(&mut link).await;
    running.shutdown.cancel();
    let mut outcome = None;
    let mut last = 0;
    while outcome.is_none() {
        for report in link.batch().await {
            last = report.sequence;
            if let News::Ended { outcome: ended, .. } = report.news {
                outcome = Some(ended);
            }
        }
    }
    assert_eq!(outcome, Some(Outcome::Interrupted { reason: "node was shut down".into() }));
    assert!(!is_there(&pid));
    link.ack(task, 1, last).await;
    assert!(matches!(link.next().await, Some(cortex_proto::v1::node_message::Body::Leaving(_))));
    running.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_within_the_drain_time_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let config = hub.config(dir.path()).drain(std::time::Duration::from_secs(60));
    let running = Running::start(NodeBuilder::new(config));
    let mut link = hub.link().await;
    let script = "echo ready; while [ ! -e go ]; do sleep 0.02; done; echo done";
    let task = link.submit(TaskSpec::argv(["sh", "-c", script])).await;
    let mut reports = link.batch().await;
    running.shutdown.cancel();
    // Something new comes too late.
    let late = link.submit(TaskSpec::argv(["echo", "late"])).await;
    let rejected = loop {
        let batch = link.batch().await;
        let (own, other): (Vec<_>, Vec<_>) = batch.into_iter().partition(|r| r.task == task);
        reports.extend(own);
        if let Some(report) = other.into_iter().next() {
            break report;
        }
        // The shutdown may take a moment to be noticed: ask again with the next attempt.
    };
    assert_eq!(rejected.task, late);
    std::fs::write(dir.path().join("workspace/go"), "").unwrap();
    while !reports.iter().any(|report| matches!(report.news, News::Ended { .. })) {
        reports.extend(link.batch().await.into_iter().filter(|report| report.task == task));
    }
    let story = crate::link::tell(reports);
    assert_eq!(story.stdout, b"ready\ndone\n");
    assert_eq!(story.outcome, Outcome::Exited { code: 0 });
    link.ack(task, 1, story.last).await;
    link.ack(late, 1, u64::MAX).await;
    running.ended().await.unwrap();
}
