//! What a node reports becomes entries of logs; what is stored is acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cortex_core::ErrorKind;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::receipt;
use cortex_core::receipt::EndingKind;
use cortex_core::receipt::Fault;
use cortex_core::receipt::Output;
use cortex_core::report::Ack;
use cortex_core::report::News;
use cortex_core::report::Report;
use cortex_core::session::Happening;
use cortex_core::task::Excess;
use cortex_core::task::FileFault;
use cortex_core::task::MAX_PUBLISHED_BYTES;
use cortex_core::task::Outcome;
use cortex_core::task::OutputCap;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use cortex_core::task::TransitionError;
use cortex_core::timestamp::Timestamp;

use super::Dispatch;
use super::files::parts;
use crate::clock;
use crate::feed::MOST_AHEAD;
use crate::link::Link;

/// After so many signatures, others get a turn: one takes some 40 µs.
const VERIFIED_AT_ONCE: usize = 8;

/// The rule by which a node refuses what it did not begin before it left.
const NODE_LEAVING: &str = "NODE_LEAVING";

/// What a batch of reports comes to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decision {
    /// What is to be appended, by session.
    pub(super) append: BTreeMap<SessionId, Vec<Happening>>,
    /// What may be acknowledged once all that is stored: the highest sequence of each attempt.
    pub(super) acks: BTreeMap<(TaskId, u32), u64>,
    /// Attempts that run on the node though they should not.
    pub(super) stray: Vec<(TaskId, u32)>,
    /// Reports that were stored before.
    pub(super) repeated: u64,
    /// The node broke the protocol: what it did. Nothing after it is taken.
    pub(super) fault: Option<String>,
}

/// Decides what a node's reports come to; `find` knows the tasks that have not ended.
///
/// Reports that say what is stored already are acknowledged again, so that a node may repeat
/// itself after each loss; a gap in the output is a fault, since it can never be closed, and so is a
/// receipt that states something else than what came before it.
pub(super) fn decide(
    (hub, node): (HubId, NodeId),
    reports: Vec<Report>,
    find: impl Fn(TaskId) -> Option<Arc<Task>>,
    cap: OutputCap,
    now: Timestamp,
) -> Decision {
    let mut decision = Decision::default();
    let mut tasks: BTreeMap<TaskId, Option<Task>> = BTreeMap::new();
    for report in reports {
        let Report { task: id, attempt, sequence, news } = report;
        let task = tasks
            .entry(id)
            .or_insert_with(|| find(id).map(|task| Task::clone(&task)))
            .as_mut()
            .filter(|task| task.node == Some(node) && task.attempt == attempt);
        let Some(task) = task else {
            // Ended, unknown, or moved on to another attempt: the node may forget it.
            if !matches!(news, News::Ended { .. }) {
                decision.stray.push((id, attempt));
            }
            decision.acknowledge(id, attempt, sequence);
            continue;
        };
        match decision.take(hub, task, news, cap, now) {
            Ok(()) => decision.acknowledge(id, attempt, sequence),
            Err(fault) => {
                decision.fault = Some(fault);
                break;
            }
        }
    }
    for task in tasks.values_mut().flatten() {
        decision.cut(task, cap, now);
    }
    decision
}

impl Decision {
    fn acknowledge(&mut self, task: TaskId, attempt: u32, sequence: u64) {
        let highest = self.acks.entry((task, attempt)).or_default();
        *highest = sequence.max(*highest);
    }

    fn take(
        &mut self,
        hub: HubId,
        task: &mut Task,
        news: News,
        cap: OutputCap,
        now: Timestamp,
    ) -> Result<(), String> {
        let attempt = task.attempt;
        match news {
            News::Started { pid } => self.push(task, TaskEvent::Started { attempt, pid }, now),
            News::File(file) => {
                let file = file.of_attempt(attempt, &task.before);
                if task.files.contains(&file) {
                    self.repeated += 1;
                    return Ok(());
                }
                let event = TaskEvent::Published { file };
                if let Err(TransitionError::File(fault)) = task.clone().apply(&event, now) {
                    return Err(format!("{}: {fault}", task.id));
                }
                self.push(task, event, now);
            }
            News::Progress(progress) => {
                self.push(task, TaskEvent::Progress { attempt, progress }, now);
            }
            News::Ended { outcome, receipt } => {
                check(&receipt, hub, task).map_err(|fault| format!("{}: {fault}", task.id))?;
                // After its end nothing more can be said of it.
                self.cut(task, cap, now);
                let receipt = Some(receipt);
                self.push(task, end_of(task, outcome, receipt), now);
            }
            News::Output { stream, offset, data } => {
                // The attempt counts its own output only.
                let offset = offset.saturating_add(task.before.of(stream).arrived());
                self.take_output(task, stream, offset, &data, now)?;
            }
        }
        Ok(())
    }

    fn take_output(
        &mut self,
        task: &mut Task,
        stream: Stream,
        offset: u64,
        data: &Bytes,
        now: Timestamp,
    ) -> Result<(), String> {
        let arrived = task.output.of(stream).arrived();
        if offset > arrived {
            return Err(format!("output of {} jumps from byte {arrived} to {offset}", task.id));
        }
        let known = usize::try_from(arrived - offset).unwrap_or(usize::MAX);
        if known >= data.len() {
            self.repeated += 1;
            return Ok(());
        }
        let fresh = data.slice(known..);
        let all = (arrived - task.before.of(stream).arrived()).saturating_add(fresh.len() as u64);
        if stream == Stream::Files && all > MAX_PUBLISHED_BYTES {
            return Err(format!("{}: {}", task.id, FileFault::Bytes));
        }
        let len = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        let event = TaskEvent::Output { attempt: task.attempt, stream, offset: arrived, len };
        self.push_with(task, event, fresh, now);
        Ok(())
    }

    /// Leaves out what is more than may be kept of a task that has not ended.
    fn cut(&mut self, task: &mut Task, cap: OutputCap, now: Timestamp) {
        if task.state.is_end() {
            return;
        }
        // A task of a hub that did not write the cap down has the hub's own.
        let cap = task.spec.output_cap.unwrap_or(cap);
        for stream in Stream::STANDARD {
            let Some(Excess { from, len }) = cap.excess(&task.output, stream) else { continue };
            let attempt = task.attempt;
            self.push(task, TaskEvent::Truncated { attempt, stream, from, dropped: len }, now);
        }
    }

    fn push(&mut self, task: &mut Task, event: TaskEvent, now: Timestamp) {
        self.push_with(task, event, Bytes::new(), now);
    }

    /// Takes an event that fits the task; one that does not was stored before.
    fn push_with(&mut self, task: &mut Task, event: TaskEvent, data: Bytes, now: Timestamp) {
        match task.apply(&event, now) {
            Ok(()) => {
                let what = Happening::Task { task: task.id, event, data };
                self.append.entry(task.session).or_default().push(what);
            }
            Err(TransitionError::Ended(_) | TransitionError::State { .. }) => self.repeated += 1,
            Err(error) => {
                tracing::warn!(task = %task.id, %error, "report does not fit its task");
            }
        }
    }
}

/// Whether a receipt speaks of this attempt, and of all the output that came of it. That it states
/// the outcome of its report was seen when the report was read.
fn check(signed: &receipt::Signed, hub: HubId, task: &Task) -> Result<(), Fault> {
    let receipt = signed.read()?;
    let of = [
        (receipt.hub == hub, "hub"),
        (Some(receipt.node) == task.node, "node"),
        (receipt.session == task.session, "session"),
        (receipt.task == task.id, "task"),
        (receipt.attempt == task.attempt, "attempt"),
    ];
    if let Some((_, what)) = of.into_iter().find(|(is_same, _)| !is_same) {
        return Err(Fault::Other(what));
    }
    match receipt.output {
        Output::Known { stdout, stderr } => {
            let own = |stream| task.output.of(stream).arrived() - task.before.of(stream).arrived();
            let is_all = |stated: u64, stream| stated == own(stream);
            let is_whole = is_all(stdout.len, Stream::Stdout) && is_all(stderr.len, Stream::Stderr);
            if is_whole { Ok(()) } else { Err(Fault::Length) }
        }
        Output::Forgotten if receipt.ending.kind == EndingKind::Interrupted => Ok(()),
        Output::Forgotten => Err(Fault::NoOutput),
    }
}

/// What an attempt's end means for its task: its own end, another attempt, or, where a node that
/// leaves did not begin it, that it goes to another one.
fn end_of(task: &Task, outcome: Outcome, receipt: Option<Arc<receipt::Signed>>) -> TaskEvent {
    let attempt = task.attempt;
    match outcome {
        Outcome::Rejected { rule, reason }
            if rule == NODE_LEAVING
                && task.state == State::Assigned
                && !task.spec.target.is_closed() =>
        {
            TaskEvent::Returned { attempt, reason }
        }
        outcome if task.may_retry(&outcome) => TaskEvent::Retried { attempt, outcome },
        outcome => TaskEvent::Ended { attempt, outcome, receipt },
    }
}

/// Verifies the signatures of all receipts of a batch; this is what takes time.
async fn verify(link: &Link, reports: &[Report]) -> Result<(), String> {
    let mut verified = 0;
    let verify = |receipt: &receipt::Signed| match &link.key {
        Some(key) => receipt.verify_by(key),
        None => Err(Fault::BadSignature),
    };
    for report in reports {
        let News::Ended { receipt, .. } = &report.news else { continue };
        verify(receipt).map_err(|fault| format!("{}: {fault}", report.task))?;
        verified += 1;
        if verified % VERIFIED_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

impl Dispatch {
    /// Shows those who watch terminals what a node reports of them, while it is on its way to the
    /// store. Whether there is something to see.
    pub(crate) fn show(&self, node: NodeId, reports: &[Report]) -> bool {
        let mut is_news = false;
        for report in reports {
            let News::Output { stream, offset, data } = &report.news else { continue };
            let Some(topic) = self.open.topic(report.task) else { continue };
            let task = topic.task();
            let is_current = task.node == Some(node) && task.attempt == report.attempt;
            if is_current
                && *stream != Stream::Files
                && task.spec.terminal().is_some()
                && self.is_kept(&task, data)
            {
                is_news |= topic.show(*stream, *offset, data);
            }
        }
        is_news
    }

    /// Whether these reports are nothing but what terminals show: nobody waits for their storing.
    pub(crate) fn are_shown(&self, reports: &[Report]) -> bool {
        let is_shown = |report: &Report| {
            let is_terminal = |task: Arc<Task>| task.spec.terminal().is_some();
            matches!(report.news, News::Output { .. })
                && self.open.task(report.task).is_some_and(is_terminal)
        };
        reports.iter().all(is_shown)
    }

    /// Whether so much more of a task is stored as it is, near its cap or not.
    fn is_kept(&self, task: &Task, more: &Bytes) -> bool {
        let most = MOST_AHEAD.saturating_add(more.len() as u64);
        task.output.stored().saturating_add(most) <= self.limits.output_bytes
    }

    /// Stores a node's reports. Returns what may be acknowledged.
    ///
    /// # Errors
    /// What the node did wrong: its stream is to be closed. Nothing of the faulty report and what
    /// followed it was taken.
    pub(crate) async fn settle(
        &self,
        link: &Link,
        reports: Vec<Report>,
    ) -> Result<Vec<Ack>, String> {
        verify(link, &reports).await?;
        let (mut acks, mut unstored) = (Vec::new(), Vec::new());
        for mut part in parts(reports) {
            // What follows something that could not be stored comes again behind it.
            part.retain(|report| !unstored.contains(&report.task));
            if let Some(file) = part.first()
                && !self.is_whole(link.node().id, file).await?
            {
                unstored.push(file.task);
                part.retain(|report| !unstored.contains(&report.task));
            }
            acks.extend(self.settle_part(link, part, &mut unstored).await?);
        }
        Ok(acks)
    }

    async fn settle_part(
        &self,
        link: &Link,
        reports: Vec<Report>,
        unstored: &mut Vec<TaskId>,
    ) -> Result<Vec<Ack>, String> {
        let (node, hub) = (link.node().id, self.hub);
        let find = |task| self.open.task(task);
        let decision = decide((hub, node), reports, find, self.limits.output_cap(), clock::now());
        self.metrics.reports_repeated.inc_by(decision.repeated);
        for (session, what) in decision.append {
            if let Err(failed) = self.append_or_split(session, what).await {
                unstored.extend(failed);
            }
        }
        for (task, attempt) in decision.stray {
            self.stop(node, task, attempt);
        }
        if let Some(fault) = decision.fault {
            return Err(fault);
        }
        let acks = decision.acks.into_iter().filter(|((task, _), _)| !unstored.contains(task));
        Ok(acks.map(|((task, attempt), sequence)| Ack { task, attempt, sequence }).collect())
    }

    /// Appends all, or, where something does not fit, task by task. Returns the tasks whose events
    /// could not be stored and must be sent again.
    async fn append_or_split(
        &self,
        session: SessionId,
        what: Vec<Happening>,
    ) -> Result<(), Vec<TaskId>> {
        let Err(error) = self.append(session, what.clone()).await else { return Ok(()) };
        tracing::debug!(%session, %error, "batch not stored, trying task by task");
        let mut by_task: BTreeMap<TaskId, Vec<Happening>> = BTreeMap::new();
        for one in what {
            if let Happening::Task { task, .. } = &one {
                by_task.entry(*task).or_default().push(one);
            }
        }
        let mut failed = Vec::new();
        for (task, what) in by_task {
            let Err(error) = self.append(session, what).await else { continue };
            tracing::warn!(%task, %error, "reports not stored");
            // What conflicts with the stored state conflicts for ever: it is taken as settled.
            if error.kind() != ErrorKind::Conflict && error.kind() != ErrorKind::NotFound {
                failed.push(task);
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed) }
    }
}
