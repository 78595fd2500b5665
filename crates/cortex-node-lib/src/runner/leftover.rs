//! What an earlier run of the node left behind: processes to end, attempts to report.

use std::collections::BTreeSet;

use cortex_core::receipt::Output;
use cortex_core::task::Outcome;

use crate::skills::shell::family::Census;
use crate::skills::shell::family::Family;
use crate::skills::shell::group;
use crate::skills::shell::mark::Mark;

use super::journal::Entry;
use super::journal::Recovered;

/// Kills what is left of the processes of attempts that ran when the node died.
pub(super) fn end(recovered: &[Recovered]) {
    let open = recovered.iter().filter(|one| one.entry.ended.is_none());
    let families: Vec<Family> = open.map(family_of).collect();
    if families.is_empty() {
        return;
    }
    let census = Census::take();
    for family in families {
        let members = family.members(&census, &BTreeSet::new());
        if !members.is_empty() {
            let task = family.mark.task;
            tracing::warn!(%task, count = members.len(), "ending processes of an earlier run");
            family.end(&members);
        }
    }
}

/// The family of an attempt; its leader is known only where that was noted, and is the same still.
fn family_of(recovered: &Recovered) -> Family {
    let Recovered { key, entry } = recovered;
    let started = entry.started.filter(|started| {
        let is_same_boot = boot_id().is_some_and(|boot| boot == started.boot);
        // Where the leader has ended, its group may live on; another process may have got its id.
        let is_other = group::start_of(started.pid).is_some_and(|found| found != started.at);
        started.pid != 0 && is_same_boot && !is_other
    });
    let leader = started.and_then(|started| i32::try_from(started.pid).ok());
    Family { leader, mark: Mark { task: key.task, attempt: key.attempt } }
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
