//! A log told once more, from its first entry to its last.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::receipt;
use cortex_core::receipt::Signed;
use cortex_core::session::Happening;
use cortex_core::task::OutputTotals;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;

use super::Finding;
use super::Log;

/// What a log makes of its tasks.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// The tasks as they stand at the log's end.
    pub(super) tasks: BTreeMap<TaskId, Life>,
    pub(super) findings: Vec<Finding>,
}

/// A task as its log tells it.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) task: Task,
    /// How many ends it has; entries that do not fit counted too.
    pub(super) ends: usize,
    /// Attempts that nodes were given.
    pub(super) given: BTreeSet<u32>,
    /// Attempts that were taken back, since they never left the hub.
    pub(super) returned: BTreeSet<u32>,
    /// Attempts that came to nothing, each of which may be followed by another one.
    pub(super) retried: BTreeSet<u32>,
    /// Where the output of each further attempt begins.
    pub(super) begins: Vec<OutputTotals>,
    pub(super) receipt: Option<Arc<Signed>>,
}

impl Replay {
    /// Tells a session's log.
    pub(super) fn tell(&mut self, session: SessionId, log: &Log) {
        let mut last = 0;
        let mut chain = receipt::chain_of(session);
        for entry in &log.entries {
            let seq = entry.seq.0;
            if seq != last + 1 {
                self.findings.push(Finding::Sequence { session, after: last, found: seq });
            }
            last = seq;
            let Happening::Task { task: id, event, .. } = &entry.what else { continue };
            if let TaskEvent::Submitted { by, spec } = event {
                let task = Task::submitted(*id, session, *by, Arc::clone(spec), entry.at);
                if self.tasks.insert(*id, Life::of(task)).is_some() {
                    self.findings.push(Finding::Resubmitted(*id, seq));
                }
                continue;
            }
            let Some(life) = self.tasks.get_mut(id) else {
                self.findings.push(Finding::Unsubmitted(*id, seq));
                continue;
            };
            if let Err(error) = life.task.apply(event, entry.at) {
                self.findings.push(Finding::Misfit { task: *id, seq, error });
            }
            life.note(event);
            if let TaskEvent::Ended { receipt: Some(signed), .. } = event {
                chain = signed.extend(chain);
            }
        }
        if chain != log.receipts {
            self.findings.push(Finding::Chain(session));
        }
    }
}

impl Life {
    fn of(task: Task) -> Self {
        let (given, returned, retried) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { task, ends: 0, given, returned, retried, begins: Vec::new(), receipt: None }
    }

    fn note(&mut self, event: &TaskEvent) {
        match event {
            TaskEvent::Assigned { attempt, .. } => {
                self.given.insert(*attempt);
            }
            TaskEvent::Returned { attempt, .. } => {
                self.returned.insert(*attempt);
            }
            TaskEvent::Retried { attempt, .. } => {
                self.retried.insert(*attempt);
                self.begins.push(self.task.output);
            }
            TaskEvent::Ended { receipt, .. } => {
                self.ends += 1;
                self.receipt.clone_from(receipt);
            }
            _ => {}
        }
    }
}
