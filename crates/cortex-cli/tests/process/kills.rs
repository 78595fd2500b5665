//! Many kills under load: of the hub and of nodes, at random moments and at named places, and a
//! history that has to be true afterwards.
//!
//! `scripts/kill-test` runs these at their full size. Each run says its seed; the same seed in
//! `CORTEX_SEED` chooses the same moments, places and tasks again.
#![expect(clippy::print_stdout, reason = "tells whoever runs it at full size how far it is")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use cortex_core::task::Stream;
use rustix::process::Signal;

use crate::history;
use crate::history::History;
use crate::load::Client;
use crate::random::Random;
use crate::rig::Bench;
use crate::rig::Running;

const NODES: [&str; 2] = ["one", "two"];
const CLIENTS: usize = 4;

/// A process that has not come to its place by then is killed where it is.
const LONGEST: Duration = Duration::from_millis(1500);

/// Where a hub may end, with how often the place is passed before it does, at most.
const HUB_PLACES: [(&str, u32); 7] = [
    ("hub::key-kept", 8),
    ("hub::task-stored", 8),
    ("hub::task-sent", 8),
    ("hub::before-commit", 12),
    ("hub::after-commit", 12),
    ("hub::reports-stored", 8),
    ("hub::reports-acked", 8),
];

/// The same of a node.
const NODE_PLACES: [(&str, u32); 7] = [
    ("node::journal-written", 4),
    ("node::accepted", 4),
    ("node::spawned", 4),
    ("node::ended", 4),
    ("node::end-noted", 4),
    ("node::end-reported", 4),
    ("node::ack-came", 4),
];

/// A process, and the place that it is to end at.
struct Victim {
    process: Running,
    place: Option<String>,
}

/// A hub with nodes, and what happens to them.
struct Arena {
    bench: Bench,
    hub_place: Option<String>,
    nodes: BTreeMap<&'static str, Victim>,
    random: Random,
    /// How often which place, or a random moment, was the end of a process.
    kills: BTreeMap<String, u32>,
}

impl Arena {
    fn open(seed: u64) -> Self {
        let bench = Bench::start(&[]);
        let node = |name| (name, Victim { process: bench.node(name), place: None });
        let nodes = NODES.map(node).into();
        let (random, kills) = (Random::of(seed), BTreeMap::new());
        Self { bench, hub_place: None, nodes, random, kills }
    }

    fn clients(&mut self) -> Vec<Client> {
        let api = self.bench.api();
        let canary = self.canary().display().to_string();
        let client = |number| {
            let session = ["session", "create", "--node", NODES[0], "--node", NODES[1]];
            let session = self.bench.json(&session)["id"].as_str().expect("an id").to_owned();
            let (api, canary, name) = (api.clone(), canary.clone(), format!("c{number}"));
            Client { api, name, session, canary, random: Random::of(self.random.next()) }
        };
        (0..CLIENTS).map(client).collect()
    }

    fn canary(&self) -> PathBuf {
        self.bench.path("canary")
    }

    /// A place for the next process to end at, in one of two cycles.
    fn choose(&mut self, places: &[(&str, u32)]) -> Option<String> {
        if cfg!(not(feature = "failpoints")) || self.random.once_in(2) {
            return None;
        }
        let (place, most) = *self.random.of_these(places);
        Some(format!("{place}:{}", 1 + self.random.below(most)))
    }

    /// How long a process may live: for a moment, or until it should have come to its place.
    fn moment(&mut self, place: Option<&String>) -> Duration {
        let moment = self.random.millis(800);
        if place.is_some() { LONGEST } else { moment }
    }

    fn count(&mut self, place: Option<&str>) {
        let place = place.and_then(|place| Some(place.rsplit_once(':')?.0));
        *self.kills.entry(place.unwrap_or("random moment").to_owned()).or_default() += 1;
    }

    /// Lets the hub live for a moment, kills it if it lives on, and starts it again.
    fn kill_hub(&mut self) {
        let place = self.hub_place.take();
        let moment = self.moment(place.as_ref());
        if self.bench.hub().ends_within(moment) {
            assert!(place.is_some(), "the hub ended of itself:\n{}", self.bench.read("hub.log"));
            self.count(place.as_deref());
        } else {
            self.bench.hub().kill();
            self.count(None);
        }
        if self.random.once_in(8) {
            self.kill_node();
        }
        loop {
            let place = self.choose(&HUB_PLACES);
            let variable = place.as_deref().map(|place| ("CORTEX_CRASH", place));
            if self.bench.serve_with(&[], variable.as_slice()) {
                self.hub_place = place;
                return;
            }
            assert!(place.is_some(), "the hub does not start:\n{}", self.bench.read("hub.log"));
            // It came to that place before anybody could ask for anything.
            self.count(place.as_deref());
        }
    }

    /// The same with a node.
    fn kill_node(&mut self) {
        let name = *self.random.of_these(&NODES);
        let mut victim = self.nodes.remove(name).expect("it was started");
        let moment = self.moment(victim.place.as_ref());
        if victim.process.ends_within(moment) {
            let log = format!("{name}.log");
            assert!(victim.place.is_some(), "{name} ended of itself:\n{}", self.bench.read(&log));
            self.count(victim.place.as_deref());
        } else {
            victim.process.kill();
            self.count(None);
        }
        let place = self.choose(&NODE_PLACES);
        let variable = place.as_deref().map(|place| ("CORTEX_CRASH", place));
        let process = self.bench.start_node_with(name, variable.as_slice());
        self.nodes.insert(name, Victim { process, place });
    }

    /// From here on everything lives.
    fn calm_down(&mut self) {
        self.bench.hub().kill();
        self.bench.serve(&[]);
        for (name, victim) in &mut self.nodes {
            victim.process.kill();
            *victim = Victim { process: self.bench.start_node(name), place: None };
        }
    }

    /// Ends hub and nodes in good order.
    fn close(&mut self) {
        for victim in self.nodes.values_mut() {
            victim.process.signal(Signal::TERM);
            assert_eq!(victim.process.exit_code(), Some(0));
        }
        self.bench.hub().signal(Signal::TERM);
        assert_eq!(self.bench.hub().exit_code(), Some(0), "{}", self.bench.read("hub.log"));
    }
}

/// Kills as often as this under load, and judges what is left.
fn run(what: &str, cycles: u32, mut kill: impl FnMut(&mut Arena)) {
    let seed = Random::seed("CORTEX_SEED");
    println!("{cycles} kills of {what}, CORTEX_SEED={seed}");
    let begin = Instant::now();
    let mut arena = Arena::open(seed);
    let clients = arena.clients();
    let stop = AtomicBool::new(false);
    let told = std::thread::scope(|scope| {
        let at_work: Vec<_> =
            clients.into_iter().map(|client| scope.spawn(|| client.work(&stop))).collect();
        let stopping = StopOnDrop(&stop);
        for cycle in 1..=cycles {
            kill(&mut arena);
            assert!(at_work.iter().all(|client| !client.is_finished()), "a client gave up");
            if cycle % 100 == 0 {
                println!("{cycle} kills of {what} in {:.0?}", begin.elapsed());
            }
        }
        arena.calm_down();
        drop(stopping);
        at_work.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    let mut history = History { told, ..History::default() };
    let api = arena.bench.api();
    for id in history.told.keys() {
        for (stream, word) in [(Stream::Stdout, "stdout"), (Stream::Stderr, "stderr")] {
            let path = format!("/api/tasks/{id}/output?stream={word}");
            let answer = api.get(&path).expect("the hub is there");
            history.served.insert((*id, stream), answer.body);
        }
    }
    arena.close();
    let history = history::read(history, &arena.bench.path("hub"), &[arena.canary()]);
    let findings = history::check(&history);
    println!("{}", told_of(&history, &arena.kills, begin.elapsed()));
    let kept = if findings.is_empty() { None } else { Some(arena.bench.keep()) };
    assert!(findings.is_empty(), "{findings:#?}\nCORTEX_SEED={seed}, files in {kept:?}");
}

/// What happened, in a few lines.
fn told_of(history: &History, kills: &BTreeMap<String, u32>, took: Duration) -> String {
    let mut states = BTreeMap::<&str, u32>::new();
    for id in history.told.keys() {
        let task = history.tasks.get(id);
        *states.entry(task.map_or("not stored", |task| task.state.word())).or_default() += 1;
    }
    let bytes: usize = history.stored.values().map(Vec::len).sum();
    let events: usize = history.logs.values().map(|log| log.entries.len()).sum();
    let (tasks, starts) = (history.told.len(), history.starts.len());
    format!(
        "kills: {kills:?}\ntasks acknowledged: {tasks}, {states:?}\n\
         started: {starts}; {events} events; {bytes} bytes of output; {took:.0?}"
    )
}

/// Ends the clients also where the test fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many cycles there are: few, if nobody asks for more.
fn cycles(variable: &str, few: u32) -> u32 {
    let asked = std::env::var(variable).ok();
    asked.map_or(few, |text| text.parse().expect("a number of kills"))
}

#[test]
fn row_57_nothing_is_lost_or_doubled_by_kills_of_the_hub() {
    run("the hub", cycles("CORTEX_HUB_KILLS", 15), Arena::kill_hub);
}

#[test]
fn row_57_nothing_is_lost_or_doubled_by_kills_of_nodes() {
    run("nodes", cycles("CORTEX_NODE_KILLS", 10), Arena::kill_node);
}
