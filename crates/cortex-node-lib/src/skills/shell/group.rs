//! Processes as `/proc` shows them, and signals to a group of them.
//!
//! On systems without it nothing is found, and signals reach the group all the same.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use rustix::process::Pid;
use rustix::process::Signal;

/// A process as `/proc` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// When it started, in clock ticks since the system did; tells processes of one id apart.
    pub(super) started: u64,
}

/// A process, told apart from later ones with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// When it started, in clock ticks since the system did.
    pub started: u64,
}

/// When a process started, in clock ticks since the system did; `None` where there is none.
#[must_use]
pub fn start_of(pid: u32) -> Option<u64> {
    look(i32::try_from(pid).ok()?).map(|seen| seen.started)
}

/// Whether a process that is not a zombie is still there.
#[must_use]
pub fn is_alive(process: Process) -> bool {
    look(process.pid).is_some_and(|seen| seen.started == process.started)
}

/// How much less of the processor tasks get than the node, where there is not enough for all.
const NICENESS: i32 = 10;

/// What is added to a task's processes when Linux looks for one to kill since memory ran out, in
/// thousandths of the machine: all of them go before anything that is not so marked.
const FIRST_TO_GO: &str = "1000";

/// Lets the node go first: whatever a task does, and however many processes it makes, the hub and
/// its cancel are heard. When memory runs out, tasks are ended and not the node.
pub(super) fn stand_back(leader: u32) {
    // An error means that the process has just ended, or that this system has no such thing.
    let _ = std::fs::write(format!("/proc/{leader}/oom_score_adj"), FIRST_TO_GO);
    let pid = leader.try_into().ok().and_then(Pid::from_raw);
    // Only a process that has just ended cannot be told, and one that is further back already.
    let _ = rustix::process::setpriority_process(pid, NICENESS);
}

/// Sends signals to a group and to members that left it, one after the other.
pub(super) fn ask(group: Option<i32>, members: &BTreeSet<Process>, signals: &[Signal]) {
    for signal in signals {
        send(group.unwrap_or_default(), members, *signal);
    }
}

fn send(group: i32, members: &BTreeSet<Process>, signal: Signal) {
    let Some(leader) = Pid::from_raw(group) else { return };
    // An error means that it is gone already.
    let _ = rustix::process::kill_process_group(leader, signal);
    for member in members {
        let strayed = look(member.pid)
            .is_some_and(|seen| seen.group != group && seen.started == member.started);
        if let Some(pid) = Pid::from_raw(member.pid).filter(|_| strayed) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// All processes that are no zombies.
pub(super) fn look_at_all() -> BTreeMap<i32, Seen> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| Some((pid, look(pid)?))).collect()
}

fn look(pid: i32) -> Option<Seen> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads a line of `/proc/<pid>/stat`; `None` for zombies.
fn parse(line: &str) -> Option<Seen> {
    // The name stands in parentheses and may hold anything, also parentheses and blanks.
    let (_, rest) = line.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let started = fields.nth(15)?.parse().ok()?;
    Some(Seen { parent, group, session, started })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_name() {
        let line = "42 (a) b (c)) S 7 41 40 0 -1 4194560 99 0 0 0 0 0 0 0 20 0 1 0 12345 1 2";
        assert_eq!(parse(line), Some(Seen { parent: 7, group: 41, session: 40, started: 12345 }));
        assert_eq!(parse(&line.replace(" S ", " Z ")), None);
        assert_eq!(parse("42 (a"), None);
    }

    #[test]
    fn this_process_is_found() {
        let own = std::process::id();
        let started = start_of(own).unwrap();
        let pid = i32::try_from(own).unwrap();
        assert!(is_alive(Process { pid, started }));
        assert!(!is_alive(Process { pid, started: started + 1 }));
    }
}
