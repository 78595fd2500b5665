//! A skill that waits at a gate, and remembers who came in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use async_trait::async_trait;
use cortex_core::id::TaskId;
use cortex_core::skill::Invocation;
use cortex_core::skill::SkillError;
use cortex_core::skill::TypedSkill;
use cortex_core::task::TaskSpec;
use tokio::sync::watch;

use crate::sandbox::wait;

/// Where all tasks of a flow have to pass; closed at first.
#[derive(Debug, Default, Clone)]
pub(super) struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    open: watch::Sender<bool>,
    entered: watch::Sender<usize>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    starts: Vec<(TaskId, u32)>,
    inside: usize,
    most: usize,
}

/// The skill; each node has one of its own.
#[derive(Debug)]
pub(super) struct Pass(Gate);

/// Counts one who is inside until it is dropped.
struct Inside<'a>(&'a Gate);

impl Gate {
    /// The spec of a task that passes the gate.
    pub(super) fn task() -> TaskSpec {
        TaskSpec::skill(Pass::NAME, serde_json::Value::Null)
    }

    pub(super) fn skill(&self) -> Pass {
        Pass(self.clone())
    }

    pub(super) fn open(&self) {
        self.shared.open.send_replace(true);
    }

    pub(super) fn close(&self) {
        self.shared.open.send_replace(false);
    }

    /// Waits until so many attempts have come in altogether.
    pub(super) async fn entered(&self, count: usize) {
        let mut entered = self.shared.entered.subscribe();
        wait(entered.wait_for(|entered| *entered >= count)).await.expect("the gate is here");
    }

    /// The tasks in the order in which they came in.
    pub(super) fn order(&self) -> Vec<TaskId> {
        self.lock().starts.iter().map(|(task, _)| *task).collect()
    }

    /// The most that were inside at one time.
    pub(super) fn most_at_once(&self) -> usize {
        self.lock().most
    }

    /// How often each attempt of each task was started.
    pub(super) fn starts(&self) -> BTreeMap<(TaskId, u32), usize> {
        let mut starts = BTreeMap::new();
        for start in &self.lock().starts {
            *starts.entry(*start).or_default() += 1;
        }
        starts
    }

    /// No attempt was started twice.
    pub(super) fn assert_each_once(&self) {
        let twice: Vec<_> = self.starts().into_iter().filter(|(_, count)| *count > 1).collect();
        assert!(twice.is_empty(), "started more than once: {twice:?}");
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.shared.log.lock().expect("nobody panics here")
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
    }
}

#[async_trait]
impl TypedSkill for Pass {
    const NAME: &'static str = "pass";
    const SUMMARY: &'static str = "Waits at a gate.";
    type Input = ();
    type Output = ();

    async fn run(&self, invocation: &Invocation, (): ()) -> Result<(), SkillError> {
        let gate = &self.0;
        let count = {
            let mut log = gate.lock();
            log.starts.push((invocation.task, invocation.attempt));
            log.inside += 1;
            log.most = log.most.max(log.inside);
            log.starts.len()
        };
        let _inside = Inside(gate);
        gate.shared.entered.send_replace(count);
        invocation.started(None).await;
        let mut open = gate.shared.open.subscribe();
        tokio::select! {
            _ = open.wait_for(|open| *open) => Ok(()),
            reason = invocation.cancelled() => {
                Err(SkillError::new(format!("told to stop: {reason:?}")))
            }
        }
    }
}
