//! What an earlier run of the node left behind: processes to end, attempts to report.

use cortex_core::receipt::Output;
use cortex_core::task::Outcome;

use crate::skills::shell::group;

use super::journal::Entry;

/// Kills the process group of an attempt that ran when the node died, if it is still there.
pub(super) fn end(entry: &Entry) {
    let Some(started) = entry.started.filter(|_| entry.ended.is_none()) else { return };
    let is_same_boot = boot_id().is_some_and(|boot| boot == started.boot);
    let Ok(leader) = i32::try_from(started.pid) else { return };
    if started.pid == 0 || !is_same_boot {
        return;
    }
    let is_other = group::start_of(started.pid).is_some_and(|found| found != started.at);
    if is_other {
        // The id went to a process that is none of ours.
        return;
    }
    let members = group::members(leader);
    if !members.is_empty() {
        tracing::warn!(leader, count = members.len(), "ending processes of an earlier run");
        group::kill(leader, &members);
    }
}

/// How such an attempt is reported, and what is still known of its output.
pub(super) fn outcome(entry: &Entry) -> (Outcome, Output) {
    let outcome = match &entry.ended {
        // Nothing but the end was to be told, so nothing is lost.
        Some(ended) if !ended.had_output => return (ended.outcome.clone(), Output::none()),
        Some(ended) => Outcome::Interrupted {
            reason: format!(
                "node was restarted before all output was delivered; the task itself {}",
                ended.outcome.summary()
            ),
        },
        None => Outcome::Interrupted { reason: "node was restarted while the task ran".to_owned() },
    };
    (outcome, Output::Forgotten)
}

/// What the system calls its current run; process ids mean nothing across two of them.
pub(super) fn boot_id() -> Option<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    uuid::Uuid::try_parse(text.trim()).ok().map(uuid::Uuid::into_bytes)
}
