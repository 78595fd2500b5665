//! A task's way: dispatch, output, exit code, cancel, refusal.

use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_core::policy::SandboxPolicy;
use cortex_core::session::Happening;
use cortex_core::session::Seq;
use cortex_core::task::Outcome;
use cortex_core::task::ShellWork;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::TaskEvent;
use cortex_core::task::TaskSpec;
use cortex_core::task::Work;
use cortex_hub_lib::Follow;
use cortex_hub_lib::OutputCursor;
use cortex_hub_lib::TaskAssistant;
use cortex_hub_lib::TaskDraft;

use crate::sandbox::Sandbox;
use crate::sandbox::wait;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_and_its_output_and_exit_code_come_back() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let assistant = TaskAssistant::new(sandbox.hub.clone(), sandbox.who.clone(), session);
    let spec = TaskSpec::argv(["sh", "-c", "echo out; echo err >&2; exit 7"]);
    let done = wait(assistant.dispatch_single("lab", spec)).await.unwrap();
    assert_eq!(done.task.outcome, Some(Outcome::Exited { code: 7 }));
    assert_eq!(&done.stdout[..], b"out\n");
    assert_eq!(&done.stderr[..], b"err\n");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_arrives_while_the_task_runs() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    // `cat` puts out what the pipe gives and then waits for more: only live output can show it.
    let fifo = sandbox.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let spec = TaskSpec::argv(["cat", fifo.to_str().unwrap()]);
    let task = sandbox.submit(session, spec).await;
    let start = OutputCursor::default();
    let mut follower = sandbox.hub.follow(&sandbox.who, task.id, start).await.unwrap();
    let mut writer = wait(tokio::fs::OpenOptions::new().write(true).open(&fifo)).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut writer, b"first\n").await.unwrap();
    tokio::io::AsyncWriteExt::flush(&mut writer).await.unwrap();
    let step = wait(follower.next()).await.unwrap();
    let Some(Follow::Output { data, offset: 0, cursor, .. }) = step else { panic!("{step:?}") };
    assert_eq!(&data[..], b"first\n");
    assert_eq!(sandbox.hub.task(&sandbox.who, task.id).await.unwrap().state, State::Running);
    drop(follower);
    drop(writer);
    // A reader that was cut off goes on where it was.
    let mut follower = sandbox.hub.follow(&sandbox.who, task.id, cursor).await.unwrap();
    let end = wait(follower.next()).await.unwrap();
    assert!(matches!(end, Some(Follow::Ended(task)) if task.state == State::Succeeded));
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_without_gap_or_repeat_across_readers() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let script = "for i in $(seq 1 200); do echo $i; done";
    let task = sandbox.submit(session, TaskSpec::argv(["sh", "-c", script])).await;
    let (mut after, mut seen, mut text) = (Seq(0), Vec::new(), Vec::new());
    let mut ended = false;
    while !ended {
        // A new reader for every few entries, as after so many lost connections.
        let key = session.to_string();
        let mut reader = sandbox.hub.log(&sandbox.who, &key, after).await.unwrap();
        for frame in wait(reader.next_batch(3)).await.unwrap().unwrap() {
            seen.push(frame.entry.seq.0);
            after = frame.entry.seq;
            if let Happening::Task { event, data, .. } = &frame.entry.what {
                text.extend_from_slice(data);
                ended |= matches!(event, TaskEvent::Ended { .. });
            }
        }
    }
    let expected: Vec<u64> = (1..=seen.len() as u64).collect();
    assert_eq!(seen, expected);
    let lines: String = (1..=200).map(|line| format!("{line}\n")).collect();
    assert_eq!(String::from_utf8(text).unwrap(), lines);
    assert_eq!(sandbox.finish(&task).await.state, State::Succeeded);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_whole_process_group() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let script = "sleep 300 & sleep 300 & echo ready; wait";
    let task = sandbox.submit(session, TaskSpec::argv(["sh", "-c", script])).await;
    let start = OutputCursor::default();
    let mut follower = sandbox.hub.follow(&sandbox.who, task.id, start).await.unwrap();
    wait(follower.next()).await.unwrap();
    sandbox.hub.cancel(&sandbox.who, task.id, "enough").await.unwrap();
    let ended = sandbox.finish(&task).await;
    assert_eq!(ended.outcome, Some(Outcome::Cancelled { processes: 3 }));
    let again = sandbox.hub.cancel(&sandbox.who, task.id, "again").await.unwrap_err();
    assert_eq!(again.code(), "task_ended");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_ends_the_task() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let spec = TaskSpec::argv(["sleep", "300"]).timeout(Duration::from_millis(50));
    let ended = sandbox.run(session, spec).await;
    assert_eq!(ended.outcome, Some(Outcome::TimedOut { processes: 1 }));
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_rule_and_nothing_starts() {
    let mut policy = SandboxPolicy::permissive();
    policy.deny.push("touch".parse().unwrap());
    let sandbox = Sandbox::with_policy(policy).await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let canary = sandbox.path("canary");
    let spec = TaskSpec::argv(["/usr/bin/touch", canary.to_str().unwrap()]);
    let ended = sandbox.run(session, spec).await;
    let Some(Outcome::Rejected { rule, .. }) = &ended.outcome else { panic!("{ended:?}") };
    assert!(rule.contains("deny[0]") && rule.contains("touch"), "{rule}");
    assert!(!canary.exists());
    assert_eq!(ended.started_at, None);
    // A command line needs a rule that allows its shell, even where everything else may run.
    let line = ShellWork { line: Some("echo hi".into()), ..ShellWork::default() };
    let ended = sandbox.run(session, TaskSpec::new(Work::Shell(line))).await;
    assert_eq!(ended.state, State::Rejected);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_is_stored_whole() {
    const MIB: u64 = 32;
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let script = format!("yes 0123456789abcde | head -c {}", MIB << 20);
    let ended = sandbox.run(session, TaskSpec::argv(["sh", "-c", &script])).await;
    assert_eq!(ended.state, State::Succeeded);
    assert_eq!(ended.output.stdout.stored, MIB << 20);
    let (mut offset, step) = (0, 1 << 20);
    while offset < MIB << 20 {
        let hub = &sandbox.hub;
        let part = hub.output(&sandbox.who, ended.id, Stream::Stdout, offset, step).await.unwrap();
        assert!(!part.data.is_empty(), "nothing at byte {offset}");
        for (at, byte) in part.data.iter().enumerate() {
            let expected = b"0123456789abcde\n"[((offset + at as u64) % 16) as usize];
            assert_eq!(*byte, expected, "byte {}", offset + at as u64);
        }
        offset += part.data.len() as u64;
    }
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_makes_a_repeat_harmless() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await.to_string();
    let (hub, who) = (&sandbox.hub, &sandbox.who);
    let draft = |word: &str| TaskDraft { spec: TaskSpec::argv(["echo", word]), node: None };
    let first = hub.submit(who, &session, draft("hi"), Some("key-1")).await.unwrap();
    sandbox.finish(&first).await;
    let again = hub.submit(who, &session, draft("hi"), Some("key-1")).await.unwrap();
    assert_eq!(again.id, first.id);
    let other = hub.submit(who, &session, draft("ho"), Some("key-1")).await.unwrap_err();
    assert_eq!(other.code(), "idempotency_mismatch");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_node_is_said_at_once_and_a_queued_task_waits_for_it() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let mut changes = sandbox.hub.watch(&sandbox.who);
    node.stop().await;
    wait(changes.next()).await;
    let (hub, who, key) = (&sandbox.hub, &sandbox.who, session.to_string());
    let draft = TaskDraft { spec: TaskSpec::argv(["true"]), node: None };
    let refused = hub.submit(who, &key, draft, None).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Unavailable, "node_offline"));
    let mut spec = TaskSpec::argv(["true"]);
    spec.queue = true;
    let waiting = sandbox.submit(session, spec).await;
    assert_eq!(waiting.state, State::Queued);
    let node = sandbox.start_node(&sandbox.path("lab.yaml"), "lab", |builder| builder).await;
    assert_eq!(sandbox.finish(&waiting).await.state, State::Succeeded);
    node.stop().await;
    sandbox.stop().await;
}
