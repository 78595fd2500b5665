//! What is signed wrongly is not obeyed, and the hub is told where it can be.

use std::time::Duration;

use cortex_core::envelope::Envelope;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::policy::SandboxPolicy;
use cortex_core::task::Outcome;
use cortex_core::task::TaskSpec;
use cortex_proto::v1::stream_closing::Reason;

use crate::hub::FakeHub;

fn touch(name: &str) -> TaskSpec {
    TaskSpec::argv(["touch", name])
}

#[tokio::test(flavor = "multi_thread")]
async fn row_18_and_21_what_is_refused_at_the_door_is_answered_and_never_runs() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    type Bend = fn(&mut Envelope);
    let bends: [(&str, Bend); 5] = [
        ("POLICY_STALE", |envelope| envelope.policy = [0xaa; 32]),
        ("FENCED", |envelope| envelope.epoch += 1),
        ("CLOCK_SKEW", |envelope| {
            envelope.issued_at = envelope.issued_at - Duration::from_secs(600);
            envelope.expires_at = envelope.issued_at + Duration::from_secs(60);
        }),
        ("PAYLOAD_MISMATCH", |envelope| envelope.payload_digest = [0; 32]),
        ("BAD_TASK", |envelope| envelope.payload_type = "cortex.v1.Other".to_owned()),
    ];
    for (code, bend) in bends {
        let task = TaskId::generate();
        let message = link.task(task, 1, &touch("made"), bend);
        link.send(message).await;
        let outcome = link.settle(task).await.outcome;
        assert!(
            matches!(&outcome, Outcome::Rejected { rule, .. } if rule == code),
            "{code}: {outcome:?}"
        );
    }
    assert!(!dir.path().join("workspace/made").exists());
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn row_15_who_has_not_proven_anything_gets_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let mut flipped = link.task(TaskId::generate(), 1, &touch("made"), |_| ());
    let mut signature = flipped.signature.to_vec();
    signature[0] ^= 1;
    flipped.signature = signature.into();
    link.send(flipped).await;
    let mut garbage = link.task(TaskId::generate(), 1, &touch("made"), |_| ());
    garbage.envelope = bytes::Bytes::from_static(b"cortex/task/v1\0");
    link.send(garbage).await;
    // The next answer is the next good task's: the two before it were passed over.
    let task = link.submit(TaskSpec::argv(["echo", "good"])).await;
    assert_eq!(link.settle(task).await.stdout, b"good\n");
    assert!(!dir.path().join("workspace/made").exists());
    drop(link);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn row_16_a_replayed_task_is_not_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = FakeHub::start(SandboxPolicy::permissive()).await;
    let running = hub.run(dir.path());
    let mut link = hub.link().await;
    let task = TaskId::generate();
    let spec = TaskSpec::argv(["sh", "-c", "echo once >> runs"]);
    let message = link.task(task, 1, &spec, |_| ());
    link.send(message.clone()).await;
    let first = link.story(task).await;
    // Not acknowledged: the very same message is a replay, and the attempt repeats its reports.
    link.send(message.clone()).await;
    assert_eq!(link.story(task).await, first);
    // Signed anew for the same attempt: known, so its reports come once more.
    link.submit_as(task, 1, spec.clone()).await;
    assert_eq!(link.story(task).await, first);
    link.ack(task, 1, first.last).await;
    // Forgotten by now, but the sequence is used up.
    link.send(message.clone()).await;
    let outcome = link.settle(task).await.outcome;
    assert!(matches!(&outcome, Outcome::Rejected { rule, .. } if rule == "REPLAY"), "{outcome:?}");
    // In the next stream, what belongs to the one before is fenced.
    link.close(Reason::Shutdown).await;
    let mut link = hub.link().await;
    link.send(message).await;
    let outcome = link.settle(task).await.outcome;
    assert!(matches!(&outcome, Outcome::Rejected { rule, .. } if rule == "FENCED"), "{outcome:?}");
    // Put into another session's envelope, or into another node's.
    let other = link.task(task, 1, &spec, |envelope| envelope.session = SessionId::generate());
    link.send(other).await;
    let outcome = link.settle(task).await.outcome;
    assert!(
        matches!(&outcome, Outcome::Rejected { rule, .. } if rule == "BAD_TASK"),
        "{outcome:?}"
    );
    let other = link.task(task, 1, &spec, |envelope| envelope.node = NodeId::generate());
    link.send(other).await;
    let next = link.submit(TaskSpec::argv(["true"])).await;
    assert_eq!(link.settle(next).await.outcome, Outcome::Exited { code: 0 });
    let runs = std::fs::read_to_string(dir.path().join("workspace/runs")).unwrap();
    assert_eq!(runs, "once\n");
    drop(link);
    running.stop().await.unwrap();
}
