//! Secrets of tasks: the process gets them, and nobody else sees them.

use cortex_core::ErrorKind;
use cortex_core::receipt::Output;
use cortex_core::session::Seq;
use cortex_core::task::Outcome;
use cortex_core::task::Secrets;
use cortex_core::task::ShellWork;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::TaskSpec;
use cortex_core::task::Terminal;
use cortex_core::task::Work;
use cortex_hub_lib::TaskDraft;
use zeroize::Zeroizing;

use crate::receipts::verified;
use crate::sandbox::Sandbox;

const VALUE: &str = "hunter2-of-the-forest";

fn with_secret(mut spec: TaskSpec) -> TaskSpec {
    let value = Zeroizing::new(VALUE.to_owned());
    spec.given = Secrets::new([("TOKEN".to_owned(), value)]).unwrap();
    spec
}

fn sh(script: &str) -> TaskSpec {
    with_secret(TaskSpec::argv(["sh", "-c", script]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_the_process_and_comes_back_redacted() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    // In one piece, in pieces with pauses between them, beside the other stream, and cut off.
    let script = "test ${#TOKEN} = 21 || exit 9; echo a $TOKEN b; echo $TOKEN >&2; \
                  for c in hunter2 - of- the -forest; do printf %s $c; sleep 0.07; done; \
                  printf hunter2-of-the";
    let ended = sandbox.run(session, sh(script)).await;
    assert_eq!(ended.outcome, Some(Outcome::Exited { code: 0 }));
    let output = async |stream| sandbox.output(ended.id, stream).await;
    let expected = "a [redacted:TOKEN] b\n[redacted:TOKEN]hunter2-of-the";
    assert_eq!(output(Stream::Stdout).await, expected.as_bytes());
    assert_eq!(output(Stream::Stderr).await, b"[redacted:TOKEN]\n");
    // What the node countersigned is what it sent.
    let receipts = verified(&sandbox, session).await;
    let Output::Known { stdout, .. } = receipts[0].output else { panic!("{receipts:?}") };
    assert_eq!(stdout.len, expected.len() as u64);
    // The task knows the name, and nothing else any more.
    assert_eq!((&ended.spec.secrets[..], &ended.spec.sealed), (&["TOKEN".to_owned()][..], &None));
    let log = sandbox.hub.log(&sandbox.who, &session.to_string(), Seq(0)).await;
    let log = log.unwrap().ready_batch(1000).await.unwrap();
    assert!(log.len() > 4 && !format!("{log:?}").contains(VALUE));
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_keeps_its_secrets_over_a_restart_of_the_hub() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    node.stop().await;
    let mut spec = sh("echo $TOKEN | wc -c");
    spec.queue = true;
    let task = sandbox.submit(session, spec).await;
    assert_eq!(task.state, State::Queued);
    assert!(task.spec.sealed.is_some() && task.spec.given.is_empty());
    let sandbox = sandbox.restart().await;
    let node = sandbox.restart_node("lab");
    let ended = sandbox.finish(&task).await;
    let part = sandbox.hub.output(&sandbox.who, ended.id, Stream::Stdout, 0, 100).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&part.data).trim(), "22");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_no_secret() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let argv = ["sh", "-c", "echo $TOKEN; stty size"].map(str::to_owned).into();
    let work = ShellWork { argv, terminal: Some(Terminal::default()), ..ShellWork::default() };
    let ended = sandbox.run(session, with_secret(TaskSpec::new(Work::Shell(work)))).await;
    let screen = sandbox.hub.screen(&sandbox.who, ended.id, 0).await.unwrap();
    assert_eq!(screen.rows[0], "[redacted:TOKEN]");
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_stands_in_the_task_is_refused() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let spec = with_secret(TaskSpec::argv(["echo", VALUE]));
    let draft = TaskDraft { spec, node: None };
    let refused = sandbox.hub.submit(&sandbox.who, &session.to_string(), draft, None).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Invalid, "bad_secret"));
    assert!(!refused.to_string().contains(VALUE));
    node.stop().await;
    sandbox.stop().await;
}
