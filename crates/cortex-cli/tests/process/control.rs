//! Control of running tasks from the command line: input, signals, following, skills, a look at all.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use rustix::process::Signal;
use sha2::Digest as _;
use sha2::Sha256;

use crate::rig::Bench;
use crate::rig::CLI;
use crate::rig::Running;
use crate::rig::stderr;
use crate::rig::stdout;

/// A command of the first admin that is not started yet.
fn command(bench: &Bench, args: &[&str]) -> Command {
    let mut command = bench.command(CLI);
    command.env("CORTEX_HUB", format!("http://{}", bench.http()));
    command.env("CORTEX_TOKEN_FILE", bench.path("hub/admin.token")).args(args);
    command
}

/// Starts a command and writes `input` to it from a thread.
fn fed(bench: &Bench, args: &[&str], input: Vec<u8>) -> Child {
    let mut command = command(bench, args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // Who reads no more of it is a case of its own.
    let feed = move || stdin.write_all(&input);
    std::thread::Builder::new().name("feed".to_owned()).spawn(feed).expect("a thread starts");
    child
}

#[test]
fn standard_input_of_any_length_comes_whole() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let small = fed(&bench, &["exec", "lab", "--stdin", "--", "cat"], b"hi\n".to_vec());
    let small = small.wait_with_output().unwrap();
    assert_eq!((small.status.code(), stdout(&small)), (Some(0), "hi\n"), "{}", stderr(&small));
    let byte = |at: u32| u8::try_from(at.wrapping_mul(2_654_435_761) >> 24).unwrap();
    let large: Vec<u8> = (0..13_000_000).map(byte).collect();
    let expected =
        Sha256::digest(&large).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let output = fed(&bench, &["exec", "lab", "--stdin", "--", "sha256sum"], large);
    let output = output.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with(&expected), "{}", stdout(&output));
    // A program that does not read it to its end is none of our business.
    let deaf = fed(&bench, &["exec", "lab", "--stdin", "--", "true"], vec![0; 3 << 20]);
    assert_eq!(deaf.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_detached_task_is_followed_and_signalled() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let script = "trap 'echo got it; exit 7' USR1; echo ready; while :; do sleep 1 & wait; done";
    let id = bench.detach("lab", &["sh", "-c", script]);
    let mut following = command(&bench, &["task", "follow", &id]);
    let mut following = following.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let unknown = bench.run(&["task", "signal", &id, "SEGV"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("HUP, INT, QUIT, KILL"), "{}", stderr(&unknown));
    let sent = bench.run(&["task", "signal", &id, "sigusr1"]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    assert_eq!(lines.next().unwrap().unwrap(), "got it");
    assert_eq!(Running::of(following).exit_code(), Some(7));
    // From the start once more, and only what comes from now on.
    let again = bench.run(&["task", "attach", &id]);
    assert_eq!((again.status.code(), stdout(&again)), (Some(7), "ready\ngot it\n"));
    let now = bench.run(&["task", "follow", &id, "--from-now"]);
    assert_eq!((now.status.code(), stdout(&now)), (Some(7), ""));
    let late = bench.run(&["task", "signal", &id, "HUP"]);
    assert_eq!(late.status.code(), Some(5), "{}", stderr(&late));
}

#[test]
fn a_second_interrupt_kills_what_does_not_listen() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let script = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let mut exec = command(&bench, &["exec", "lab", "--", "sh", "-c", script]);
    let mut exec = exec.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(exec.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let mut said = BufReader::new(exec.stderr.take().unwrap()).lines();
    let mut running = Running::of(exec);
    running.signal(Signal::INT);
    assert!(said.next().unwrap().unwrap().contains("cancelling"));
    running.signal(Signal::INT);
    assert!(said.next().unwrap().unwrap().contains("killing"));
    assert_eq!(running.exit_code(), Some(130));
    let tasks = bench.json(&["task", "list"]);
    assert_eq!(tasks["items"][0]["state"], "cancelled");
}

#[test]
fn skills_are_listed_shown_and_called() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let skills = bench.json(&["skill", "list"]);
    assert_eq!(skills["items"][0]["name"], "shell");
    assert_eq!(skills["items"][0]["nodes"][0]["name"], "lab");
    let shown = bench.run(&["skill", "show", "shell"]);
    assert!(stdout(&shown).contains("argv") && stdout(&shown).contains("list of text"));
    let whole = bench.json(&["skill", "show", "shell"]);
    assert_eq!(whole["input"]["properties"]["argv"]["type"], "array");
    let called = bench.run(&["skill", "call", "shell", "argv=echo", "argv=hi"]);
    assert_eq!((called.status.code(), stdout(&called), stderr(&called)), (Some(0), "", "hi\n"));
    let json = r#"{"argv": ["sh", "-c", "exit 3"]}"#;
    let called = bench.run(&["skill", "call", "shell", "--on", "lab", "--input", json]);
    assert_eq!(called.status.code(), Some(3), "{}", stderr(&called));
    let wrong = bench.run(&["skill", "call", "shell", "--input", r#"{"argv": [1]}"#]);
    assert_eq!(wrong.status.code(), Some(255));
    assert!(stderr(&wrong).contains("argv[0] must be a string, not 1"), "{}", stderr(&wrong));
    let missing = bench.run(&["skill", "show", "nothing"]);
    assert_eq!(missing.status.code(), Some(4), "{}", stderr(&missing));
}

#[test]
fn top_shows_the_mesh_as_text_and_as_json() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let id = bench.detach("lab", &["sleep", "60"]);
    let look = crate::rig::until("the task runs", || {
        let look = bench.json(&["top"]);
        (look["mesh"]["tasks"]["running"] == 1).then_some(look)
    });
    assert_eq!(look["mesh"]["node_counts"]["online"], 1);
    assert_eq!(look["mesh"]["nodes"][0]["tasks"], 1);
    assert_eq!(look["open_tasks"][0]["id"], id);
    assert!(look["mesh"]["hub"]["memory_bytes"].as_u64().unwrap() > 1 << 20);
    let text = bench.run(&["top", "--once"]);
    for word in ["● lab", "1 of 1 online", "1 running", "sleep 60", &id] {
        assert!(stdout(&text).contains(word), "{word:?} is not in:\n{}", stdout(&text));
    }
    // Without a terminal there is no screen to take.
    assert_eq!(bench.run(&["top"]).status.code(), Some(2));
    bench.json(&["task", "cancel", &id]);
}
