//! Heartbeats.

use cortex_core::node::Health;

use crate::v1;

impl From<&v1::Heartbeat> for Health {
    fn from(wire: &v1::Heartbeat) -> Self {
        let percent = wire.cpu_usage_percent;
        Self {
            cpu_percent: if percent.is_finite() { percent.clamp(0.0, 100.0) } else { 0.0 },
            memory_used: wire.memory_used_bytes,
            memory_total: wire.memory_total_bytes,
            disk_free: wire.disk_free_bytes,
            disk_total: wire.disk_total_bytes,
            load_one: if wire.load_one.is_finite() { wire.load_one.max(0.0) } else { 0.0 },
            tasks_running: wire.tasks_running,
        }
    }
}

impl From<&Health> for v1::Heartbeat {
    /// Fills in the load; node, epoch and sequence are the caller's.
    fn from(health: &Health) -> Self {
        Self {
            cpu_usage_percent: health.cpu_percent,
            memory_used_bytes: health.memory_used,
            memory_total_bytes: health.memory_total,
            disk_free_bytes: health.disk_free,
            disk_total_bytes: health.disk_total,
            load_one: health.load_one,
            tasks_running: health.tasks_running,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_survives_the_way_and_nonsense_is_clamped() {
        let health = Health {
            cpu_percent: 12.5,
            memory_used: 1,
            memory_total: 2,
            disk_free: 3,
            disk_total: 4,
            load_one: 0.5,
            tasks_running: 6,
        };
        let mut wire = v1::Heartbeat::from(&health);
        assert_eq!(Health::from(&wire), health);
        wire.cpu_usage_percent = f32::NAN;
        wire.load_one = -1.0;
        assert_eq!(Health::from(&wire).cpu_percent, 0.0);
        assert_eq!(Health::from(&wire).load_one, 0.0);
    }
}
