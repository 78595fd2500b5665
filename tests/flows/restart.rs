//! What survives when hub or node are restarted.

use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::TaskSpec;
use cortex_hub_lib::OutputCursor;

use crate::sandbox::Sandbox;
use crate::sandbox::wait;

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_survives_a_restart_of_the_hub() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let gate = sandbox.path("gate");
    let script = "echo before; cat \"$0\"; echo after";
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let spec = TaskSpec::argv(["sh", "-c", script, gate.to_str().unwrap()]);
    let task = sandbox.submit(session, spec).await;
    let start = OutputCursor::default();
    let mut follower = sandbox.hub.follow(&sandbox.who, task.id, start).await.unwrap();
    wait(follower.next()).await.unwrap();
    drop(follower);
    let sandbox = sandbox.restart().await;
    // The task goes on whether its node is back or not.
    let mut writer = wait(tokio::fs::OpenOptions::new().write(true).open(&gate)).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut writer, b"between\n").await.unwrap();
    tokio::io::AsyncWriteExt::flush(&mut writer).await.unwrap();
    drop(writer);
    let ended = sandbox.finish(&task).await;
    assert_eq!((ended.state, ended.attempt), (State::Succeeded, 1));
    let hub = &sandbox.hub;
    let part = hub.output(&sandbox.who, task.id, Stream::Stdout, 0, 1 << 20).await.unwrap();
    let mut text = part.data.to_vec();
    while (text.len() as u64) < part.totals.arrived() {
        let offset = text.len() as u64;
        let more =
            hub.output(&sandbox.who, task.id, Stream::Stdout, offset, 1 << 20).await.unwrap();
        text.extend_from_slice(&more.data);
    }
    assert_eq!(String::from_utf8(text).unwrap(), "before\nbetween\nafter\n");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_sessions_and_tasks_are_there_after_a_restart() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.run(session, TaskSpec::argv(["echo", "kept"])).await;
    let sandbox = sandbox.restart().await;
    let (hub, who) = (&sandbox.hub, &sandbox.who);
    let kept = hub.session(who, &session.to_string()).await.unwrap();
    assert_eq!(kept.nodes, [node.node.id().unwrap()]);
    assert_eq!(*hub.task(who, task.id).await.unwrap(), *task);
    // The node that was connected is online again without anybody's help.
    sandbox.online("lab").await;
    let after = sandbox.run(session, TaskSpec::argv(["echo", "again"])).await;
    assert_eq!(after.state, State::Succeeded);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_stopped_in_the_middle_of_a_task_says_interrupted() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.submit(session, TaskSpec::argv(["sh", "-c", "echo on; sleep 300"])).await;
    let start = OutputCursor::default();
    let mut follower = sandbox.hub.follow(&sandbox.who, task.id, start).await.unwrap();
    wait(follower.next()).await.unwrap();
    node.stop().await;
    let ended = sandbox.finish(&task).await;
    assert_eq!((ended.state, ended.attempt), (State::Interrupted, 1));
    sandbox.stop().await;
}
