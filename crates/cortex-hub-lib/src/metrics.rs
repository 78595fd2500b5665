//! Counters of a hub, in a registry of its own: nothing global is installed.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of what a claim takes, in seconds; the target is 20 ms.
const CLAIM_SECONDS: [f64; 16] = [
    0.000_5, 0.001, 0.002, 0.003, 0.004, 0.005, 0.007_5, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.5,
    5.0, 60.0,
];

/// A hub's counters. Names begin with `cortexhub_`; no label names a node, session or task.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Nodes with an open stream.
    pub nodes_online: Gauge,
    /// Tasks that have not ended.
    pub tasks_open: Gauge,
    /// Tasks that wait for a node.
    pub tasks_queued: Gauge,
    /// Slots of the nodes that are online.
    pub slots: Gauge,
    /// Those of them that are taken or kept.
    pub slots_taken: Gauge,
    /// Tasks of the work pool that were offered to nodes.
    pub offers: Counter,
    /// Offers that were taken back.
    pub offers_withdrawn: Counter,
    /// Seconds from when a task began to wait until its assignment was stored.
    pub claim_seconds: Histogram,
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
            tasks_queued: Gauge::default(),
            slots: Gauge::default(),
            slots_taken: Gauge::default(),
            offers: Counter::default(),
            offers_withdrawn: Counter::default(),
            claim_seconds: Histogram::new(CLAIM_SECONDS),
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
        let gauges = [
            ("tasks_queued", "Tasks that wait for a node", &metrics.tasks_queued),
            ("slots", "Slots of the nodes that are online", &metrics.slots),
            ("slots_taken", "Slots that are taken or kept", &metrics.slots_taken),
        ];
        for (name, words, gauge) in gauges {
            registry.register(name, words, gauge.clone());
        }
        registry.register("offers", "Tasks offered to nodes", metrics.offers.clone());
        registry.register(
            "offers_withdrawn",
            "Offers taken back",
            metrics.offers_withdrawn.clone(),
        );
        registry.register(
            "claim_seconds",
            "Seconds from waiting to assigned",
            metrics.claim_seconds.clone(),
        );
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
