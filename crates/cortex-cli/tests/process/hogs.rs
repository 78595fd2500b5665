//! Programs that take all the memory or all the processors: the node answers, and goes on.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use crate::bombs::marked;
use crate::bombs::start;
use crate::bombs::until_gone;
use crate::footing::ANSWER_WITHIN;
use crate::footing::answers;
use crate::footing::p99;
use crate::rig::Bench;
use crate::rig::Running;
use crate::rig::pause;
use crate::rig::until;

/// What a node and all of its tasks may have in memory.
const MEMORY: usize = 384 << 20;

/// Takes memory until there is none.
const HOG: &str = "python3 -c 'all = []\nwhile True: all.append(b\"x\" * 10_000_000)'";

/// A group of processes with a limit of memory, as a service or a container has; root's to make.
struct Cgroup(PathBuf);

impl Cgroup {
    fn make() -> Self {
        let name = format!("cortex-test-{}", std::process::id());
        // Version 2, and version 1 where that has the memory.
        let second = Path::new("/sys/fs/cgroup").join(&name);
        let first = Path::new("/sys/fs/cgroup/memory").join(&name);
        let (path, limit) = match first.parent().is_some_and(Path::is_dir) {
            true => (first, "memory.limit_in_bytes"),
            false => (second, "memory.max"),
        };
        std::fs::create_dir(&path).expect("a group with a limit of memory needs root");
        let group = Self(path);
        std::fs::write(group.0.join(limit), MEMORY.to_string()).expect("a limit of memory");
        group
    }

    fn take_in(&self, process: &Running) {
        let file = self.0.join("cgroup.procs");
        std::fs::write(file, process.id().to_string()).expect("root may");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Those who were in it are gone, or about to be.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            pause();
        }
    }
}

#[test]
fn row_31_a_memory_hog_is_ended_and_its_node_is_not() {
    let group = Cgroup::make();
    let bench = Bench::start(&[]);
    let mut node = bench.node("lab");
    group.take_in(&node);
    let single = bench.finish(&start(&bench, &format!("exec {HOG}")));
    assert_eq!((&single["state"], &single["exit_code"]), (&"failed".into(), &137.into()));
    // One after the other, so that there is never enough.
    let task = start(&bench, &format!("while :; do {HOG}; done"));
    until("memory is short", || (marked(&task).len() > 1).then_some(()));
    let times = answers(&bench.api(), 50);
    bench.json(&["task", "cancel", &task]);
    until_gone("the hog", &task, &BTreeSet::new());
    assert_eq!(bench.finish(&task)["state"], "cancelled");
    assert!(!node.ends_within(std::time::Duration::ZERO), "{}", bench.read("lab.log"));
    println!("answers within {:.0?} (p99) beside a memory hog", p99(&times));
    assert!(p99(&times) < ANSWER_WITHIN, "{times:?}");
    drop(node);
    drop(group);
}

#[test]
fn row_31_spinning_programs_leave_the_node_at_work() {
    let bench = Bench::start(&[]);
    let _node = bench.node("lab");
    let task = start(&bench, "for n in 1 2 3 4 5 6 7 8; do while :; do :; done & done; wait");
    until("all of them spin", || (marked(&task).len() > 8).then_some(()));
    let score = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj"));
    assert!(marked(&task).iter().filter_map(|pid| score(pid).ok()).any(|score| score == "1000\n"));
    let times = answers(&bench.api(), 50);
    bench.json(&["task", "cancel", &task]);
    until_gone("what spins", &task, &BTreeSet::new());
    println!("answers within {:.0?} (p99) beside 8 spinning programs", p99(&times));
    assert!(p99(&times) < ANSWER_WITHIN, "{times:?}");
}
