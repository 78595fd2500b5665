//! Counters of a hub, in a registry of its own: nothing global is installed.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A hub's counters. Names begin with `cortexhub_`; no label names a node, session or task.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Nodes with an open stream.
    pub nodes_online: Gauge,
    /// Tasks that have not ended.
    pub tasks_open: Gauge,
    /// Tasks submitted.
    pub tasks_submitted: Counter,
    /// Tasks that ended, however.
    pub tasks_ended: Counter,
    /// Bytes of output stored.
    pub output_bytes: Counter,
    /// Reports that nodes sent again and that were stored before.
    pub reports_repeated: Counter,
    /// Enrolled nodes since the start.
    pub enrolments: Counter,
    /// Refused enrolments since the start.
    pub enrolments_refused: Counter,
    /// Seconds from submission to end.
    pub task_seconds: Histogram,
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
            tasks_ended: Counter::default(),
            output_bytes: Counter::default(),
            reports_repeated: Counter::default(),
            enrolments: Counter::default(),
            enrolments_refused: Counter::default(),
            task_seconds: Histogram::new([0.002, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0]),
        };
        registry.register(
            "nodes_online",
            "Nodes with an open stream",
            metrics.nodes_online.clone(),
        );
        registry.register("tasks_open", "Tasks not ended", metrics.tasks_open.clone());
        registry.register("tasks_submitted", "Tasks submitted", metrics.tasks_submitted.clone());
        registry.register("tasks_ended", "Tasks ended", metrics.tasks_ended.clone());
        registry.register("output_bytes", "Output bytes stored", metrics.output_bytes.clone());
        registry.register(
            "reports_repeated",
            "Reports sent again by nodes",
            metrics.reports_repeated.clone(),
        );
        registry.register("enrolments", "Nodes enrolled", metrics.enrolments.clone());
        registry.register(
            "enrolments_refused",
            "Enrolments refused",
            metrics.enrolments_refused.clone(),
        );
        registry.register(
            "task_seconds",
            "Seconds from submission to end",
            metrics.task_seconds.clone(),
        );
        Self { registry: Arc::new(registry), ..metrics }
    }
}

impl Metrics {
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
    use super::*;

    #[test]
    fn counters_show_with_the_prefix() {
        let metrics = Metrics::default();
        metrics.tasks_submitted.inc();
        let text = metrics.encode();
        assert!(text.contains("cortexhub_tasks_submitted_total 1"), "{text}");
    }
}
