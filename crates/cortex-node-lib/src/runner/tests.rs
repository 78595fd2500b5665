//! What an earlier run left behind.

use std::os::unix::process::CommandExt as _;
use std::process::Child;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use cortex_core::digest::Digest;
use cortex_core::id::SessionId;
use cortex_core::receipt::Output;
use cortex_core::task::Outcome;

use crate::skills::shell::group;

use super::journal::Entry;
use super::leftover;
use super::witness::Mandate;

fn entry() -> Entry {
    let (session, envelope) = (SessionId::from_bytes([7; 16]), Digest::of(b""));
    let mandate = Mandate { session, envelope };
    Entry { epoch: 1, sequence: 1, mandate, started: None, ended: None }
}

/// A group of two processes, as a dead node would leave it.
fn left_behind() -> (Child, Entry) {
    let child =
        Command::new("sh").args(["-c", "sleep 600 & wait"]).process_group(0).spawn().unwrap();
    let at = group::start_of(child.id()).unwrap();
    let entry = entry().with_process(child.id(), at, leftover::boot_id().unwrap());
    (child, entry)
}

#[test]
fn processes_of_an_earlier_run_are_ended() {
    let (mut child, entry) = left_behind();
    leftover::end(&entry);
    assert!(!child.wait().unwrap().success());
    let (leader, limit) = (i32::try_from(child.id()).unwrap(), Duration::from_secs(10));
    let asked = Instant::now();
    while !group::members(leader).is_empty() {
        assert!(asked.elapsed() < limit, "the other process is still there");
        std::thread::yield_now();
    }
}

#[test]
fn a_process_that_only_has_the_id_is_spared() {
    let (mut child, entry) = left_behind();
    let started = entry.started.unwrap();
    let other_start = entry.clone().with_process(started.pid, started.at + 1, started.boot);
    let other_boot = entry.clone().with_process(started.pid, started.at, [0; 16]);
    for spared in [other_start, other_boot, self::entry()] {
        leftover::end(&spared);
        assert_eq!(child.try_wait().unwrap(), None, "{spared:?}");
    }
    leftover::end(&entry);
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
