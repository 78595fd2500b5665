//! Floods of frames and of half-open connections at the node port: the hub ends them, its memory
//! stays, and its nodes are served meanwhile.
#![expect(clippy::print_stdout, reason = "tells how fast it was whoever wants to know")]

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use crate::footing::ANSWER_WITHIN;
use crate::footing::answer;
use crate::footing::answers;
use crate::footing::most_resident;
use crate::footing::p99;
use crate::footing::resident;
use crate::rig::Bench;
use crate::rig::Running;
use crate::rig::pause;
use crate::wire;
use crate::wire::Gate;
use crate::wire::Wire;
use crate::wire::call;
use crate::wire::frame;

/// The most that a flood may add to the hub's memory.
const MOST_MEMORY: usize = 32 << 20;

/// A flood that the hub has not ended by then goes on for ever.
const ENDED_WITHIN: Duration = Duration::from_secs(45);

/// Frames that are sent in one go.
const AT_ONCE: u32 = 64;

/// Connections that are about to begin a handshake.
const STALLING: usize = 1_000;

/// How long they take part, a byte a second each.
const STALLING_FOR: Duration = Duration::from_secs(15);

/// A new connection that wants to be served waits no longer, however many stall.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);

/// A call that anybody may make, and that waits for its message.
const PATH: &str = "/cortex.v1.TokenService/RequestChallenge";

/// What somebody floods the hub with.
struct Flood {
    name: &'static str,
    first: fn() -> Vec<u8>,
    /// Frames as they follow each other, counted from 0.
    next: fn(u32) -> Vec<u8>,
}

/// Each is ended by the hub with a word.
const FLOODS: [Flood; 4] = [
    Flood {
        name: "streams that are reset as soon as they are open",
        first: Vec::new,
        next: |count| {
            let stream = 2 * count + 1;
            let flags = wire::END_HEADERS | wire::END_STREAM;
            let open = frame(wire::HEADERS, flags, stream, &call(PATH));
            [open, frame(wire::RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        },
    },
    Flood {
        name: "streams that the hub itself has to reset",
        first: Vec::new,
        next: |count| {
            let stream = 2 * count + 1;
            let open = frame(wire::HEADERS, wire::END_HEADERS, stream, &call(PATH));
            // More than a window may have, for one stream alone.
            let more = i32::MAX.to_be_bytes();
            [open, frame(wire::WINDOW_UPDATE, 0, stream, &more)].concat()
        },
    },
    Flood {
        name: "headers that never end",
        first: || frame(wire::HEADERS, 0, 1, &call(PATH)),
        next: |_| frame(wire::CONTINUATION, 0, 1, b"\x00\x01x\x04more"),
    },
    Flood {
        name: "a message in pieces of nothing",
        first: || frame(wire::HEADERS, wire::END_HEADERS, 1, &call(PATH)),
        next: |_| frame(wire::DATA, 0, 1, &[]),
    },
];

fn ping(_: u32) -> Vec<u8> {
    frame(wire::PING, 0, 0, b"flooding")
}

fn some(next: fn(u32) -> Vec<u8>, begin: u32) -> Vec<u8> {
    (begin..begin + AT_ONCE).flat_map(next).collect()
}

/// Sends frames until the hub has enough of it; how many it took, at most.
fn flood(wire: &mut Wire, flood: &Flood) -> u32 {
    let begin = Instant::now();
    let mut count = 0;
    let mut is_over = wire.send(&(flood.first)()).is_err();
    while !is_over {
        assert!(begin.elapsed() < ENDED_WITHIN, "{}: {count} are not enough", flood.name);
        is_over = wire.send(&some(flood.next, count)).is_err();
        count += AT_ONCE;
    }
    // What the hub said before may still be on its way.
    while wire.take().unwrap_or_default() {}
    assert!(wire.is_dismissed, "{}: ended after {count} without a word", flood.name);
    count
}

/// Does something to a hub; what nodes and memory make of it meanwhile is within bounds.
fn beside(bench: &mut Bench, name: &str, act: impl FnOnce() -> String) {
    let api = bench.api();
    let before = p99(&answers(&api, 30));
    let hub: &Running = bench.hub();
    let base = resident(hub);
    let over = AtomicBool::new(false);
    let (told, mut times, most) = std::thread::scope(|scope| {
        let honest = scope.spawn(|| {
            let mut times = Vec::new();
            while times.len() < 30 || !over.load(Ordering::Relaxed) {
                times.push(answer(&api));
            }
            times
        });
        let watching = scope.spawn(|| most_resident(hub, &over));
        let ending = EndOnDrop(&over);
        let told = act();
        drop(ending);
        (told, honest.join().expect("honest"), watching.join().expect("watching"))
    });
    times.sort_unstable();
    let (during, more) = (p99(&times), most.saturating_sub(base));
    println!("{name}: {told}; answers within {before:.0?} before, {during:.0?} meanwhile (p99)");
    println!("    memory of the hub: {} KiB more", more >> 10);
    assert!(more <= MOST_MEMORY, "{name}: {more} bytes more than {base}");
    assert!(during < ANSWER_WITHIN, "{name}: {during:?}, {before:?} before");
}

/// Ends those who watch also where the test fails.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn row_53_floods_of_frames_are_ended_with_a_word() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let gate = Gate::of(&bench);
    for one in &FLOODS {
        beside(&mut bench, one.name, || {
            let begin = Instant::now();
            let count = flood(&mut gate.open(), one);
            format!("dismissed after {count} at most, {:.0?}", begin.elapsed())
        });
    }
}

#[test]
fn row_53_pings_are_answered_and_who_takes_no_answer_is_cut_off() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let gate = Gate::of(&bench);
    beside(&mut bench, "pings", || {
        let (begin, mut wire, mut count) = (Instant::now(), gate.open(), 0_u32);
        while begin.elapsed() < Duration::from_secs(3) && wire.send(&some(ping, 0)).is_ok() {
            count += AT_ONCE;
        }
        format!("{count} in {:.0?}", begin.elapsed())
    });
    beside(&mut bench, "pings whose answers nobody takes", || {
        let (begin, mut wire) = (Instant::now(), gate.open());
        while wire.push(&some(ping, 0)).is_ok() {
            assert!(begin.elapsed() < ENDED_WITHIN, "the hub still waits");
        }
        format!("cut off after {:.0?}", begin.elapsed())
    });
}

#[test]
fn row_53_a_thousand_handshakes_of_a_byte_a_second_keep_nobody_out() {
    let mut bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let gate = Gate::of(&bench);
    beside(&mut bench, "slow handshakes", || {
        let hello = gate.hello();
        let connect = |_| gate.connect().expect("the system takes connections");
        let mut stalling: Vec<Option<TcpStream>> = (0..STALLING).map(connect).map(Some).collect();
        let (begin, mut longest) = (Instant::now(), Duration::ZERO);
        for byte in &hello {
            for slot in &mut stalling {
                if slot.as_mut().is_some_and(|socket| socket.write_all(&[*byte]).is_err()) {
                    *slot = None;
                }
            }
            let honest = Instant::now();
            drop(gate.open());
            longest = longest.max(honest.elapsed());
            if begin.elapsed() > STALLING_FOR {
                break;
            }
            let next = Instant::now() + Duration::from_secs(1);
            while Instant::now() < next {
                pause();
            }
        }
        let left = stalling.iter().flatten().count();
        assert_eq!(left, 0, "after {:?} so many are not given up", begin.elapsed());
        assert!(longest < CONNECTED_WITHIN, "a good connection took {longest:?}");
        format!("all were given up; a good one took {longest:.0?} at most")
    });
}
