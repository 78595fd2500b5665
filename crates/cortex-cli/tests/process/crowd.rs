//! Many tasks of the work pool over many nodes, some of which are killed on the way; half of these
//! come back. `scripts/pool-crowd` runs it at its full size.
#![expect(clippy::print_stdout, reason = "tells whoever runs it at full size how far it is")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use cortex_core::capability::Facts;
use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::placement::Seats;
use cortex_core::placement::Shares;
use cortex_core::placement::Waiting;
use cortex_core::placement::plan;
use cortex_core::task::State;
use cortex_core::task::Target;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;

use crate::history;
use crate::history::History;
use crate::history::Told;
use crate::http::Answer;
use crate::http::Api;
use crate::rig::Bench;
use crate::rig::Running;
use crate::rig::pause;
use crate::rig::until;
use crate::script::Script;

/// Clients that submit at one time.
const CLIENTS: usize = 8;

/// Longer than anything takes, at the full size on a machine that has other things to do.
const LONGEST: Duration = Duration::from_secs(900);

/// Slots of each node.
const SLOTS: u32 = 4;

/// Of so many tasks, one may be tried only once.
const ONCE_EVERY: usize = 5;

/// Tasks, nodes, and how many of the nodes are killed.
fn size() -> [usize; 3] {
    let asked = std::env::var("CORTEX_CROWD").unwrap_or_else(|_| "300x6x2".to_owned());
    let numbers: Vec<usize> =
        asked.split('x').map(|number| number.parse().expect("TASKSxNODESxKILLED")).collect();
    let size @ [_, nodes, killed] = numbers[..].try_into().expect("TASKSxNODESxKILLED");
    assert!(killed < nodes, "some node has to be left");
    size
}

fn start_node(bench: &Bench, name: &str) -> Running {
    bench.start_node_with(name, &[("CORTEX_NODE_NODE__MAX_TASKS", &SLOTS.to_string())])
}

/// Starts so many nodes, and waits until all of them are online.
fn start_nodes(bench: &Bench, count: usize) -> BTreeMap<String, Running> {
    let names = (0..count).map(|number| format!("node-{number}"));
    let start = |name: String| {
        bench.invite(&name);
        let node = start_node(bench, &name);
        (name, node)
    };
    let nodes = names.map(start).collect();
    until("all nodes are online", || {
        let listed = bench.json(&["node", "list"]);
        let listed = listed["items"].as_array().expect("a list");
        let online = listed.iter().filter(|node| node["status"] == "online").count();
        (online == count).then_some(())
    });
    nodes
}

/// What all clients share.
struct Plaza {
    session: String,
    canary: String,
    /// A named pipe that each task opens, and waits until somebody has it open for writing.
    gate: PathBuf,
    submitted: AtomicUsize,
}

impl Plaza {
    fn of(bench: &Bench, session: &str) -> Self {
        let gate = bench.path("gate");
        let made = Command::new("mkfifo").arg(&gate).status().expect("mkfifo is there");
        assert!(made.success());
        let canary = bench.path("canary").display().to_string();
        Self { session: session.to_owned(), canary, gate, submitted: AtomicUsize::new(0) }
    }

    /// What the node is asked to run.
    fn argv(&self, script: &Script) -> Vec<String> {
        let mut argv = script.argv(&self.canary);
        let last = argv.pop().expect("a script");
        argv.push(format!(": < '{}'; {last}", self.gate.display()));
        argv
    }

    /// Lets the tasks pass for as long as the file is kept.
    fn open(&self) -> File {
        File::options().read(true).write(true).open(&self.gate).expect("a pipe")
    }
}

/// One of several who submit tasks, and wait for them.
struct Client<'a> {
    api: Api,
    plaza: &'a Plaza,
}

impl Client<'_> {
    /// Submits tasks of these numbers, waits for all, and remembers their ends.
    fn work(&self, numbers: impl Iterator<Item = usize>) -> BTreeMap<TaskId, Told> {
        let submit = |number| {
            let script = script(number);
            let id = self.submit(number, &script);
            self.plaza.submitted.fetch_add(1, Ordering::Relaxed);
            (id, Told { script, ends: Vec::new() })
        };
        let mut told: BTreeMap<TaskId, Told> = numbers.map(submit).collect();
        for (id, told) in &mut told {
            told.ends.push(self.end_of(*id));
        }
        told
    }

    fn submit(&self, number: usize, script: &Script) -> TaskId {
        let attempts = if number.is_multiple_of(ONCE_EVERY) { 1 } else { 3 };
        let body = json!({
            "argv": self.plaza.argv(script), "any": true, "queue": true, "attempts": attempts,
        });
        let path = format!("/api/sessions/{}/dispatch", self.plaza.session);
        let answer = insist(|| self.api.post(&path, Some(&script.key), &body));
        assert_eq!(answer.status, 202, "{}", answer.json());
        answer.json()["id"].as_str().and_then(|id| id.parse().ok()).expect("a task's id")
    }

    fn end_of(&self, id: TaskId) -> State {
        let path = format!("/api/tasks/{id}?wait=20");
        let begin = Instant::now();
        loop {
            let mut task = insist(|| self.api.get(&path)).json();
            let state: State = serde_json::from_value(task["state"].take()).expect("a state");
            if state.is_end() {
                return state;
            }
            assert!(begin.elapsed() < LONGEST, "{id} does not end: {task}");
        }
    }
}

/// Asks until there is an answer that is not "later".
fn insist(ask: impl Fn() -> std::io::Result<Answer>) -> Answer {
    loop {
        match ask() {
            Ok(answer) if !answer.is_passing() => return answer,
            _ => pause(),
        }
    }
}

/// A short task; every fourth takes long enough to be met by a kill.
fn script(number: usize) -> Script {
    let (lines, pause) = if number.is_multiple_of(4) { (4, 2) } else { (2, 0) };
    Script { key: format!("crowd-{number}"), lines, pause, code: 0 }
}

/// Kills nodes while tasks end, evenly spread over them, each of them the one that has most to do;
/// every other one comes back at once.
fn kill(bench: &Bench, nodes: &mut BTreeMap<String, Running>, [tasks, _, killed]: [usize; 3]) {
    let api = bench.api();
    let mut spared: BTreeSet<String> = nodes.keys().cloned().collect();
    let begin = Instant::now();
    for number in 0..killed {
        let most = tasks - tasks * (number + 1) / (killed + 2);
        let (open, name) = loop {
            assert!(begin.elapsed() < LONGEST, "{number} killed, and there is nobody else");
            match look(&api, &spared) {
                (open, Some(name)) if open <= most => break (open, name),
                _ => pause(),
            }
        };
        nodes.remove(&name).expect("it runs").kill();
        spared.remove(&name);
        if number % 2 == 0 {
            nodes.insert(name.clone(), start_node(bench, &name));
        }
        println!("{name} killed while {open} are open");
    }
}

/// How many tasks are open, and the node of these that has most of them.
fn look(api: &Api, of: &BTreeSet<String>) -> (usize, Option<String>) {
    let mesh = insist(|| api.get("/api/mesh")).json();
    let counts = mesh["tasks"].as_object().expect("numbers").values();
    let open: u64 = counts.filter_map(Value::as_u64).sum();
    let nodes = mesh["nodes"].as_array().expect("a list").iter();
    let load = |node: &Value| Some((node["tasks"].as_u64()?, node["name"].as_str()?.to_owned()));
    let busy = nodes.filter_map(load).filter(|(tasks, name)| *tasks > 0 && of.contains(name));
    (usize::try_from(open).expect("so many"), busy.max().map(|(_, name)| name))
}

/// The order in which slots go to these tasks, all of which wait, on nodes of so many slots that
/// become free at once.
fn claims(tasks: &[TaskId], nodes: &[NodeId], history: &History) -> Vec<(TaskId, NodeId)> {
    let labels = BTreeMap::new();
    let facts = Facts { labels: &labels, capabilities: None };
    let seats: Vec<_> =
        nodes.iter().map(|node| Seats { node: *node, facts, free: SLOTS }).collect();
    let wait = |id: &TaskId| Waiting {
        task: *id,
        user: history.tasks[id].by,
        priority: history.tasks[id].spec.delivery.priority,
        target: &Target::Any,
        skill: None,
        scope: None,
    };
    let mut queue: Vec<_> = tasks.iter().map(wait).collect();
    let (mut order, mut shares) = (Vec::new(), Shares::default());
    while !queue.is_empty() {
        let planned = plan(&queue, &seats, &shares, &BTreeMap::new());
        let placed: BTreeSet<TaskId> = planned.placed.iter().map(|(task, _)| *task).collect();
        queue.retain(|one| !placed.contains(&one.task));
        order.extend(planned.placed);
        shares = planned.shares;
    }
    order
}

/// What became of the tasks, all of which have one end; how many were met by a kill.
fn judge(history: &History) -> usize {
    let mut states = BTreeMap::<&str, usize>::new();
    let mut met = 0;
    for task in history.tasks.values() {
        *states.entry(task.state.word()).or_default() += 1;
        let is_cut = matches!(task.state, State::Interrupted | State::Lost);
        assert!(is_cut || task.state == State::Succeeded, "{task:?}");
        let has_another = task.spent + 1 < task.spec.delivery.attempts;
        assert!(!(is_cut && has_another), "it may have another attempt: {task:?}");
        met += usize::from(is_cut || task.spent > 0);
    }
    let starts = history.starts.len();
    println!("{states:?}; {met} were met by a kill, {starts} starts");
    met
}

#[test]
fn all_tasks_of_a_crowd_end_once_though_nodes_are_killed() {
    let size @ [tasks, nodes, _] = size();
    let begin = Instant::now();
    let mut bench = Bench::start(&[]);
    bench.hub().kill();
    let limits =
        [("CORTEX_HUB_LIMITS__NODE_GRACE_S", "3"), ("CORTEX_HUB_LIMITS__OPEN_TASKS", "20000")];
    assert!(bench.serve_with(&[], &limits));
    let mut crowd = start_nodes(&bench, nodes);
    let mut session = vec!["session", "create"];
    session.extend(crowd.keys().flat_map(|name| ["--node", name]));
    let session = bench.json(&session)["id"].as_str().expect("an id").to_owned();
    println!("{nodes} nodes after {:.0?}", begin.elapsed());
    let (plaza, api) = (Plaza::of(&bench, &session), bench.api());
    let told = std::thread::scope(|scope| {
        let client = |lane| {
            let api = api.clone();
            let client = Client { api, plaza: &plaza };
            scope.spawn(move || client.work((lane..tasks).step_by(CLIENTS)))
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        while plaza.submitted.load(Ordering::Relaxed) < tasks {
            assert!(begin.elapsed() < LONGEST, "{:?} were submitted", plaza.submitted);
            pause();
        }
        println!("{tasks} tasks after {:.0?}", begin.elapsed());
        let _gate = plaza.open();
        kill(&bench, &mut crowd, size);
        // The gate is open to the end.
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    println!("all have ended after {:.0?}", begin.elapsed());
    for node in crowd.values_mut() {
        node.signal(Signal::TERM);
        assert_eq!(node.exit_code(), Some(0));
    }
    bench.hub().signal(Signal::TERM);
    assert_eq!(bench.hub().exit_code(), Some(0), "{}", bench.read("hub.log"));

    let history = History { told, ..History::default() };
    let history = history::read(history, &bench.path("hub"), &[bench.path("canary")]);
    let findings = history::check(&history);
    let kept = if findings.is_empty() { None } else { Some(bench.keep()) };
    assert!(findings.is_empty(), "{findings:#?}\nfiles in {kept:?}");
    assert_eq!(history.tasks.len(), tasks);
    assert!(judge(&history) > 0, "nobody was killed in the middle of a task");

    // Whoever claims in which order follows from the ids, however they are listed.
    let ids: Vec<_> = history.tasks.keys().copied().collect();
    let mut hosts: Vec<_> = history.keys.keys().copied().collect();
    let order = claims(&ids, &hosts, &history);
    hosts.reverse();
    assert_eq!(order, claims(&ids, &hosts, &history));
    assert_eq!(order.iter().map(|(task, _)| *task).collect::<BTreeSet<_>>().len(), tasks);
}
