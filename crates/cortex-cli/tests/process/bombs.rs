//! Programs that do not want to end, and programs that want to be many.
#![expect(clippy::print_stdout, reason = "tells how fast it was whoever wants to know")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::Signal;
use serde_json::json;

use crate::footing::ANSWER_WITHIN;
use crate::footing::answers;
use crate::footing::p99;
use crate::rig::Bench;
use crate::rig::NODE;
use crate::rig::Running;
use crate::rig::until;

/// All of a task is gone so soon after it was cancelled, its grace of one second included.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Processes that a bomb may have.
const PROCESSES: usize = 120;

/// Each tells the ids of its processes, a line each, and ends with `ready`.
const STUBBORN: [(&str, &str); 5] = [
    (
        "what ignores every request",
        "trap '' TERM HUP INT; echo $$; echo ready; while :; do sleep 1; done",
    ),
    (
        "what forks twice into a session of its own",
        "setsid sh -c 'trap \"\" TERM; sleep 600 & echo $! $$; exec sleep 600' & \
         sleep 0.3; echo ready; wait",
    ),
    (
        "what leaves an orphan in another session",
        "setsid sh -c '(setsid sleep 600 & echo $!)'; sleep 0.3; echo ready; sleep 600",
    ),
    (
        "what clears its environment",
        "env -i setsid sleep 600 & echo $!; sleep 0.3; echo ready; wait",
    ),
    (
        "what changes its group",
        "python3 -c 'import os, time, signal\n\
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         os.setpgid(0, 0)\n\
         if os.fork() == 0: os.setpgid(0, 0)\n\
         print(os.getpid(), flush=True)\n\
         time.sleep(600)' & sleep 1; echo ready; wait",
    ),
];

/// Processes of a task, by what it has told of them.
fn told(bench: &Bench, task: &str) -> BTreeSet<u32> {
    let output = until("the task is ready", || {
        let output = bench.run(&["task", "logs", task]);
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        output.contains("ready").then_some(output)
    });
    output.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Processes that carry the mark of a task.
pub(crate) fn marked(task: &str) -> Vec<i32> {
    let mark = format!("CORTEX_TASK={task}");
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let has_mark = |entry: std::fs::DirEntry| {
        let variables = std::fs::read(entry.path().join("environ")).ok()?;
        let mut variables = variables.split(|byte| *byte == 0);
        variables.any(|one| one == mark.as_bytes()).then_some(())?;
        entry.file_name().to_str()?.parse().ok()
    };
    entries.filter_map(has_mark).collect()
}

/// Starts a task on the node that has a second between TERM and KILL.
pub(crate) fn start(bench: &Bench, script: &str) -> String {
    let body = json!({ "argv": ["sh", "-c", script], "node": "lab", "grace_ms": 1000 });
    let answer = bench.api().post("/api/sessions/default/dispatch", None, &body);
    answer.expect("the hub answers").json()["id"].as_str().expect("an id").to_owned()
}

fn start_stubborn(bench: &Bench) -> Vec<(&'static str, String, BTreeSet<u32>)> {
    let tasks = STUBBORN.map(|(name, script)| (name, start(bench, script)));
    let look = |(name, task): (&'static str, String)| {
        let processes = told(bench, &task);
        assert!(!processes.is_empty() && processes.iter().all(|pid| is_alive(*pid)), "{name}");
        (name, task, processes)
    };
    tasks.into_iter().map(look).collect()
}

/// Waits until nothing of a task is alive.
pub(crate) fn until_gone(name: &str, task: &str, processes: &BTreeSet<u32>) {
    until(&format!("{name} is gone"), || {
        let is_gone = marked(task).is_empty() && !processes.iter().any(|pid| is_alive(*pid));
        is_gone.then_some(())
    });
}

#[test]
fn row_32_whatever_a_task_does_to_stay_it_is_gone_soon_after_its_cancel() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    for (name, task, processes) in start_stubborn(&bench) {
        let begin = Instant::now();
        bench.json(&["task", "cancel", &task]);
        until_gone(name, &task, &processes);
        let took = begin.elapsed();
        assert!(took < GONE_WITHIN, "{name} was there for {took:?}");
        assert_eq!(bench.finish(&task)["state"], "cancelled", "{name}");
    }
}

#[test]
fn row_32_what_a_killed_node_leaves_behind_is_gone_when_it_is_back() {
    let bench = Bench::start(&[]);
    let mut node = bench.node("lab");
    let tasks = start_stubborn(&bench);
    node.kill();
    let _again = bench.start_node("lab");
    for (name, task, processes) in tasks {
        until_gone(name, &task, &processes);
        assert_eq!(bench.finish(&task)["state"], "interrupted", "{name}");
    }
}

/// Starts a node whose user may have only so many processes. Limits mean nothing to root: where the
/// tester is root, the node's user is one whom nobody else is, since ended processes count until
/// they are reaped.
fn limited_node(bench: &Bench, number: u32) -> Running {
    let nobody = 200_000 + 2 * std::process::id() + number;
    let config = bench.invite("lab");
    let is_root = rustix::process::getuid().is_root();
    let program = if is_root { bench.path("cortex-node") } else { NODE.into() };
    let data = bench.path("lab-data");
    let own = if is_root { 0 } else { processes_of_this_user() };
    let mut command = bench.command("prlimit");
    command.arg(format!("--nproc={}", own + PROCESSES)).arg(&program);
    command.arg("run").arg("--config").arg(&config).arg("--data-dir").arg(&data);
    if is_root {
        // Others have to get at it: the build's own folder may be root's alone.
        std::fs::copy(NODE, &program).expect("the program can be copied");
        std::fs::create_dir(&data).expect("a folder");
        for path in [&config, &data] {
            chown(path, Some(nobody), Some(nobody)).expect("root may");
        }
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bench.path(""), open).expect("root may");
        command.uid(nobody).gid(nobody);
    }
    let log = std::fs::File::create(bench.path("lab.log")).expect("a file");
    command.stdout(Stdio::null()).stderr(log);
    let node = Running::of(command.spawn().expect("prlimit is installed"));
    bench.until_status("lab", "online");
    node
}

/// Processes and threads that count against the limit already.
fn processes_of_this_user() -> usize {
    let own = rustix::process::getuid().as_raw();
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let threads = |entry: std::fs::DirEntry| {
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<usize>().ok()
        };
        (field("Uid:")? == usize::try_from(own).ok()?).then(|| field("Threads:"))?
    };
    entries.filter_map(threads).sum()
}

/// Each process makes others for as long as it lives, whatever the system says to it.
const BOMB: &str = "import os\n\
    while True:\n try: os.fork()\n except OSError: pass";

/// The same, each of them in a session of its own, where no request is heard.
const SPREADING_BOMB: &str = "import os, signal\n\
    for each in (1, 2, 15): signal.signal(each, signal.SIG_IGN)\n\
    while True:\n try: os.fork() or os.setsid()\n except OSError: pass";

/// Ends a bomb also where the test fails: nobody else would.
struct Defused<'a>(&'a str);

impl Drop for Defused<'_> {
    fn drop(&mut self) {
        for signal in [Signal::STOP, Signal::STOP, Signal::STOP, Signal::KILL] {
            for pid in marked(self.0).into_iter().filter_map(Pid::from_raw) {
                // It may have just ended.
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
    }
}

/// Lets a bomb go off; `number` tells its user from those of other bombs. How long the node took
/// for other tasks meanwhile (p99), and how long the bomb was there after its cancel.
fn explode(script: &str, number: u32) -> (Duration, Duration) {
    let bench = Bench::start(&[]);
    let _node = limited_node(&bench, number);
    let api = bench.api();
    let task = start(&bench, &format!("exec python3 -c '{script}'"));
    let _defused = Defused(&task);
    until("the bomb has gone off", || (marked(&task).len() > PROCESSES / 2).then_some(()));
    let times = answers(&api, 50);
    let (median, p99) = (times[times.len() / 2], p99(&times));
    let begin = Instant::now();
    bench.json(&["task", "cancel", &task]);
    until_gone("the bomb", &task, &BTreeSet::new());
    let took = begin.elapsed();
    assert_eq!(bench.finish(&task)["state"], "cancelled");
    // Said with `--nocapture`.
    println!(
        "answers within {median:.0?} (median), {p99:.0?} (p99); gone {took:.1?} after its cancel"
    );
    (p99, took)
}

#[test]
fn row_31_a_fork_bomb_leaves_the_node_at_work_and_is_gone_soon_after_its_cancel() {
    let (p99, took) = explode(BOMB, 0);
    assert!(p99 < ANSWER_WITHIN, "{p99:?}");
    assert!(took < GONE_WITHIN, "it was there for {took:?}");
}

#[test]
fn row_31_a_fork_bomb_that_spreads_over_sessions_is_gone_too() {
    // Linux gives each session an equal share of the machine (autogroups), whatever its processes'
    // priority: the node has one of more than a hundred. It answers, and gets there, but later.
    let (_, took) = explode(SPREADING_BOMB, 1);
    assert!(took < 4 * GONE_WITHIN, "it was there for {took:?}");
}
