//! Readers that stop, and those who write for them: memory stays, others are served, and who takes
//! nothing any more is dropped.
#![expect(clippy::print_stdout, reason = "tells how much it was whoever wants to know")]

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::footing::ANSWER_WITHIN;
use crate::footing::answer;
use crate::footing::answers;
use crate::footing::p99;
use crate::footing::resident;
use crate::rig::Bench;
use crate::rig::pause;
use crate::rig::stderr;
use crate::rig::until;

/// The most that it may cost a hub or a node that somebody stops.
const MOST_MEMORY: usize = 64 << 20;

/// Output of a task that nobody reads; more than all buffers of the system.
const OUTPUT: usize = 60_000_000;

/// How many stop of each kind.
const READERS: usize = 8;

/// A program that writes so many bytes.
fn writer(bytes: usize) -> String {
    format!("yes 0123456789abcde | head -c {bytes}")
}

/// Starts a task on the node `lab`; its id.
fn start(bench: &Bench, body: &Value) -> String {
    let answer = bench.api().post("/api/sessions/default/dispatch", None, body);
    answer.expect("the hub answers").json()["id"].as_str().expect("an id").to_owned()
}

/// Asks for events of a task's output, and reads none of them.
fn sse(bench: &Bench, task: &str) -> TcpStream {
    let api = bench.api();
    let mut socket = TcpStream::connect(&api.address).expect("the hub listens");
    let head = format!(
        "GET /api/tasks/{task}/output HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Accept: text/event-stream\r\n\r\n",
        api.address, api.token
    );
    socket.write_all(head.as_bytes()).expect("the hub listens");
    socket
}

/// Joins a terminal over a WebSocket, and reads nothing of it.
fn web_socket(bench: &Bench, task: &str) -> TcpStream {
    let api = bench.api();
    let url = format!("ws://{}/api/tasks/{task}/terminal?mode=watch&offset=0", api.address);
    let mut request = url.into_client_request().expect("a request");
    let bearer = format!("Bearer {}", api.token).parse().expect("a header");
    request.headers_mut().insert("authorization", bearer);
    let protocol = "cortex.v1".parse().expect("a header");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let socket = TcpStream::connect(&api.address).expect("the hub listens");
    let kept = socket.try_clone().expect("a socket");
    tungstenite::client(request, socket).expect("a WebSocket");
    kept
}

/// Whether the hub still has its end of a connection.
fn is_kept(bench: &Bench, socket: &TcpStream) -> bool {
    const ESTABLISHED: &str = "01";
    let port = |address: &str| {
        let (_, port) = address.rsplit_once(':')?;
        port.parse::<u16>().ok()
    };
    let hub = port(bench.http()).expect("a port");
    let own = socket.local_addr().expect("a socket").port();
    let [hub, own] = [hub, own].map(|port| format!(":{port:04X}"));
    let table = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let is_it = fields.next().is_some_and(|local| local.ends_with(&hub))
            && fields.next().is_some_and(|remote| remote.ends_with(&own));
        is_it && fields.next() == Some(ESTABLISHED)
    })
}

fn until_dropped(bench: &Bench, what: &str, sockets: &[TcpStream]) {
    let begin = Instant::now();
    until(&format!("{what} are dropped"), || {
        (!sockets.iter().any(|socket| is_kept(bench, socket))).then_some(())
    });
    println!("{} {what} are dropped, after {:.1?}", sockets.len(), begin.elapsed());
}

/// How many bytes of a task's output have come to the hub.
fn arrived(bench: &Bench, task: &str) -> usize {
    let task = bench.api().get(&format!("/api/tasks/{task}")).expect("the hub answers").json();
    let count = task["output"]["stdout_bytes"].as_u64().unwrap_or_default();
    usize::try_from(count).expect("so many")
}

#[test]
fn row_54_clients_that_stop_reading_are_dropped_and_others_get_all() {
    let mut bench = Bench::start(&[]);
    bench.hub().kill();
    assert!(bench.serve_with(&[], &[("CORTEX_HUB_LIMITS__STALLED_READER_S", "3")]));
    let _node = bench.node("lab");
    answers(&bench.api(), 30);
    let base = resident(bench.hub());
    let line = format!("echo ready; read go; {}", writer(OUTPUT));
    let plain = json!({ "argv": ["sh", "-c", line], "node": "lab", "open_stdin": true });
    let shown = json!({ "argv": ["sh", "-c", line], "node": "lab",
        "terminal": { "cols": 80, "rows": 24 } });
    let (plain, shown) = (start(&bench, &plain), start(&bench, &shown));
    until("both are ready", || {
        (arrived(&bench, &plain) > 0 && arrived(&bench, &shown) > 0).then_some(())
    });
    let events: Vec<_> = (0..READERS).map(|_| sse(&bench, &plain)).collect();
    let sockets: Vec<_> = (0..READERS).map(|_| web_socket(&bench, &shown)).collect();
    let mut honest = bench.cli(&["task", "follow", &plain]);
    let honest = honest.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a reader");
    for task in [&plain, &shown] {
        let path = format!("/api/tasks/{task}/input");
        let put = bench.api().put_in(&path, b"go\n").expect("the hub answers");
        assert_eq!(put.status, 204);
    }
    let honest = honest.wait_with_output().expect("it ends");
    assert_eq!(honest.stdout.len(), "ready\n".len() + OUTPUT, "{}", stderr(&honest));
    assert_eq!(bench.finish(&shown)["state"], "succeeded");
    until_dropped(&bench, "readers of events", &events);
    until_dropped(&bench, "readers of a terminal", &sockets);
    let more = resident(bench.hub()).saturating_sub(base);
    println!("memory of the hub: {} KiB more", more >> 10);
    assert!(more <= MOST_MEMORY, "{more} bytes more than {base}");
}

#[test]
fn row_54_what_goes_to_a_node_that_stops_reading_is_bounded_and_other_nodes_work() {
    let mut bench = Bench::start(&[]);
    let (stuck, _node) = (bench.node("stuck"), bench.node("lab"));
    let body = json!({ "argv": ["cat"], "node": "stuck", "open_stdin": true });
    let task = start(&bench, &body);
    until("it runs", || (bench.json(&["task", "show", &task])["state"] == "running").then_some(()));
    let before = answers(&bench.api(), 30);
    let base = resident(bench.hub());
    stuck.signal(Signal::STOP);
    // Input for the one task, until the hub has enough of it, and tasks behind it.
    let input = vec![b'x'; 512 << 10];
    let path = format!("/api/tasks/{task}/input");
    let api = bench.api();
    let (refused, mut times) = std::thread::scope(|scope| {
        let putting = scope.spawn(|| {
            (0..64)
                .map(|_| api.put_in(&path, &input).expect("the hub answers"))
                .find(|answer| answer.status != 204)
        });
        let argv = vec!["x".repeat(100_000)];
        let waiting = json!({ "argv": argv, "node": "stuck", "queue": true });
        for _ in 0..200 {
            start(&bench, &waiting);
        }
        let mut times = Vec::new();
        while !putting.is_finished() || times.len() < 30 {
            times.push(answer(&api));
        }
        (putting.join().expect("it ends"), times)
    });
    times.sort_unstable();
    let refused = refused.expect("not everything is taken");
    let code = refused.json()["code"].clone();
    println!(
        "refused with {code}; {:.0?} before, {:.0?} meanwhile (p99)",
        p99(&before),
        p99(&times)
    );
    bench.until_status("stuck", "offline");
    let more = resident(bench.hub()).saturating_sub(base);
    println!("memory of the hub: {} KiB more", more >> 10);
    assert!(more <= MOST_MEMORY, "{more} bytes more than {base}");
    assert!(p99(&times) < ANSWER_WITHIN, "{times:?}");
    // With its reason; and none of it has broken the node.
    assert_eq!(bench.finish(&task)["state"], "interrupted");
    let log = bench.read("hub.log");
    assert!(log.contains("no heartbeat came for too long"), "{log}");
    stuck.signal(Signal::CONT);
    bench.until_status("stuck", "online");
}

#[test]
fn row_33_output_for_a_hub_that_hangs_waits_in_the_program_and_what_is_cut_is_said() {
    let mut bench = Bench::start(&[]);
    let node = bench.node("lab");
    answers(&bench.api(), 30);
    let bases = [resident(&node), resident(bench.hub())];
    let body =
        json!({ "argv": ["yes", "0123456789abcde"], "node": "lab", "output_bytes": 4 << 20 });
    let task = start(&bench, &body);
    until("it writes", || (arrived(&bench, &task) > 0).then_some(()));
    let mut most = [0; 2];
    let mut look = |bench: &mut Bench| {
        let now = [resident(&node), resident(bench.hub())];
        for (most, now) in most.iter_mut().zip(now) {
            *most = now.max(*most);
        }
    };
    // Not for so long that it would be lost.
    bench.hub().signal(Signal::STOP);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(8) {
        look(&mut bench);
        pause();
    }
    bench.hub().signal(Signal::CONT);
    let before = arrived(&bench, &task);
    until("the rest is under way", || {
        look(&mut bench);
        (arrived(&bench, &task) > before + OUTPUT).then_some(())
    });
    bench.json(&["task", "cancel", &task]);
    assert_eq!(bench.finish(&task)["state"], "cancelled");
    let [of_node, of_hub] = [most[0].saturating_sub(bases[0]), most[1].saturating_sub(bases[1])];
    println!("memory: {} KiB more on the node, {} KiB on the hub", of_node >> 10, of_hub >> 10);
    assert!(of_node <= MOST_MEMORY && of_hub <= MOST_MEMORY, "{most:?}, {bases:?} before");
    // Both ends are there, and what is between them is told.
    let logs = bench.run(&["task", "logs", &task]);
    assert!(stderr(&logs).contains("of stdout left out"), "{}", stderr(&logs));
    assert!(logs.stdout.len() < 5 << 20 && logs.stdout.starts_with(b"0123456789abcde\n"));
}
