//! A node in another language, written from the .proto files and `docs/design/envelope.md` only.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::process::Stdio;

use bytes::Bytes;
use cortex_core::invite::Fate;
use cortex_core::node::Status;
use cortex_core::policy::Rule;
use cortex_core::policy::SandboxPolicy;
use cortex_core::task::Outcome;
use cortex_core::task::ShellWork;
use cortex_core::task::Stream;
use cortex_core::task::TaskSpec;
use cortex_core::task::Work;
use cortex_core::timestamp::Timestamp;
use cortex_hub_lib::Change;
use cortex_hub_lib::Follow;
use cortex_hub_lib::OutputCursor;
use cortex_hub_lib::TaskAssistant;
use cortex_hub_lib::trust::Purpose;
use tokio::process::Child;
use tokio::process::Command;

use crate::sandbox::Sandbox;
use crate::sandbox::wait;

/// The node's program, in the Python that has what it imports.
fn node_py() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/tools/venv/bin/python");
    assert!(python.exists(), "{} is missing: run scripts/setup", python.display());
    let mut command = Command::new(python);
    command.arg(root.join("tests/interop/node.py")).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Starts the node and waits until the hub has it online.
async fn start(sandbox: &Sandbox, config: &Path, tasks: u32) -> Child {
    let mut changes = sandbox.hub.watch(&sandbox.who);
    let mut command = node_py();
    command.arg("--config").arg(config).arg("--data-dir").arg(sandbox.path("py-data"));
    let mut child = command.arg("--tasks").arg(tasks.to_string()).spawn().expect("Python starts");
    let online = async {
        while let Some(change) = changes.next().await {
            let now = Timestamp::from(std::time::SystemTime::now());
            if matches!(change, Change::Node(node) if node.status(now) == Status::Online) {
                return;
            }
        }
        panic!("the hub has ended");
    };
    tokio::select! {
        () = wait(online) => child,
        ended = child.wait() => panic!("the node ended before it was online: {ended:?}"),
    }
}

async fn ended(mut child: Child) -> ExitStatus {
    wait(child.wait()).await.expect("the node can be waited for")
}

async fn assistant(sandbox: &Sandbox) -> TaskAssistant {
    let nodes = ["py".to_owned()];
    let session = sandbox.hub.create_session(&sandbox.who, None, &nodes).await.unwrap();
    TaskAssistant::new(sandbox.hub.clone(), sandbox.who.clone(), session.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_vector_holds_in_python() {
    let output = wait(node_py().arg("--self-test").output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1880 and 1472 flipped bits refused"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_node_enrols_and_runs_tasks() {
    let mut policy = SandboxPolicy::permissive();
    policy.deny.push(Rule::new("rm").unwrap());
    let sandbox = Sandbox::with_policy(policy).await;
    let config = sandbox.invite("py").await;
    let node = start(&sandbox, &config, 6).await;
    let assistant = assistant(&sandbox).await;
    let run = async |spec| wait(Box::pin(assistant.dispatch_single("py", spec))).await.unwrap();

    let argv = ["sh", "-c", "cat; echo \"$NAME\" >&2; exit 7"].map(str::to_owned).to_vec();
    let stdin = Bytes::from_static(b"over stdin\n");
    let env = [("NAME".to_owned(), "from env".to_owned())].into();
    let work = ShellWork { argv, stdin, env, ..ShellWork::default() };
    let done = run(TaskSpec::new(Work::Shell(work))).await;
    assert_eq!(done.task.outcome, Some(Outcome::Exited { code: 7 }));
    assert_eq!((&done.stdout[..], &done.stderr[..]), (&b"over stdin\n"[..], &b"from env\n"[..]));

    // More than may wait for the hub at once.
    let done = run(TaskSpec::argv(["head", "-c", "20000000", "/dev/zero"])).await;
    assert_eq!(done.task.outcome, Some(Outcome::Exited { code: 0 }));
    assert_eq!(done.task.output.stored(), 20_000_000);

    let done = run(TaskSpec::argv(["rm", "-rf", "/nowhere"])).await;
    let rule = "deny[0] \"rm\"".to_owned();
    assert_eq!(done.task.outcome, Some(Outcome::Rejected { rule, reason: "rm is denied".into() }));

    let done = run(TaskSpec::argv(["no-such-program"])).await;
    assert!(matches!(done.task.outcome, Some(Outcome::Broken { .. })), "{:?}", done.task.outcome);

    let limit = std::time::Duration::from_millis(200);
    let done = run(TaskSpec::argv(["sleep", "600"]).timeout(limit)).await;
    assert_eq!(done.task.outcome, Some(Outcome::TimedOut { processes: 1 }));

    let spec = TaskSpec::argv(["sh", "-c", "sleep 600 & echo up; wait; echo never"]);
    let task = assistant.submit("py", spec).await.unwrap();
    first_output(&sandbox, &task).await;
    assistant.cancel(task.id, "enough").await.unwrap();
    let done = wait(assistant.finish(task.id)).await.unwrap();
    assert_eq!(done.task.outcome, Some(Outcome::Cancelled { processes: 2 }));

    assert!(ended(node).await.success());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_node_says_nothing_to_a_hub_that_is_not_pinned() {
    let sandbox = Sandbox::start().await;
    let config = sandbox.invite("py").await;
    let text = std::fs::read_to_string(&config).unwrap();
    let mut runs = text.split(|c: char| !c.is_ascii_hexdigit());
    let pin = runs.find(|run| run.len() == 64).expect("a SHA-256 in hex");
    std::fs::write(&config, text.replace(pin, &"ab".repeat(32))).unwrap();
    let mut command = node_py();
    command.arg("--config").arg(&config).arg("--data-dir").arg(sandbox.path("py-data"));
    let output = wait(command.output()).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("ca_spki_sha256 pins"), "{errors}");
    let invites = sandbox.hub.invites(&sandbox.who).await.unwrap();
    assert_eq!(invites[0].fate, Fate::Open);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_node_follows_when_all_keys_are_replaced() {
    let sandbox = Sandbox::start().await;
    let config = sandbox.invite("py").await;
    let node = start(&sandbox, &config, 2).await;
    let assistant = assistant(&sandbox).await;
    for purpose in Purpose::ALL {
        sandbox.rotate(purpose, 1).await;
        let run = assistant.dispatch_single("py", TaskSpec::argv(["true"]));
        assert_eq!(wait(run).await.unwrap().task.outcome, Some(Outcome::Exited { code: 0 }));
    }
    assert!(ended(node).await.success());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_node_works_on_through_a_restart_of_the_hub() {
    let sandbox = Sandbox::start().await;
    let config = sandbox.invite("py").await;
    let node = start(&sandbox, &config, 1).await;
    let assistant = assistant(&sandbox).await;
    // Much of it is on its way, sent and not acknowledged, when the stream is cut.
    let task = assistant.submit("py", TaskSpec::argv(["seq", "2000000"])).await.unwrap();
    first_output(&sandbox, &task).await;
    let sandbox = sandbox.restart().await;
    let done = sandbox.finish(&task).await;
    assert_eq!((&done.outcome, done.attempt), (&Some(Outcome::Exited { code: 0 }), 1));
    let mut text = Vec::new();
    while (text.len() as u64) < done.output.stored() {
        let (hub, offset) = (&sandbox.hub, text.len() as u64);
        let part =
            hub.output(&sandbox.who, task.id, Stream::Stdout, offset, 1 << 20).await.unwrap();
        text.extend_from_slice(&part.data);
    }
    let wanted: String = (1..=2_000_000).map(|number| format!("{number}\n")).collect();
    assert!(text == wanted.as_bytes(), "{} bytes instead of {}", text.len(), wanted.len());
    assert!(ended(node).await.success());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_python_node_starts_nothing_twice() {
    let sandbox = Sandbox::start().await;
    let config = sandbox.invite("py").await;
    let mut node = start(&sandbox, &config, 100).await;
    let assistant = assistant(&sandbox).await;
    let (gate, marks) = (sandbox.path("gate"), sandbox.path("marks"));
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let script = "echo started >> \"$0\"; echo up; cat \"$1\"";
    let paths: [PathBuf; 2] = [marks.clone(), gate.clone()];
    let paths = paths.map(|path| path.display().to_string());
    let spec = TaskSpec::argv(["sh", "-c", script, &paths[0], &paths[1]]);
    let task = assistant.submit("py", spec).await.unwrap();
    first_output(&sandbox, &task).await;
    node.kill().await.unwrap();

    let node = start(&sandbox, &config, 1).await;
    let done = wait(assistant.finish(task.id)).await.unwrap();
    let outcome = &done.task.outcome;
    assert!(matches!(outcome, Some(Outcome::Interrupted { .. })), "{outcome:?}");
    assert_eq!(&done.stdout[..], b"up\n");
    assert_eq!(std::fs::read_to_string(&marks).unwrap(), "started\n");
    assert!(ended(node).await.success());
    // Lets go what the killed node left behind.
    wait(tokio::fs::OpenOptions::new().write(true).open(&gate)).await.unwrap();
    sandbox.stop().await;
}

async fn first_output(sandbox: &Sandbox, task: &cortex_core::task::Task) {
    let start = OutputCursor::default();
    let mut follower = sandbox.hub.follow(&sandbox.who, task.id, start).await.unwrap();
    let first = wait(follower.next()).await.unwrap();
    assert!(matches!(first, Some(Follow::Output { .. })), "{first:?}");
}
