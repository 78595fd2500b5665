//! `kill -9`, of either side, in the middle of a task.

use rustix::process::Signal;

use crate::rig::Bench;
use crate::rig::stdout;
use crate::rig::until;

/// Counts to 30 in 6 seconds, and leaves a line in `runs` for each start.
const COUNTER: &str = "echo run >> runs; for n in $(seq 1 30); do echo line $n; sleep 0.2; done";

fn counted() -> String {
    (1..=30).map(|number| format!("line {number}\n")).collect()
}

/// Starts the counter on a node and waits for its first line to be stored.
fn count(bench: &Bench, node: &str) -> String {
    let home = bench.path("").display().to_string();
    let script = format!("cd '{home}'; {COUNTER}");
    let task = bench.detach(node, &["sh", "-c", &script]);
    until("the counter's first line", || {
        let task = bench.json(&["task", "show", &task]);
        task["output"]["stdout_bytes"].as_u64().filter(|bytes| *bytes > 0)
    });
    task
}

#[test]
fn a_task_survives_the_death_of_its_hub() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let task = count(&bench, "lab");
    bench.hub().kill();
    bench.serve(&[]);
    let ended = bench.finish(&task);
    assert_eq!((&ended["state"], &ended["attempt"]), (&"succeeded".into(), &1.into()), "{ended}");
    assert_eq!(stdout(&bench.run(&["task", "logs", &task])), counted());
    assert_eq!(bench.read("runs"), "run\n");
}

#[test]
fn the_task_of_a_dead_node_is_interrupted_and_not_run_again() {
    let bench = Bench::start(&[]);
    let mut node = bench.node("lab");
    let task = count(&bench, "lab");
    node.kill();
    let _again = bench.start_node("lab");
    let ended = bench.finish(&task);
    assert_eq!((&ended["state"], &ended["attempt"]), (&"interrupted".into(), &1.into()), "{ended}");
    bench.until_status("lab", "online");
    let output = bench.run(&["exec", "lab", "--", "echo", "works"]);
    assert_eq!(stdout(&output), "works\n");
    assert_eq!(bench.read("runs"), "run\n");
}

#[test]
fn the_task_of_a_node_that_stays_away_is_interrupted() {
    let bench = Bench::start(&[]);
    let mut node = bench.node("lab");
    let task = count(&bench, "lab");
    node.kill();
    let begin = std::time::Instant::now();
    let ended = bench.finish(&task);
    assert_eq!(ended["state"], "interrupted", "{ended}");
    assert!(begin.elapsed().as_secs() < 45, "it took {:?}", begin.elapsed());
}

#[test]
fn hub_and_node_end_in_order_when_they_are_asked_to() {
    let mut bench = Bench::start(&[]);
    let mut node = bench.node("lab");
    node.signal(Signal::TERM);
    assert_eq!(node.exit_code(), Some(0), "{}", bench.read("lab.log"));
    bench.hub().signal(Signal::INT);
    assert_eq!(bench.hub().exit_code(), Some(0), "{}", bench.read("hub.log"));
}
