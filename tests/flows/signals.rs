//! Signals for running programs, and input of any length.

use bytes::Bytes;
use cortex_core::audit::Action;
use cortex_core::task::Input;
use cortex_core::task::Outcome;
use cortex_core::task::ShellWork;
use cortex_core::task::Signal;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskSpec;
use cortex_core::task::Terminal;
use cortex_core::task::Work;
use cortex_hub_lib::AuditFilter;
use cortex_hub_lib::Follow;
use cortex_hub_lib::OutputCursor;

use crate::sandbox::Sandbox;
use crate::sandbox::wait;

/// Waits until the task has put out this.
async fn shows(sandbox: &Sandbox, task: &Task, text: &str) {
    let start = OutputCursor::default();
    let mut follower = sandbox.hub.follow(&sandbox.who, task.id, start).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        match wait(follower.next()).await.unwrap() {
            Some(Follow::Output { data, .. }) => seen.extend_from_slice(&data),
            Some(Follow::Progress(_)) => {}
            other => panic!("{text:?} is not in {:?}: {other:?}", String::from_utf8_lossy(&seen)),
        }
    }
}

async fn stdout(sandbox: &Sandbox, task: &Task) -> String {
    String::from_utf8_lossy(&sandbox.output(task.id, Stream::Stdout).await).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_takes_no_input_hears_signals_and_that_is_recorded() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let script = "trap 'echo hup' HUP; trap 'echo usr; exit 4' USR1; echo ready; \
                  while :; do sleep 1 & wait; done";
    let task = sandbox.submit(session, TaskSpec::argv(["sh", "-c", script])).await;
    shows(&sandbox, &task, "ready").await;
    sandbox.hub.signal(&sandbox.who, task.id, Signal::Hup).await.unwrap();
    shows(&sandbox, &task, "hup").await;
    sandbox.hub.signal(&sandbox.who, task.id, Signal::Usr1).await.unwrap();
    let ended = sandbox.finish(&task).await;
    assert_eq!(ended.outcome, Some(Outcome::Exited { code: 4 }));
    assert_eq!(stdout(&sandbox, &task).await, "ready\nhup\nusr\n");
    let late = sandbox.hub.signal(&sandbox.who, task.id, Signal::Hup).await.unwrap_err();
    assert_eq!(late.code(), "task_ended");
    let foreign = sandbox.hub.signal(&sandbox.stranger(), task.id, Signal::Hup).await;
    assert_eq!(foreign.unwrap_err().code(), "task_not_found");
    let filter =
        AuditFilter { action: Some(Action::TaskSignal), limit: 9, ..AuditFilter::default() };
    let records = sandbox.hub.audit(&sandbox.who, filter).await.unwrap();
    let details: Vec<_> = records.iter().map(|record| record.detail.clone()).collect();
    assert_eq!(details.len(), 2, "{details:?}");
    assert!(details.contains(&"HUP".to_owned()) && details.contains(&"USR1".to_owned()));
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_ends_the_whole_group_and_what_left_it() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let script = "trap '' TERM HUP INT; (trap '' TERM; sleep 300) & setsid sleep 300 & \
                  echo ready; while :; do wait; done";
    let task = sandbox.submit(session, TaskSpec::argv(["sh", "-c", script])).await;
    shows(&sandbox, &task, "ready").await;
    sandbox.hub.signal(&sandbox.who, task.id, Signal::Term).await.unwrap();
    sandbox.hub.signal(&sandbox.who, task.id, Signal::Kill).await.unwrap();
    let ended = sandbox.finish(&task).await;
    assert_eq!(ended.outcome, Some(Outcome::Signalled { signal: 9 }));
    assert_eq!(ended.outcome.as_ref().map(Outcome::exit_code), Some(137));
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_does_not_wait_behind_input_that_nobody_reads() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let argv = ["sh", "-c", "trap 'exit 5' INT; echo ready; while :; do sleep 1 & wait; done"];
    let argv = argv.map(str::to_owned).to_vec();
    let work = ShellWork { argv, open_stdin: true, ..ShellWork::default() };
    let task = sandbox.submit(session, TaskSpec::new(Work::Shell(work))).await;
    shows(&sandbox, &task, "ready").await;
    let keyboard = sandbox.hub.keyboard(&sandbox.who, task.id).await.unwrap();
    let flood = Input::Data(Bytes::from(vec![b'x'; 1 << 20]));
    tokio::select! {
        put = keyboard.put(flood) => panic!("nobody reads it: {put:?}"),
        signalled = sandbox.hub.signal(&sandbox.who, task.id, Signal::Int) => signalled.unwrap(),
    }
    assert_eq!(sandbox.finish(&task).await.outcome, Some(Outcome::Exited { code: 5 }));
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_terminal_the_foreground_is_meant() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    // A shell with job control: what it runs in the foreground is a group of its own.
    // The inner one exits by itself: a shell whose program died of INT ends of INT, too.
    let script = "set -m; sh -c 'trap \"exit 130\" INT; echo inner; sleep 300 & wait'; \
                  echo \"inner ended: $?\"; exit 3";
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    let work = ShellWork { argv, terminal: Some(Terminal::default()), ..ShellWork::default() };
    let task = sandbox.submit(session, TaskSpec::new(Work::Shell(work))).await;
    shows(&sandbox, &task, "inner").await;
    sandbox.hub.signal(&sandbox.who, task.id, Signal::Int).await.unwrap();
    let ended = sandbox.finish(&task).await;
    assert_eq!(ended.outcome, Some(Outcome::Exited { code: 3 }));
    let shown = stdout(&sandbox, &task).await;
    assert!(shown.contains("inner ended: 130"), "{shown:?}");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_comes_twice_is_put_in_once() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let work = ShellWork { argv: vec!["cat".into()], open_stdin: true, ..ShellWork::default() };
    let task = sandbox.submit(session, TaskSpec::new(Work::Shell(work))).await;
    let bytes = |text: &'static str| Input::Data(Bytes::from_static(text.as_bytes()));
    let keyboard = sandbox.hub.keyboard(&sandbox.who, task.id).await.unwrap();
    keyboard.put_at(0, bytes("one ")).await.unwrap();
    keyboard.put_at(0, bytes("one ")).await.unwrap();
    keyboard.put_at(2, bytes("e two")).await.unwrap();
    let gap = keyboard.put_at(10, bytes("lost")).await.unwrap_err();
    assert_eq!(gap.code(), "input_gap");
    keyboard.put_at(7, Input::Close).await.unwrap();
    keyboard.put_at(7, Input::Close).await.unwrap();
    assert_eq!(sandbox.finish(&task).await.outcome, Some(Outcome::Exited { code: 0 }));
    assert_eq!(stdout(&sandbox, &task).await, "one two");
    node.stop().await;
    sandbox.stop().await;
}
