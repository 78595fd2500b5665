//! All processes of one attempt, wherever they went, and their end.
//!
//! A process belongs to the family if it carries the attempt's [`Mark`], is in the group or session
//! of its main process or of another member, or descends from one. Only what clears its environment
//! *and* outlives all its relatives in a session of its own gets lost.
//!
//! To end a family that grows meanwhile, its members are frozen first, and looked for until there
//! are no new ones: what is frozen has no children. Then all of them get KILL.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use rustix::process::Pid;
use rustix::process::Signal;

use super::group;
use super::group::Process;
use super::group::Seen;
use super::mark::Mark;

/// How often new members are looked for, at most: each time only the children are new that were
/// made within one look.
const MOST_LOOKS: usize = 100;

/// The processes of one attempt.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// The main process, which leads its group; none where nobody knows it any more.
    pub leader: Option<i32>,
    /// What all of them carry.
    pub mark: Mark,
}

/// The processes of this machine at one time.
#[derive(Debug, Default)]
pub struct Census {
    all: BTreeMap<i32, Seen>,
    marks: BTreeMap<i32, Mark>,
}

impl Census {
    /// Looks at all processes, without this one.
    #[must_use]
    pub fn take() -> Self {
        let mut all = group::look_at_all();
        all.retain(|pid, _| u32::try_from(*pid) != Ok(std::process::id()));
        let mark = |pid: &i32| {
            // What belongs to somebody else, or has just ended, shows nothing.
            let variables = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
            Some((*pid, Mark::read(&variables)?))
        };
        let marks = all.keys().filter_map(mark).collect();
        Self { all, marks }
    }

    fn process(&self, pid: i32) -> Option<Process> {
        self.all.get(&pid).map(|seen| Process { pid, started: seen.started })
    }
}

impl Family {
    /// Who belongs to it in `census`; `known` did at another time.
    #[must_use]
    pub fn members(&self, census: &Census, known: &BTreeSet<Process>) -> BTreeSet<Process> {
        let begins = |pid: &i32| {
            Some(*pid) == self.leader
                || census.marks.get(pid) == Some(&self.mark)
                || census.process(*pid).is_some_and(|process| known.contains(&process))
        };
        let mut found: BTreeSet<i32> = census.all.keys().copied().filter(begins).collect();
        loop {
            let belongs = |seen: &Seen| {
                let of = |leader: i32| found.contains(&leader) || Some(leader) == self.leader;
                found.contains(&seen.parent) || of(seen.group) || of(seen.session)
            };
            let all = census.all.iter().filter(|(pid, _)| !found.contains(pid));
            let more: Vec<i32> =
                all.filter(|(_, seen)| belongs(seen)).map(|(pid, _)| *pid).collect();
            if more.is_empty() {
                return found.iter().filter_map(|pid| census.process(*pid)).collect();
            }
            found.extend(more);
        }
    }

    /// Ends all of it, also while it grows, and says who belonged to it. Takes as long as it takes
    /// to look at all processes a few times.
    pub fn end(&self, known: &BTreeSet<Process>) -> BTreeSet<Process> {
        let mut members = known.clone();
        if let Some(leader) = self.leader.and_then(Pid::from_raw) {
            // The group is reached as a whole, whatever it does. An error means that it is gone.
            let _ = rustix::process::kill_process_group(leader, Signal::STOP);
        }
        for _ in 0..MOST_LOOKS {
            let found = self.members(&Census::take(), &members);
            let fresh: BTreeSet<Process> = found.difference(&members).copied().collect();
            send(&found, Signal::STOP);
            members.extend(&fresh);
            if fresh.is_empty() {
                break;
            }
        }
        if let Some(leader) = self.leader.and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
        send(&members, Signal::KILL);
        members
    }
}

/// Sends to those that are still the same processes.
fn send(to: &BTreeSet<Process>, signal: Signal) {
    for process in to.iter().filter(|process| group::is_alive(**process)) {
        if let Some(pid) = Pid::from_raw(process.pid) {
            // An error means that it has just ended.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::id::TaskId;

    use super::*;

    const MARK: Mark = Mark { task: TaskId::from_bytes([1; 16]), attempt: 1 };

    /// Processes as `(pid, parent, group, session)`, and those with the mark.
    fn census(all: &[(i32, i32, i32, i32)], marked: &[i32]) -> Census {
        let seen =
            |&(pid, parent, group, session)| (pid, Seen { parent, group, session, started: 5 });
        let marks = marked.iter().map(|pid| (*pid, MARK)).collect();
        Census { all: all.iter().map(seen).collect(), marks }
    }

    fn pids(family: Family, census: &Census, known: &[i32]) -> Vec<i32> {
        let known = known.iter().map(|pid| Process { pid: *pid, started: 5 }).collect();
        family.members(census, &known).into_iter().map(|process| process.pid).collect()
    }

    #[test]
    fn relatives_of_every_kind_belong_to_it_and_nobody_else() {
        let family = Family { leader: Some(10), mark: MARK };
        let all = [
            (1, 0, 1, 1),
            (9, 1, 9, 9),
            // The main process, a child, one in its group whose parent is gone.
            (10, 9, 10, 9),
            (11, 10, 10, 9),
            (12, 1, 10, 9),
            // A child that moved into the node's group, and one with a session and a child there.
            (13, 11, 9, 9),
            (14, 11, 14, 14),
            (15, 1, 14, 14),
            // Left everything, but carries the mark; its child does not.
            (16, 1, 16, 16),
            (17, 16, 17, 17),
            // Another task of the node.
            (20, 9, 20, 9),
            (21, 20, 20, 9),
        ];
        let expected = [10, 11, 12, 13, 14, 15, 16, 17];
        assert_eq!(pids(family, &census(&all, &[10, 16]), &[]), expected);
        let gone: Vec<_> = all.into_iter().filter(|(pid, ..)| *pid != 10 && *pid != 16).collect();
        // Its group lives on without its leader; what was known stays known.
        assert_eq!(pids(family, &census(&gone, &[]), &[17]), [11, 12, 13, 14, 15, 17]);
    }

    #[test]
    fn without_a_leader_the_mark_is_enough() {
        let family = Family { leader: None, mark: MARK };
        let all = [(1, 0, 1, 1), (10, 1, 10, 9), (11, 10, 10, 9), (20, 1, 20, 9)];
        assert_eq!(pids(family, &census(&all, &[11]), &[]), [11]);
        assert_eq!(pids(family, &census(&all, &[10]), &[]), [10, 11]);
        // An id that came again is another process.
        let other = BTreeSet::from([Process { pid: 20, started: 4 }]);
        assert!(family.members(&census(&all, &[]), &other).is_empty());
    }
}
