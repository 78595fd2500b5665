//! Terminals: typing and seeing, sizes, several watchers, restarts, the end.

use std::sync::Arc;

use bytes::Bytes;
use cortex_core::ErrorKind;
use cortex_core::account::Scope;
use cortex_core::task::Input;
use cortex_core::task::Outcome;
use cortex_core::task::ShellWork;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskSpec;
use cortex_core::task::Terminal;
use cortex_core::task::Window;
use cortex_core::task::Work;
use cortex_hub_lib::ScreenText;
use cortex_hub_lib::TerminalStep;

use crate::sandbox::Sandbox;
use crate::sandbox::wait;

/// A program in a terminal of 80 by 24; the node's own shell without one.
fn terminal<const N: usize>(argv: [&str; N]) -> TaskSpec {
    let argv = argv.map(str::to_owned).into();
    let env = [("PS1".to_owned(), "> ".to_owned())].into();
    let terminal = Some(Terminal::default());
    TaskSpec::new(Work::Shell(ShellWork { argv, env, terminal, ..ShellWork::default() }))
}

fn window(cols: u16, rows: u16) -> Window {
    Window::new(cols, rows).unwrap()
}

async fn put(sandbox: &Sandbox, task: &Task, input: Input) {
    let keyboard = sandbox.hub.keyboard(&sandbox.who, task.id).await.unwrap();
    wait(keyboard.put(input)).await.unwrap();
}

async fn keys(sandbox: &Sandbox, task: &Task, keys: &str) {
    put(sandbox, task, Input::Data(Bytes::copy_from_slice(keys.as_bytes()))).await;
}

/// Waits until a terminal's screen is as it is wanted.
async fn until(sandbox: &Sandbox, task: &Task, wanted: impl Fn(&ScreenText) -> bool) -> ScreenText {
    let (hub, who) = (&sandbox.hub, &sandbox.who);
    let mut reader = hub.join_terminal(who, task.id).await.unwrap().reader;
    loop {
        let screen = hub.screen(who, task.id, 1_000).await.unwrap();
        if wanted(&screen) {
            return screen;
        }
        let step = tokio::time::timeout(crate::sandbox::LIMIT, reader.next()).await;
        let step = step.unwrap_or_else(|_| panic!("nothing comes: {screen:#?}")).unwrap();
        let is_over = step.is_none() || matches!(step, Some(TerminalStep::Ended(_)));
        assert!(!is_over || wanted(&hub.screen(who, task.id, 1_000).await.unwrap()), "{screen:#?}");
    }
}

/// Waits until a row of a terminal's screen is this text.
async fn until_row(sandbox: &Sandbox, task: &Task, row: &str) -> ScreenText {
    until(sandbox, task, |screen| screen.rows.iter().any(|shown| shown == row)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_is_seen_and_the_exit_code_comes_back() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.submit(session, terminal(["sh"])).await;
    until(&sandbox, &task, |screen| screen.rows[0] == ">").await;
    keys(&sandbox, &task, "echo $((6 * 7)) $TERM; tty >/dev/null && echo a tty\r").await;
    let screen = until_row(&sandbox, &task, "a tty").await;
    assert_eq!(screen.rows[1], "42 xterm-256color", "{screen:#?}");
    assert_eq!((screen.window, screen.cursor), (window(80, 24), (3, 2)));
    keys(&sandbox, &task, "exit 3\r").await;
    let ended = sandbox.finish(&task).await;
    assert_eq!(ended.outcome, Some(Outcome::Exited { code: 3 }));
    // The last screen stays, and nothing can be typed any more.
    until_row(&sandbox, &task, "> exit 3").await;
    let error = sandbox.hub.keyboard(&sandbox.who, task.id).await.unwrap_err();
    assert_eq!(error.code(), "task_ended");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_program_it_is_the_nodes_own_shell() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.submit(session, terminal([])).await;
    keys(&sandbox, &task, "exit 5\r").await;
    let ended = sandbox.finish(&task).await;
    assert_eq!(ended.outcome, Some(Outcome::Exited { code: 5 }), "{ended:?}");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_learn_of_the_terminals_size() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let script = "trap 'stty size' WINCH; echo ready; while :; do read line && $line; done";
    let task = sandbox.submit(session, terminal(["sh", "-c", script])).await;
    until_row(&sandbox, &task, "ready").await;
    keys(&sandbox, &task, "stty size\r").await;
    until_row(&sandbox, &task, "24 80").await;
    put(&sandbox, &task, Input::Resize(window(100, 40))).await;
    keys(&sandbox, &task, "stty size\r").await;
    let screen = until_row(&sandbox, &task, "40 100").await;
    assert_eq!(screen.window, window(100, 40));
    let part = sandbox.hub.output(&sandbox.who, task.id, Stream::Stderr, 0, 100).await.unwrap();
    let text = String::from_utf8(part.data.to_vec()).unwrap();
    assert!(text.ends_with(" 100x40\n"), "{text:?}");
    sandbox.hub.cancel(&sandbox.who, task.id, "enough").await.unwrap();
    sandbox.finish(&task).await;
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_reaches_what_runs_and_not_the_shell() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.submit(session, terminal(["sh"])).await;
    until(&sandbox, &task, |screen| screen.rows[0] == ">").await;
    keys(&sandbox, &task, "sh -c 'echo on; exec sleep 300'\r").await;
    until_row(&sandbox, &task, "on").await;
    keys(&sandbox, &task, "\x03").await;
    keys(&sandbox, &task, "echo code $?\r").await;
    // It may have been typed ahead of the prompt, which then stands before the answer.
    let is_answer = |row: &String| row.ends_with("code 130");
    until(&sandbox, &task, |screen| screen.rows.iter().any(is_answer)).await;
    keys(&sandbox, &task, "exit\r").await;
    sandbox.finish(&task).await;
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_shown() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let script = "stty -echo; printf 'Password: '; read -r it; stty echo; echo; echo ${#it} keys";
    let task = sandbox.submit(session, terminal(["sh", "-c", script])).await;
    until(&sandbox, &task, |screen| screen.rows[0].starts_with("Password:")).await;
    keys(&sandbox, &task, "geheim\r").await;
    assert_eq!(sandbox.finish(&task).await.state, State::Succeeded);
    let screen = until_row(&sandbox, &task, "6 keys").await;
    assert!(!screen.rows.concat().contains("geheim"), "{screen:#?}");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_survive_however_they_are_cut() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    // Each byte is an input of its own, and comes back by itself.
    let script = "stty raw -echo; echo ready; exec dd bs=1 count=16 2>/dev/null";
    let task = sandbox.submit(session, terminal(["sh", "-c", script])).await;
    until_row(&sandbox, &task, "ready").await;
    let keyboard = sandbox.hub.keyboard(&sandbox.who, task.id).await.unwrap();
    let text = "\r\u{e4}\u{6f22}\u{1f980} \u{20ac}.\r\n";
    for byte in text.bytes() {
        wait(keyboard.put(Input::Data(Bytes::from(vec![byte])))).await.unwrap();
    }
    until(&sandbox, &task, |screen| screen.rows.iter().any(|row| row == text.trim())).await;
    assert_eq!(sandbox.finish(&task).await.state, State::Succeeded);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_hub_the_screen_is_the_same() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    // Full-screen, in colours, with another size on the way, and a line that waits for input.
    let script = "printf '\\033[?1049h\\033[2J\\033[H\\033[1;44mtop\\033[0m'; \
        while read -r line; do printf '\\033[5;3H\\033[7m%s\\033[0m' \"$line\"; stty size; done";
    let task = sandbox.submit(session, terminal(["sh", "-c", script])).await;
    until(&sandbox, &task, |screen| screen.rows[0] == "top" && screen.is_alternate).await;
    keys(&sandbox, &task, "first\r").await;
    until(&sandbox, &task, |screen| screen.rows.concat().contains("24 80")).await;
    put(&sandbox, &task, Input::Resize(window(60, 10))).await;
    keys(&sandbox, &task, "second\r").await;
    until(&sandbox, &task, |screen| screen.rows.concat().contains("10 60")).await;
    let before = sandbox.hub.screen(&sandbox.who, task.id, 100).await.unwrap();

    let sandbox = sandbox.restart().await;
    let after = sandbox.hub.screen(&sandbox.who, task.id, 100).await.unwrap();
    assert_eq!(after, before);
    // What is typed while the node is on its way back arrives, once.
    keys(&sandbox, &task, "third\r").await;
    let screen = until(&sandbox, &task, |screen| screen.rows[4].contains("third10 60")).await;
    assert_eq!(screen.rows.concat().matches("third").count(), 2, "echo and answer: {screen:#?}");
    sandbox.hub.cancel(&sandbox.who, task.id, "enough").await.unwrap();
    assert_eq!(sandbox.finish(&task).await.attempt, 1);
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_watch_and_each_sees_all_from_where_it_joined() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let script = "seq 1 300; read -r line; seq 301 600; exit 0";
    let task = sandbox.submit(session, terminal(["sh", "-c", script])).await;
    let (hub, who) = (&sandbox.hub, &sandbox.who);
    let early = hub.resume_terminal(who, task.id, 0).await.unwrap();
    until_row(&sandbox, &task, "300").await;
    let late = hub.join_terminal(who, task.id).await.unwrap();
    assert!(late.drawing.contains("300"), "{:?}", late.drawing);
    put(&sandbox, &task, Input::Resize(window(90, 30))).await;
    keys(&sandbox, &task, "\r").await;
    let ended = sandbox.finish(&task).await;
    let mut all = Vec::new();
    for (mut reader, from) in [(early, 0), (late.reader, late.offset)] {
        assert_eq!(reader.offset(), from);
        let (mut seen, mut sizes) = (Vec::new(), 0);
        loop {
            match wait(reader.next()).await.unwrap() {
                Some(TerminalStep::Output(data)) => seen.extend_from_slice(&data),
                Some(TerminalStep::Size(size)) => {
                    assert_eq!(size, window(90, 30));
                    sizes += 1;
                }
                Some(TerminalStep::Ended(task)) => break assert_eq!(task, ended),
                Some(TerminalStep::Cut) => panic!("nothing is left out"),
                None => panic!("the end was not told"),
            }
        }
        assert_eq!(sizes, 1);
        assert_eq!(from + seen.len() as u64, ended.output.of(Stream::Stdout).stored);
        all.push(seen);
    }
    // The late one has the rest of what the early one has.
    assert!(all[0].ends_with(&all[1]));
    assert!(String::from_utf8_lossy(&all[0]).contains("599\r\n600\r\n"));
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_watches_and_strangers_see_nothing() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.submit(session, terminal(["sh"])).await;
    let mut reader = sandbox.who.clone();
    reader.scopes = [Scope::Read].into_iter().collect();
    sandbox.hub.screen(&reader, task.id, 0).await.unwrap();
    sandbox.hub.join_terminal(&reader, task.id).await.unwrap();
    let error = sandbox.hub.keyboard(&reader, task.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let stranger = sandbox.stranger();
    let error = sandbox.hub.join_terminal(&stranger, task.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = sandbox.hub.keyboard(&stranger, task.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // A task without a terminal has no screen, and takes input only where it was asked for.
    let plain = sandbox.submit(session, TaskSpec::argv(["sleep", "300"])).await;
    let error = sandbox.hub.screen(&sandbox.who, plain.id, 0).await.unwrap_err();
    assert_eq!(error.code(), "no_terminal");
    let error = sandbox.hub.keyboard(&sandbox.who, plain.id).await.unwrap_err();
    assert_eq!(error.code(), "no_input");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_ends_all_of_the_terminals_session() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.submit(session, terminal(["sh", "-i"])).await;
    until(&sandbox, &task, |screen| screen.rows[0] == ">").await;
    // Jobs have groups of their own, one does not listen to HUP, one has lost its parent.
    keys(&sandbox, &task, "sleep 301 & nohup sleep 302 >/dev/null 2>&1 &\r").await;
    keys(&sandbox, &task, "(sleep 303 & echo $! ) ; echo all on\r").await;
    until_row(&sandbox, &task, "all on").await;
    sandbox.hub.cancel(&sandbox.who, task.id, "enough").await.unwrap();
    let ended = sandbox.finish(&task).await;
    let Some(Outcome::Cancelled { processes }) = ended.outcome else { panic!("{ended:?}") };
    assert!(processes >= 4, "{processes} processes");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_streamed_and_closed() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let argv = vec!["cat".to_owned()];
    let stdin = Bytes::from_static(b"with the task, ");
    let work = ShellWork { argv, stdin, open_stdin: true, ..ShellWork::default() };
    let task = sandbox.submit(session, TaskSpec::new(Work::Shell(work))).await;
    let keyboard = sandbox.hub.keyboard(&sandbox.who, task.id).await.unwrap();
    // More than all buffers on the way hold: it has to be taken as it comes.
    let long = Bytes::from("0123456789abcdef".repeat(64 << 10));
    wait(keyboard.put(Input::Data(long.clone()))).await.unwrap();
    wait(keyboard.put(Input::Close)).await.unwrap();
    let ended: Arc<Task> = sandbox.finish(&task).await;
    assert_eq!(ended.outcome, Some(Outcome::Exited { code: 0 }));
    assert_eq!(ended.output.of(Stream::Stdout).stored, 15 + long.len() as u64);
    node.stop().await;
    sandbox.stop().await;
}
