//! What the node's machine is and how it does: capabilities at the start, health with each
//! heartbeat.

mod discovery;
mod gpus;
mod machine;
mod runtimes;

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use cortex_core::node::Health;
use sysinfo::CpuRefreshKind;
use sysinfo::MemoryRefreshKind;
use sysinfo::RefreshKind;
use sysinfo::System;

pub(crate) use discovery::Discovery;

/// Measures load and room of the machine.
#[derive(Clone)]
pub(crate) struct Sampler {
    inner: Arc<Inner>,
}

struct Inner {
    data_dir: PathBuf,
    /// `None` where the system cannot be read.
    system: Mutex<Option<System>>,
    last: Mutex<Health>,
}

impl Sampler {
    /// Makes a sampler; the share of the processor is counted from now on.
    #[must_use]
    pub(crate) fn new(data_dir: PathBuf) -> Self {
        let mut system = System::new_with_specifics(refreshed()).ok();
        if let Some(system) = &mut system {
            system.refresh_cpu_usage();
        }
        let inner =
            Inner { data_dir, system: Mutex::new(system), last: Mutex::new(Health::default()) };
        Self { inner: Arc::new(inner) }
    }

    /// Measures on a thread that may block; answers with the last measurement where that fails.
    pub(crate) async fn sample(&self, tasks_running: u32) -> Health {
        let inner = Arc::clone(&self.inner);
        let measured = tokio::task::spawn_blocking(move || inner.measure()).await;
        let mut last = self.inner.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Some(health)) = measured {
            *last = health;
        }
        Health { tasks_running, ..last.clone() }
    }
}

impl Inner {
    /// `None` where another measurement is still under way, e.g. on a disk that does not answer.
    fn measure(&self) -> Option<Health> {
        let mut system = self.system.try_lock().ok()?;
        let system = system.as_mut()?;
        system.refresh_specifics(refreshed());
        let (disk_free, disk_total) = disk_of(&self.data_dir);
        Some(Health {
            cpu_percent: system.global_cpu_usage().clamp(0.0, 100.0),
            memory_used: system.used_memory(),
            memory_total: system.total_memory(),
            disk_free,
            disk_total,
            load_one: System::load_average().map_or(0.0, |load| narrow(load.one)),
            tasks_running: 0,
        })
    }
}

fn refreshed() -> RefreshKind {
    RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing().with_usage())
        .with_memory(MemoryRefreshKind::nothing().with_ram())
}

/// Free and total bytes of the disk that holds `path`; zero where the system does not tell.
fn disk_of(path: &Path) -> (u64, u64) {
    match rustix::fs::statvfs(path) {
        Ok(disk) => (
            disk.f_bavail.saturating_mul(disk.f_frsize),
            disk.f_blocks.saturating_mul(disk.f_frsize),
        ),
        Err(_) => (0, 0),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a load needs no more than single precision")]
fn narrow(load: f64) -> f32 {
    load as f32
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sampler").field("data_dir", &self.inner.data_dir).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_has_memory_a_disk_and_a_load() {
        let sampler = Sampler::new(std::env::temp_dir());
        let health = sampler.sample(3).await;
        assert!(health.memory_used > 0 && health.memory_used <= health.memory_total);
        assert!(health.disk_total > 0 && health.disk_free <= health.disk_total);
        assert!((0.0..=100.0).contains(&health.cpu_percent) && health.load_one >= 0.0);
        assert_eq!(health.tasks_running, 3);
    }

    #[tokio::test]
    async fn a_measurement_under_way_is_not_waited_for() {
        let sampler = Sampler::new(std::env::temp_dir());
        let first = sampler.sample(0).await;
        let stuck = sampler.inner.system.lock().unwrap();
        let inner = Arc::clone(&sampler.inner);
        let second = std::thread::scope(|scope| scope.spawn(|| inner.measure()).join().unwrap());
        drop(stuck);
        assert_eq!(second, None);
        assert!(first.memory_total > 0);
    }
}
