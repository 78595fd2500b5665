//! Much output through those who do not take it: memory stays bounded, and nobody else waits.

use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::rig::Bench;
use crate::rig::LIMIT;
use crate::rig::Running;
use crate::rig::stdout;
use crate::rig::until;

/// What memory may grow by, in KiB.
const GROWTH_KIB: u64 = 64 << 10;

/// Bytes of output where the environment says nothing else; `scripts/output-pressure` does.
const BYTES: u64 = 400 << 20;

/// How long the hub is frozen.
const FROZEN: Duration = Duration::from_secs(4);

fn bytes() -> u64 {
    let given = std::env::var("CORTEX_PRESSURE_BYTES").ok();
    given.map_or(BYTES, |given| given.parse().expect("a number of bytes"))
}

/// The highest memory that was seen of some processes.
struct Gauge<'a> {
    processes: [(&'static str, &'a Running); 2],
    before: [u64; 2],
    highest: [u64; 2],
}

impl<'a> Gauge<'a> {
    fn new(hub: &'a Running, node: &'a Running) -> Self {
        let processes = [("hub", hub), ("node", node)];
        let before = processes.map(|(_, process)| process.resident_kib());
        Self { processes, before, highest: before }
    }

    fn look(&mut self) {
        for (highest, (_, process)) in self.highest.iter_mut().zip(&self.processes) {
            *highest = process.resident_kib().max(*highest);
        }
    }

    fn check(&self) {
        let all = self.processes.iter().zip(self.before).zip(self.highest);
        for (((name, _), before), highest) in all {
            let grown = highest.saturating_sub(before);
            writeln!(
                std::io::stdout(),
                "{name}: {} MiB, and {} MiB more",
                before >> 10,
                grown >> 10
            )
            .expect("somebody reads");
            assert!(grown <= GROWTH_KIB, "the {name} grew by {grown} KiB, from {before} KiB");
        }
    }
}

/// Opens the events of a task's output, reads their beginning, and then no more.
fn reader_that_stops(bench: &Bench, task: &str) -> TcpStream {
    let token = bench.read("hub/admin.token");
    let mut stream = TcpStream::connect(bench.http()).expect("the hub listens");
    let request = format!(
        "GET /api/tasks/{task}/output HTTP/1.1\r\nHost: localhost\r\n\
         Accept: text/event-stream\r\nAuthorization: Bearer {}\r\n\r\n",
        token.trim()
    );
    stream.write_all(request.as_bytes()).expect("the hub reads");
    let mut head = [0; 1024];
    stream.read_exact(&mut head).expect("the hub answers");
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    stream
}

fn stdout_bytes(task: &Value) -> u64 {
    task["output"]["stdout_bytes"].as_u64().expect("a number")
}

#[test]
fn row_33_row_54_much_output_costs_little_memory_and_holds_nobody_up() {
    let mut bench = Bench::start(&[]);
    let node = bench.node("lab");
    // What is made at first use is not the output's.
    assert_eq!(stdout(&bench.run(&["exec", "lab", "--", "echo", "first"])), "first\n");
    let hub = bench.take_hub();
    let mut gauge = Gauge::new(&hub, &node);
    let total = bytes();
    let task = bench.detach("lab", &["head", "-c", &total.to_string(), "/dev/zero"]);
    until("its output comes", || {
        (stdout_bytes(&bench.json(&["task", "show", &task])) > 0).then_some(())
    });
    let stopped: Vec<TcpStream> = (0..3).map(|_| reader_that_stops(&bench, &task)).collect();

    // A hub that takes nothing for a while: the node keeps what it may, and its process waits.
    hub.signal(Signal::STOP);
    let frozen = Instant::now();
    until("the hub was frozen", || {
        gauge.look();
        (frozen.elapsed() >= FROZEN).then_some(())
    });
    hub.signal(Signal::CONT);

    let begun = Instant::now();
    let limit = LIMIT + Duration::from_secs(total / 20_000_000);
    loop {
        gauge.look();
        // Another task on the same node, and the node's heartbeats, go their way meanwhile.
        let asked = Instant::now();
        assert_eq!(stdout(&bench.run(&["exec", "lab", "--", "echo", "hi"])), "hi\n");
        assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
        bench.until_status("lab", "online");
        let seen = bench.json(&["task", "show", &task]);
        if seen["ended_at"].is_string() {
            assert_eq!(
                (&seen["state"], stdout_bytes(&seen)),
                (&"succeeded".into(), total),
                "{seen}"
            );
            break;
        }
        assert!(begun.elapsed() < limit, "{} of {total} bytes", stdout_bytes(&seen));
    }
    gauge.look();
    gauge.check();
    drop(stopped);
}
