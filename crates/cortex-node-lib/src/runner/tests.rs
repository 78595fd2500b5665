//! What an earlier run left behind.

use std::io::BufRead as _;
use std::io::BufReader;
use std::os::unix::process::CommandExt as _;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use cortex_core::digest::Digest;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::receipt::Output;
use cortex_core::task::Outcome;

use crate::skills::shell::group;
use crate::skills::shell::group::Process;
use crate::uplink::AttemptKey;

use super::journal::Entry;
use super::journal::Recovered;
use super::leftover;
use super::witness::Mandate;

fn entry() -> Entry {
    let (session, envelope) = (SessionId::from_bytes([7; 16]), Digest::of(b""));
    let mandate = Mandate { session, envelope };
    Entry { epoch: 1, sequence: 1, mandate, started: None, ended: None }
}

/// A group of two processes, as a dead node would leave it.
fn left_behind() -> (Child, Entry) {
    let child = Command::new("sh")
        .args(["-c", "sleep 600 & echo $!; wait"])
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let at = group::start_of(child.id()).unwrap();
    let entry = entry().with_process(child.id(), at, leftover::boot_id().unwrap());
    (child, entry)
}

fn end(entry: &Entry) {
    let key = AttemptKey { task: TaskId::from_bytes([8; 16]), attempt: 2 };
    leftover::end(&[Recovered { key, entry: entry.clone() }]);
}

#[track_caller]
fn assert_ends(process: Process) {
    let (asked, limit) = (Instant::now(), Duration::from_secs(10));
    while group::is_alive(process) {
        assert!(asked.elapsed() < limit, "it is still there");
        std::thread::yield_now();
    }
}

#[test]
fn processes_of_an_earlier_run_are_ended() {
    let (mut child, entry) = left_behind();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let other: u32 = line.trim().parse().unwrap();
    let started = group::start_of(other).unwrap();
    end(&entry);
    assert!(!child.wait().unwrap().success());
    assert_ends(Process { pid: other.cast_signed(), started });
}

#[test]
fn a_process_that_nobody_could_note_is_found_by_its_mark() {
    let mut child = Command::new("sleep")
        .arg("600")
        .env("CORTEX_TASK", TaskId::from_bytes([8; 16]).to_string())
        .env("CORTEX_ATTEMPT", "2")
        .spawn()
        .unwrap();
    end(&entry());
    assert!(!child.wait().unwrap().success());
}

#[test]
fn a_process_that_only_has_the_id_is_spared() {
    let (mut child, entry) = left_behind();
    let started = entry.started.unwrap();
    let other_start = entry.clone().with_process(started.pid, started.at + 1, started.boot);
    let other_boot = entry.clone().with_process(started.pid, started.at, [0; 16]);
    for spared in [other_start, other_boot, self::entry()] {
        end(&spared);
        assert_eq!(child.try_wait().unwrap(), None, "{spared:?}");
    }
    end(&entry);
    child.wait().unwrap();
}

#[test]
fn what_had_ended_is_told_only_where_nothing_is_lost() {
    let exited = Outcome::Exited { code: 0 };
    let silent = entry().with_end(exited.clone(), false);
    assert_eq!(leftover::outcome(&silent), (exited.clone(), Output::none()));
    let (outcome, output) = leftover::outcome(&entry().with_end(exited, true));
    assert!(
        matches!(&outcome, Outcome::Interrupted { reason } if reason.contains("exited with 0"))
    );
    assert_eq!(output, Output::Forgotten);
    let (outcome, _) = leftover::outcome(&entry());
    let expected = "node was restarted while the task ran".to_owned();
    assert_eq!(outcome, Outcome::Interrupted { reason: expected });
}
