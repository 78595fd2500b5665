//! What a hub needs to know: from code, or from a YAML file with every key overridable by
//! environment.

mod load;
mod rotation;
mod tls;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use cortex_core::policy::SandboxPolicy;
use cortex_core::task::OutputCap;
use serde::Deserialize;
use serde::Serialize;

pub use load::ConfigError;
pub use load::ENV_PREFIX;
pub use load::Loaded;
pub use load::Origin;
pub use load::load;
pub use rotation::Rotation;
pub use tls::NodeTls;
pub use tls::Tls;

/// A hub's configuration. [`HubConfig::default`] is good for a try on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HubConfig {
    /// Where database, keys and output live; made at first start.
    pub data_dir: PathBuf,
    /// What people's browsers and programs dial, without a slash at the end. May have a path.
    pub public_url: String,
    /// Host name or address that nodes dial.
    pub node_host: String,
    /// Port that nodes dial; the gRPC listener's own port if 0.
    pub node_port: u16,
    /// More host names and addresses for the hub's certificate.
    pub alternative_names: Vec<String>,
    /// More values of the `Host` header that the HTTP side answers to.
    pub allowed_hosts: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// How connections are secured.
    pub tls: Tls,
    /// What every node may run; a node's own configuration can narrow it.
    pub policy: SandboxPolicy,
    /// Limits.
    pub limits: Limits,
    /// How keys are replaced.
    pub rotation: Rotation,
}

/// Limits of a hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Output kept of one task, both streams together, in bytes; at least 1 MiB. Of what is more,
    /// both ends are kept, and what is left out is said. A task may ask for less.
    pub output_bytes: u64,
    /// Time that a node may be away before its running tasks count as interrupted, in seconds.
    pub node_grace_s: u64,
    /// The same for the time after the hub's own start, when all nodes come back, in seconds.
    pub restart_grace_s: u64,
    /// Tasks of one user that have not ended.
    pub open_tasks: u32,
    /// Tasks of one user that nodes have at one time; more wait for their turn.
    pub running_tasks: u32,
    /// Messages that wait for one node before it counts as too slow.
    pub link_queue: usize,
    /// Time that a client of the HTTP side may leave unread what the hub has for it, in seconds;
    /// after that its connection is closed; 0 leaves that to the system. Kept on Linux.
    pub stalled_reader_s: u32,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("cortex-data"),
            public_url: "http://127.0.0.1:8080".to_owned(),
            node_host: "127.0.0.1".to_owned(),
            node_port: 0,
            alternative_names: Vec::new(),
            allowed_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            tls: Tls::default(),
            policy: SandboxPolicy::permissive(),
            limits: Limits::default(),
            rotation: Rotation::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            output_bytes: 16 << 30,
            node_grace_s: 25,
            restart_grace_s: 60,
            open_tasks: 10_000,
            running_tasks: 10_000,
            link_queue: 4_096,
            stalled_reader_s: 300,
        }
    }
}

impl Limits {
    /// [`Self::output_bytes`] as a cap.
    #[must_use]
    pub fn output_cap(&self) -> OutputCap {
        OutputCap::at_least(self.output_bytes)
    }

    /// [`Self::node_grace_s`] as a span.
    #[must_use]
    pub fn node_grace(&self) -> Duration {
        Duration::from_secs(self.node_grace_s)
    }

    /// [`Self::stalled_reader_s`] as a span.
    #[must_use]
    pub fn stalled_reader(&self) -> Duration {
        Duration::from_secs(self.stalled_reader_s.into())
    }

    /// [`Self::restart_grace_s`] as a span.
    #[must_use]
    pub fn restart_grace(&self) -> Duration {
        Duration::from_secs(self.restart_grace_s)
    }
}
