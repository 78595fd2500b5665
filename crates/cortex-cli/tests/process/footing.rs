//! What a process takes from the machine, and how soon a node answers meanwhile.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use crate::http::Api;
use crate::rig::Running;
use crate::rig::pause;

/// A node answers so soon, whatever happens: 99 times of 100.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Bytes that a process has in memory.
pub(crate) fn resident(process: &Running) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()));
    let status = status.expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    kib << 10
}

/// The most that a process has in memory until `over`.
pub(crate) fn most_resident(process: &Running, over: &AtomicBool) -> usize {
    let mut most = resident(process);
    while !over.load(Ordering::Relaxed) {
        most = most.max(resident(process));
        pause();
    }
    most
}

/// How long the node `lab` takes for a task for which nothing has to be started.
pub(crate) fn answer(api: &Api) -> Duration {
    let begin = Instant::now();
    let body = json!({ "argv": ["no-such-program"], "node": "lab" });
    let answer = api.post("/api/sessions/default/dispatch?wait=30", None, &body);
    let answer = answer.expect("the hub answers");
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("failed")));
    begin.elapsed()
}

/// The same so many times, the shortest first.
pub(crate) fn answers(api: &Api, count: usize) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..count).map(|_| answer(api)).collect();
    times.sort_unstable();
    times
}

/// What 99 of 100 were within.
pub(crate) fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}
