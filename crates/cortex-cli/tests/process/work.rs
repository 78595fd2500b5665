//! The first commands of a newcomer.

use crate::rig::Bench;
use crate::rig::CLI;
use crate::rig::stderr;
use crate::rig::stdout;

#[test]
fn a_first_hub_has_a_local_node_and_a_context() {
    let bench = Bench::start(&["--dev"]);
    bench.until_status("local", "online");
    let output = bench.run(&["exec", "local", "--", "uname", "-s"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "Linux\n"), "{output:?}");
    // With neither address nor token: `--dev` has made a context.
    let mut command = bench.command(CLI);
    let output = command.args(["exec", "local", "--", "sh", "-c", "echo no >&2; exit 7"]);
    let output = output.output().unwrap();
    assert_eq!((output.status.code(), stdout(&output), stderr(&output)), (Some(7), "", "no\n"));
}

#[test]
fn one_session_runs_tasks_on_two_nodes() {
    let bench = Bench::start(&[]);
    let _nodes = (bench.node("one"), bench.node("two"));
    let session = bench.json(&["session", "create", "--node", "one", "--node", "two"]);
    let session = session["id"].as_str().unwrap();
    let output = bench.run(&["exec", "one", "two", "--session", session, "--", "echo", "here"]);
    let mut lines: Vec<&str> = stdout(&output).lines().collect();
    lines.sort_unstable();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("one") && lines[0].ends_with("here"), "{lines:?}");
    assert!(lines[1].contains("two") && lines[1].ends_with("here"), "{lines:?}");
}

#[test]
fn output_larger_than_any_buffer_comes_whole() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let script = "seq 1 2000000; exit 3";
    let output = bench.run(&["exec", "lab", "--", "sh", "-c", script]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let expected: String = (1..=2_000_000).map(|number| format!("{number}\n")).collect();
    assert!(stdout(&output) == expected, "{} bytes came", output.stdout.len());
}
