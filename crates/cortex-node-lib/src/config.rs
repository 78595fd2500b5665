//! What a node is told before it starts: where its hub is, how to know it, and its own limits.
//!
//! [`NodeConfig::load`] reads a YAML file and the environment; [`NodeConfig::new`] makes one in
//! code. A value comes from the environment, else from the file, else it is the default;
//! [`Loaded::origins`] says which.

mod anchor;
mod environment;
mod file;
mod invite;
mod keys;
mod pin;

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::capability::check_labels;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::policy::SandboxPolicy;

pub use anchor::Anchor;
pub use anchor::ParseAnchorError;
pub use environment::Environment;
pub use invite::InviteToken;
pub use invite::ParseInviteError;
pub use keys::Origin;
pub use keys::OriginRow;
pub use pin::ParsePinError;
pub use pin::Pin;

/// The port that hubs listen on unless told otherwise.
pub const DEFAULT_GRPC_PORT: u16 = 50051;

/// How many tasks run at once unless told otherwise.
pub const DEFAULT_MAX_TASKS: u32 = 64;

/// The most tasks that can be asked to run at once.
pub const MAX_TASKS: u32 = 4096;

/// How long running tasks get at a shutdown unless told otherwise.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);

/// Where the hub is, and how the node knows that it is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubConfig {
    /// The hub's id; everything that is signed by another hub is refused.
    pub id: HubId,
    /// Host name or address to dial.
    pub server_host: String,
    /// Port to dial.
    pub grpc_port: u16,
    /// The name in the hub's certificate.
    pub server_name: String,
    /// SHA-256 of the public key of the hub's authority; one of them must fit. Never empty.
    pub ca_spki_sha256: Vec<Pin>,
    /// Certificates of the authority, PEM, in addition to those that the hub presents.
    pub ca_pem: Option<String>,
    /// The key that signs whom the node trusts once it has enrolled. Without it, the node does not
    /// notice when the hub replaces its keys, and must then enrol anew.
    pub trust_anchor: Option<Anchor>,
}

/// Everything that a node is told before it starts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NodeConfig {
    /// The hub.
    pub hub: HubConfig,
    /// What its owner calls it; informational, the name that the hub knows wins.
    pub name: Option<String>,
    /// The identity that the data directory must hold, where it holds one.
    pub id: Option<NodeId>,
    /// Where the node keeps its key, its journal and what it is enrolled as.
    pub data_dir: PathBuf,
    /// Labels that the node states about itself.
    pub labels: BTreeMap<String, String>,
    /// Where tasks run that do not say where; `workspace` in the data directory if absent.
    pub workspace: Option<PathBuf>,
    /// How many tasks run at once, 1 to [`MAX_TASKS`]; more wait in the order of their arrival.
    pub max_tasks: u32,
    /// How many attempts to connect may fail in a row before the node gives up; never if absent.
    pub reconnect_limit: Option<u32>,
    /// How long running tasks get at a shutdown before they are ended.
    pub drain: Duration,
    /// What the node enrols with; unused once it has enrolled.
    pub invite: Option<InviteToken>,
    /// The node's own policy; it can only take away from what the hub allows.
    pub policy: Option<SandboxPolicy>,
}

/// A configuration that was read, with where each value came from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Loaded {
    /// The configuration.
    pub config: NodeConfig,
    /// One row a key, in a fixed order; secrets are masked.
    pub origins: Vec<OriginRow>,
    /// What is not wrong but should not stay so, for a person.
    pub warnings: Vec<String>,
}

impl HubConfig {
    /// Makes the configuration of a hub on the default port with its default certificate name.
    #[must_use]
    pub fn new(id: HubId, server_host: impl Into<String>, pins: Vec<Pin>) -> Self {
        Self {
            id,
            server_host: server_host.into(),
            grpc_port: DEFAULT_GRPC_PORT,
            server_name: default_server_name(id),
            ca_spki_sha256: pins,
            ca_pem: None,
            trust_anchor: None,
        }
    }

    /// Sets the port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.grpc_port = port;
        self
    }

    /// Sets the name that the hub's certificate must have.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = name.into();
        self
    }

    /// Sets the key that signs whom the node trusts.
    #[must_use]
    pub fn trust_anchor(mut self, anchor: Anchor) -> Self {
        self.trust_anchor = Some(anchor);
        self
    }

    /// Adds certificates of the authority, PEM.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<String>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }
}

impl NodeConfig {
    /// Makes a configuration with defaults for all but the hub and the data directory.
    #[must_use]
    pub fn new(hub: HubConfig, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            hub,
            name: None,
            id: None,
            data_dir: data_dir.into(),
            labels: BTreeMap::new(),
            workspace: None,
            max_tasks: DEFAULT_MAX_TASKS,
            reconnect_limit: None,
            drain: DEFAULT_DRAIN,
            invite: None,
            policy: None,
        }
    }

    /// Reads the YAML file at `path` and the variables `CORTEX_NODE_…` of `environment`.
    ///
    /// Each key can be set by a variable: its path in upper case with two underscores between the
    /// levels, such as `CORTEX_NODE_HUB__SERVER_HOST`. Relative paths in values are relative to
    /// the file's directory, also those from variables. Without `node.data_dir`, the data is kept
    /// in `cortex-node-data` beside the file.
    ///
    /// # Errors
    /// `NotFound`: no such file. `Invalid`: the file is no YAML, has an unknown key or a wrong
    /// value (with line and column), a variable is unknown or wrong, or a value that must be there
    /// is missing. `Denied`: the file cannot be read.
    pub fn load(path: &Path, environment: &Environment) -> Result<Loaded> {
        file::load(path, environment)
    }

    /// Reads a configuration from a text that is in no file, such as an invite's answer.
    ///
    /// Relative paths are relative to `base`; the rest is as with [`Self::load`].
    ///
    /// # Errors
    /// `Invalid`, as with [`Self::load`].
    pub fn parse(text: &str, base: &Path, environment: &Environment) -> Result<Self> {
        let mut written = file::parse(text).map_err(invalid)?;
        file::complete(&mut written, base, environment).map(|(config, _)| config)
    }

    /// Sets the invite to enrol with.
    #[must_use]
    pub fn invite(mut self, invite: InviteToken) -> Self {
        self.invite = Some(invite);
        self
    }

    /// Sets the node's own policy.
    #[must_use]
    pub fn policy(mut self, policy: SandboxPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets where tasks run that do not say where.
    #[must_use]
    pub fn workspace(mut self, workspace: impl Into<PathBuf>) -> Self {
        self.workspace = Some(workspace.into());
        self
    }

    /// Sets how many tasks run at once.
    #[must_use]
    pub fn max_tasks(mut self, max_tasks: u32) -> Self {
        self.max_tasks = max_tasks;
        self
    }

    /// Sets how long running tasks get at a shutdown.
    #[must_use]
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Sets how many attempts to connect may fail in a row.
    #[must_use]
    pub fn reconnect_limit(mut self, limit: u32) -> Self {
        self.reconnect_limit = Some(limit);
        self
    }

    /// Checks what no single value shows.
    ///
    /// # Errors
    /// `Invalid`: names the key, and what it must be.
    pub fn validate(&self) -> Result<()> {
        if self.hub.ca_spki_sha256.is_empty() {
            return Err(invalid("hub.ca_spki_sha256 is missing")
                .with_hint("it is how the node tells its hub from another; make a new invite"));
        }
        if self.hub.server_host.is_empty() || self.hub.server_name.is_empty() {
            return Err(invalid("hub.server_host and hub.server_name must not be empty"));
        }
        if self.hub.grpc_port == 0 {
            return Err(invalid("hub.grpc_port must not be 0"));
        }
        if self.max_tasks == 0 || self.max_tasks > MAX_TASKS {
            return Err(invalid(format!("node.max_tasks must be 1 to {MAX_TASKS}")));
        }
        if self.reconnect_limit == Some(0) {
            return Err(invalid("node.reconnect_limit must be at least 1, or absent"));
        }
        check_labels(&self.labels).map_err(|error| invalid(format!("node.labels: {error}")))?;
        if let Some(policy) = &self.policy {
            policy.validate().map_err(|error| invalid(format!("policy: {error}")))?;
        }
        Ok(())
    }

    /// Where tasks run that do not say where.
    #[must_use]
    pub fn workspace_dir(&self) -> PathBuf {
        self.workspace.clone().unwrap_or_else(|| self.data_dir.join("workspace"))
    }
}

fn default_server_name(id: HubId) -> String {
    // Host names have no underscores.
    format!("{}.cortex.internal", id.to_string().replace('_', "-"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "read node configuration", message).with_code("bad_config")
}

#[cfg(test)]
mod tests;
