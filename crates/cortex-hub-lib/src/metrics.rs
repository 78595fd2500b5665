//! Counters of a hub, in a registry of its own: nothing global is installed.

use std::fmt;
use std::sync::Arc;

use cortex_core::task::State;
use cortex_core::task::Task;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Bounds of spans that tasks wait, in seconds.
const WAITS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0, 3600.0];

/// Bounds of spans that tasks run or last, in seconds.
const RUNS: [f64; 10] = [0.002, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0, 3600.0];

/// A hub's counters. Names begin with `cortexhub_`; no label names a node, session, task or user, so
/// that a large mesh has no more series than a small one.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Nodes with an open stream.
    pub nodes_online: Gauge,
    /// Tasks that have not ended.
    pub tasks_open: Gauge,
    /// Tasks submitted.
    pub tasks_submitted: Counter,
    /// Tasks that ended, by how they did.
    tasks_ended: Family<[(&'static str, &'static str); 1], Counter>,
    /// Bytes of output stored.
    pub output_bytes: Counter,
    /// Reports that nodes sent again and that were stored before.
    pub reports_repeated: Counter,
    /// Enrolled nodes since the start.
    pub enrolments: Counter,
    /// Refused enrolments since the start.
    pub enrolments_refused: Counter,
    /// From submission to start.
    task_wait: Histogram,
    /// From start to end.
    task_run: Histogram,
    /// From submission to end.
    task: Histogram,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cortexhub");
        let metrics = Self {
            registry: Arc::default(),
            nodes_online: Gauge::default(),
            tasks_open: Gauge::default(),
            tasks_submitted: Counter::default(),
            tasks_ended: Family::default(),
            output_bytes: Counter::default(),
            reports_repeated: Counter::default(),
            enrolments: Counter::default(),
            enrolments_refused: Counter::default(),
            task_wait: Histogram::new(WAITS),
            task_run: Histogram::new(RUNS),
            task: Histogram::new(RUNS),
        };
        // Each outcome is there from the start: a rate over what was never seen is no rate.
        for state in State::ENDS {
            drop(metrics.tasks_ended.get_or_create(&outcome(state)));
        }
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The hub's version", Info::new(version));
        registry.register(
            "nodes_online",
            "Nodes with an open stream",
            metrics.nodes_online.clone(),
        );
        registry.register("tasks_open", "Tasks that have not ended", metrics.tasks_open.clone());
        registry.register("tasks_submitted", "Tasks submitted", metrics.tasks_submitted.clone());
        registry.register(
            "tasks_ended",
            "Tasks that ended, by outcome",
            metrics.tasks_ended.clone(),
        );
        registry.register("output_bytes", "Bytes of output stored", metrics.output_bytes.clone());
        registry.register(
            "reports_repeated",
            "Reports that nodes sent again",
            metrics.reports_repeated.clone(),
        );
        registry.register("enrolments", "Nodes enrolled", metrics.enrolments.clone());
        registry.register(
            "enrolments_refused",
            "Enrolments refused",
            metrics.enrolments_refused.clone(),
        );
        registry.register(
            "task_wait_seconds",
            "Seconds from a task's submission to its start on a node",
            metrics.task_wait.clone(),
        );
        registry.register(
            "task_run_seconds",
            "Seconds from a task's start to its end",
            metrics.task_run.clone(),
        );
        registry.register(
            "task_seconds",
            "Seconds from a task's submission to its end",
            metrics.task.clone(),
        );
        Self { registry: Arc::new(registry), ..metrics }
    }
}

fn outcome(state: State) -> [(&'static str, &'static str); 1] {
    [("outcome", state.word())]
}

impl Metrics {
    /// Counts a task that has ended.
    pub(crate) fn task_ended(&self, task: &Task) {
        self.tasks_ended.get_or_create(&outcome(task.state)).inc();
        let Some(ended) = task.ended_at else { return };
        self.task.observe(ended.since(task.created_at).as_secs_f64());
        if let Some(started) = task.started_at {
            self.task_wait.observe(started.since(task.created_at).as_secs_f64());
            self.task_run.observe(ended.since(started).as_secs_f64());
        }
    }

    /// All counters in the `OpenMetrics` text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a String cannot fail.
            Err(fmt::Error) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::id::NodeId;
    use cortex_core::id::SessionId;
    use cortex_core::id::TaskId;
    use cortex_core::id::UserId;
    use cortex_core::task::Outcome;
    use cortex_core::task::TaskEvent;
    use cortex_core::task::TaskSpec;
    use cortex_core::timestamp::Timestamp;

    use super::*;

    #[test]
    fn counters_show_with_the_prefix() {
        let metrics = Metrics::default();
        metrics.tasks_submitted.inc();
        let text = metrics.encode();
        assert!(text.contains("cortexhub_tasks_submitted_total 1"), "{text}");
        assert!(text.contains("cortexhub_build_info{version="), "{text}");
    }

    #[test]
    fn ended_tasks_are_counted_by_outcome_and_measured() {
        let metrics = Metrics::default();
        let text = metrics.encode();
        assert!(text.contains("cortexhub_tasks_ended_total{outcome=\"lost\"} 0"), "{text}");
        let at = Timestamp::from_millis;
        let (id, session, by) =
            (TaskId::generate(), SessionId::generate(), UserId::from_bytes([1; 16]));
        let mut task = Task::submitted(id, session, by, Arc::new(TaskSpec::argv(["true"])), at(0));
        let node = NodeId::from_bytes([2; 16]);
        task.apply(&TaskEvent::Assigned { attempt: 1, node }, at(1)).unwrap();
        task.apply(&TaskEvent::Started { attempt: 1, pid: None }, at(3_000)).unwrap();
        task.apply(&TaskEvent::ended(1, Outcome::Exited { code: 1 }), at(4_000)).unwrap();
        metrics.task_ended(&task);
        let text = metrics.encode();
        for line in [
            "cortexhub_tasks_ended_total{outcome=\"failed\"} 1",
            "cortexhub_task_wait_seconds_sum 3.0",
            "cortexhub_task_run_seconds_sum 1.0",
            "cortexhub_task_seconds_sum 4.0",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
