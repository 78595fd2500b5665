//! From a file and variables to a configuration.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::policy::SandboxPolicy;
use serde::Deserialize;
use serde::Deserializer;

use super::Anchor;
use super::DEFAULT_DRAIN;
use super::DEFAULT_GRPC_PORT;
use super::DEFAULT_MAX_TASKS;
use super::Environment;
use super::HubConfig;
use super::InviteToken;
use super::Loaded;
use super::NodeConfig;
use super::Pin;
use super::default_server_name;
use super::invalid;
use super::keys;

/// A configuration file larger than this is refused.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The file as it is written: everything may be absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    pub(super) hub: WrittenHub,
    pub(super) node: WrittenNode,
    pub(super) invite: Option<InviteToken>,
    pub(super) policy: Option<SandboxPolicy>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenHub {
    pub(super) id: Option<HubId>,
    pub(super) server_host: Option<String>,
    pub(super) grpc_port: Option<u16>,
    pub(super) server_name: Option<String>,
    pub(super) ca_spki_sha256: Option<Vec<Pin>>,
    pub(super) ca_pem: Option<String>,
    pub(super) trust_anchor: Option<Anchor>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenNode {
    pub(super) name: Option<String>,
    pub(super) id: Option<NodeId>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) workspace: Option<PathBuf>,
    pub(super) max_tasks: Option<u32>,
    pub(super) reconnect_limit: Option<u32>,
    pub(super) drain: Option<Span>,
}

/// A span of time, written as in `30s` or `1m 30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl std::str::FromStr for Span {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|error| serde::de::Error::custom(format!("{error}; write it as in 30s")))
    }
}

pub(super) fn load(path: &Path, environment: &Environment) -> Result<Loaded> {
    let (text, is_private) = read(path)?;
    let from_file =
        parse(&text).map_err(|error| invalid(format!("{}: {error}", path.display())))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let (config, from_environment) = complete(&mut from_file.clone(), base, environment)?;
    let mut warnings = Vec::new();
    if from_file.invite.is_some() && !is_private {
        let shown = path.display();
        warnings.push(format!(
            "{shown} holds an invite and can be read by others; run: chmod 600 {shown}"
        ));
    }
    let origins = keys::origins(&from_file, &from_environment, &config);
    Ok(Loaded { config, origins, warnings })
}

/// Reads what is written, and says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Written, String> {
    if text.trim().is_empty() {
        return Ok(Written::default());
    }
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}

/// Adds variables and defaults; says which keys the variables have set.
pub(super) fn complete(
    written: &mut Written,
    base: &Path,
    environment: &Environment,
) -> Result<(NodeConfig, BTreeMap<&'static str, String>)> {
    let from_environment = keys::apply(written, environment)?;
    let config = finish(written.clone(), base)?;
    config.validate()?;
    Ok((config, from_environment))
}

fn read(path: &Path) -> Result<(String, bool)> {
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::Invalid,
        };
        let message = format!("cannot read {}: {error}", path.display());
        Error::new(kind, "read node configuration", message).with_source(error)
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.len() > MAX_FILE_BYTES {
        let shown = path.display();
        return Err(invalid(format!("{shown} has more than {MAX_FILE_BYTES} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    Ok((text, is_private(&metadata)))
}

#[cfg(unix)]
fn is_private(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(_: &std::fs::Metadata) -> bool {
    true
}

fn finish(written: Written, base: &Path) -> Result<NodeConfig> {
    let Written { hub, node, invite, policy } = written;
    let missing = |key: &str| {
        invalid(format!("{key} is missing"))
            .with_hint("take the file that was made with the invite")
    };
    let id = hub.id.ok_or_else(|| missing("hub.id"))?;
    Ok(NodeConfig {
        hub: HubConfig {
            id,
            server_host: hub.server_host.ok_or_else(|| missing("hub.server_host"))?,
            grpc_port: hub.grpc_port.unwrap_or(DEFAULT_GRPC_PORT),
            server_name: hub.server_name.unwrap_or_else(|| default_server_name(id)),
            ca_spki_sha256: hub.ca_spki_sha256.ok_or_else(|| missing("hub.ca_spki_sha256"))?,
            ca_pem: hub.ca_pem,
            trust_anchor: hub.trust_anchor,
        },
        name: node.name,
        id: node.id,
        data_dir: base.join(node.data_dir.unwrap_or_else(|| "cortex-node-data".into())),
        labels: node.labels.unwrap_or_default(),
        workspace: node.workspace.map(|path| base.join(path)),
        max_tasks: node.max_tasks.unwrap_or(DEFAULT_MAX_TASKS),
        reconnect_limit: node.reconnect_limit,
        drain: node.drain.map_or(DEFAULT_DRAIN, |span| span.0),
        invite,
        policy,
    })
}
