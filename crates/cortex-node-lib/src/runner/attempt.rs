//! One attempt from its acceptance to its end.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cortex_core::Result;
use cortex_core::capability::Mismatch;
use cortex_core::receipt::Output;
use cortex_core::skill::Invocation;
use cortex_core::skill::Skill;
use cortex_core::skill::StopReason;
use cortex_core::task::Outcome;
use cortex_core::task::Work;
use futures::FutureExt as _;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::skills::shell;
use crate::uplink::AttemptKey;
use crate::uplink::TaskOrder;

use super::Floor;
use super::console::AttemptConsole;
use super::input::InputQueue;
use super::journal::WriteError;
use super::place::Place;
use super::witness::Mandate;
use super::workdir::Workdir;

/// What a skill gets beyond its grace time before its future is dropped: time to count and report
/// what it ended.
const AFTER_GRACE: Duration = Duration::from_secs(2);

/// The same where the hub locked or removed the node: its tasks are to be dead within a second.
const AFTER_REVOCATION: Duration = Duration::from_millis(700);

/// A process that lives this long is noted in the journal, so that a restarted node can find it.
const NOTE_AFTER: Duration = Duration::from_millis(3);

/// How often it is looked whether there is a process to note.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// The largest value that a skill can return, in bytes of JSON.
const MAX_VALUE_BYTES: usize = 1 << 20;

/// An attempt that was accepted.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) key: AttemptKey,
    pub(super) mandate: Mandate,
    pub(super) order: TaskOrder,
    pub(super) stop: Stop,
    pub(super) input: Arc<InputQueue>,
    pub(super) place: Place,
}

/// Whether the attempt is to stop, and why; the first reason stays.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    asked: watch::Receiver<Option<StopReason>>,
}

impl Stop {
    pub(super) fn new(asked: watch::Receiver<Option<StopReason>>) -> Self {
        Self { asked }
    }

    /// Resolves when the attempt is to stop.
    pub(super) async fn asked(&self) -> StopReason {
        let mut asked = self.asked.clone();
        match asked.wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or(StopReason::Shutdown),
            // The runner is gone without a word.
            Err(_) => StopReason::Shutdown,
        }
    }
}

impl Attempt {
    /// Runs the attempt once it is written down, and reports its end.
    pub(super) async fn run(
        self,
        floor: &Arc<Floor>,
        written: oneshot::Receiver<Result<(), WriteError>>,
    ) {
        let (key, mandate) = (self.key, self.mandate);
        let (outcome, output) = match written.await {
            Ok(Ok(())) => {
                crash_point!("node::accepted");
                self.wait_and_run(floor).await
            }
            Ok(Err(error)) => (not_written(&error.to_string()), Output::none()),
            Err(_) => (not_written("the journal is closed"), Output::none()),
        };
        let outcome = bounded(outcome);
        let receipt = floor.witness.attest(key, mandate, &outcome, output);
        crash_point!("node::ended");
        floor.journal.ended(key, &outcome, floor.outbox.has_output(key));
        crash_point!("node::end-noted");
        floor.outbox.ended(key, outcome, receipt);
        crash_point!("node::end-reported");
    }

    async fn wait_and_run(self, floor: &Arc<Floor>) -> (Outcome, Output) {
        let Self { key, order, stop, input, place, .. } = self;
        let _held = match place {
            Place::Held(held) => Some(held),
            Place::Queued(queued) => tokio::select! {
                biased;
                reason = stop.asked() => return (never_ran(reason), Output::none()),
                held = queued => held,
            },
        };
        floor.count(true);
        let ended = call(key, order, stop, input, floor).await;
        floor.count(false);
        ended
    }
}

async fn call(
    key: AttemptKey,
    order: TaskOrder,
    stop: Stop,
    typed: Arc<InputQueue>,
    floor: &Arc<Floor>,
) -> (Outcome, Output) {
    let (skill, input) = match find(floor, &order.work) {
        Ok(found) => found,
        Err(outcome) => return (outcome, Output::none()),
    };
    let deadline = order.timeout.map(|limit| Instant::now() + limit);
    if matches!(&order.work, Work::Shell(work) if work.terminal.is_some()) {
        floor.outbox.be_prompt(key);
    }
    let files = match &order.work {
        Work::Skill { files, .. } => files.clone(),
        _ => Vec::new(),
    };
    let workdir = Workdir::of(floor.identity.dir(), key, files);
    let outbox = Arc::clone(&floor.outbox);
    let console = AttemptConsole::new(key, outbox, stop, typed, workdir, deadline, &order.secrets);
    let console = Arc::new(console);
    let outcome = watched(key, &order, &*skill, input, &console, floor).await;
    console.clean_up().await;
    console.finish().await;
    (console.redact(outcome), console.close())
}

async fn watched(
    key: AttemptKey,
    order: &TaskOrder,
    skill: &dyn Skill,
    input: serde_json::Value,
    console: &Arc<AttemptConsole>,
    floor: &Floor,
) -> Outcome {
    let invocation = Invocation::new(
        order.task,
        key.attempt,
        order.session,
        order.grace,
        Arc::clone(console) as _,
    )
    .with_secrets(Arc::new(order.secrets.clone()));
    let work = AssertUnwindSafe(skill.run(&invocation, input)).catch_unwind();
    let noting = note_process(floor, key, console);
    let telling = console.tell_progress();
    let overdue = async {
        let reason = console.stop_asked().await;
        tokio::time::sleep(patience_for(reason, order.grace)).await;
        reason
    };
    let pauses = console.watch_pauses();
    tokio::pin!(work, noting, telling, overdue, pauses);
    let returned = tokio::select! {
        biased;
        returned = &mut work => returned,
        reason = &mut overdue => return gave_up(reason),
        never = &mut noting => match never {},
        never = &mut telling => match never {},
        never = &mut pauses => match never {},
    };
    let was_stopped = console.stop_asked().now_or_never();
    match (returned, was_stopped) {
        // A skill that fails because it was told to stop was stopped.
        (Ok(Ok(Outcome::Broken { .. }) | Err(_)), Some(reason)) => gave_up(reason),
        (Ok(Ok(outcome)), _) => outcome,
        (Ok(Err(error)), None) => Outcome::Broken { message: error.to_string() },
        (Err(panic), _) => {
            let name = skill.describe().name;
            let message = format!("skill {name:?} panicked: {}", words_of(panic.as_ref()));
            Outcome::Broken { message }
        }
    }
}

/// How long a skill that was asked to stop is waited for. A node that shuts down does not wait for
/// long grace times.
fn patience_for(reason: StopReason, grace: Duration) -> Duration {
    match reason {
        StopReason::Revoked => AFTER_REVOCATION,
        StopReason::Shutdown => grace.min(shell::SHUTDOWN_GRACE) + AFTER_GRACE,
        _ => grace.saturating_add(AFTER_GRACE),
    }
}

fn find(floor: &Floor, work: &Work) -> Result<(Arc<dyn Skill>, serde_json::Value), Outcome> {
    let (name, input) = match work {
        Work::Shell(work) => match serde_json::to_value(work) {
            Ok(input) => (shell::NAME.to_owned(), input),
            Err(error) => return Err(Outcome::Broken { message: error.to_string() }),
        },
        Work::Skill { name, input, .. } => (name.clone(), input.clone()),
        _ => {
            let message = "this node does not know that kind of work".to_owned();
            return Err(Outcome::Broken { message });
        }
    };
    match floor.skills.get(&name) {
        Some(skill) => {
            if matches!(work, Work::Skill { .. }) {
                floor
                    .skills
                    .check_input(&name, &input)
                    .map_err(|mismatch| misfit(&name, &mismatch))?;
            }
            Ok((skill, input))
        }
        None => {
            let known: Vec<&str> = floor.skills.names().collect();
            let known = known.join(", ");
            let message = format!("this node has no skill {name:?}; it has {known}");
            Err(Outcome::Broken { message })
        }
    }
}

/// How a task ends whose input does not fit its skill.
fn misfit(skill: &str, mismatch: &Mismatch) -> Outcome {
    let reason = format!("input of {skill:?}: {mismatch}");
    Outcome::Rejected { rule: "SKILL_INPUT".to_owned(), reason }
}

/// Notes the attempt's process in the journal, should it live for more than a moment.
async fn note_process(
    floor: &Floor,
    key: AttemptKey,
    console: &AttemptConsole,
) -> std::convert::Infallible {
    let mut wait = NOTE_AFTER;
    loop {
        tokio::time::sleep(wait).await;
        if let Some(pid) = console.pid() {
            let started = pid.and_then(shell::group::start_of).unwrap_or(0);
            floor.journal.started(key, pid.unwrap_or(0), started);
            return std::future::pending().await;
        }
        wait = (wait * 2).min(LONGEST_LOOK);
    }
}

fn bounded(outcome: Outcome) -> Outcome {
    let Outcome::Returned { value } = &outcome else { return outcome };
    let len = value.to_string().len();
    if len <= MAX_VALUE_BYTES {
        return outcome;
    }
    let message =
        format!("the value has {len} bytes of JSON, at most {MAX_VALUE_BYTES} are possible");
    Outcome::Broken { message }
}

fn not_written(reason: &str) -> Outcome {
    Outcome::Rejected {
        rule: "JOURNAL".to_owned(),
        reason: format!("the node cannot write down what it starts: {reason}"),
    }
}

fn never_ran(reason: StopReason) -> Outcome {
    match reason {
        StopReason::Cancel => Outcome::Cancelled { processes: 0 },
        StopReason::Timeout => Outcome::TimedOut { processes: 0 },
        StopReason::Revoked => {
            let (rule, reason) = ("NODE_REVOKED".to_owned(), shell::REVOKED.to_owned());
            Outcome::Rejected { rule, reason }
        }
        _ => Outcome::Rejected {
            rule: "NODE_LEAVING".to_owned(),
            reason: "the node was shut down before the task began".to_owned(),
        },
    }
}

fn gave_up(reason: StopReason) -> Outcome {
    match reason {
        StopReason::Cancel => Outcome::Cancelled { processes: 0 },
        StopReason::Timeout => Outcome::TimedOut { processes: 0 },
        StopReason::Revoked => Outcome::Interrupted { reason: shell::REVOKED.to_owned() },
        _ => Outcome::Interrupted { reason: "node was shut down".to_owned() },
    }
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no words)")
}
