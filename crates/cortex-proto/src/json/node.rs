//! Nodes and invites.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeInfo {
    /// `nod_…`.
    pub id: String,
    /// Name for people, unique among its owner's nodes.
    pub name: String,
    /// Its owner, `usr_…`.
    pub owner: String,
    /// Its owner's name; their id again where only the embedding service knows them.
    #[serde(default)]
    pub owner_name: String,
    /// What the caller may do with it: `own`, `manage` or `use`.
    #[serde(default)]
    pub access: String,
    /// `pending`, `online`, `offline` or `revoked`.
    pub status: String,
    /// Labels from its owner, and those of the node's own configuration below them.
    pub labels: BTreeMap<String, String>,
    /// New tasks go elsewhere.
    pub cordoned: bool,
    /// How many tasks it runs at once.
    #[serde(default)]
    pub slots: u32,
    /// How many of its slots are taken.
    #[serde(default)]
    pub tasks_open: u32,
    /// It may not connect until unlocked.
    pub locked: bool,
    /// Why the hub itself locked it: `cloned` (two copies of its data directory are in use) or
    /// `flapping` (two processes with its identity throw each other out).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_reason: Option<String>,
    /// Version of its software.
    pub version: String,
    /// What its machine has; absent until it first connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub capabilities: Option<serde_json::Value>,
    /// When it enrolled.
    pub enrolled_at: String,
    /// Since when it is online or offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When the hub last heard of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// Its last heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthInfo>,
}

/// Whether a node is there, and how it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeStatusInfo {
    /// `nod_…`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// `pending`, `online`, `offline` or `revoked`.
    pub status: String,
    /// Since when it is online or offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When the hub last heard of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// Its last heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthInfo>,
    /// Tasks that the hub believes to run there.
    pub tasks_open: u32,
    /// How many tasks it runs at once.
    #[serde(default)]
    pub slots: u32,
}

/// A node's load, as it measured it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthInfo {
    /// Share of all cores in use, 0–100.
    pub cpu_percent: f32,
    /// Memory in use, in bytes.
    pub memory_used: u64,
    /// Memory of the machine, in bytes.
    pub memory_total: u64,
    /// Free bytes on the disk of the node's data.
    pub disk_free: u64,
    /// Size of that disk, in bytes.
    pub disk_total: u64,
    /// Load average over one minute.
    pub load_one: f32,
    /// Tasks that run now.
    pub tasks_running: u32,
}

/// Changes of a node; absent keys stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodePatch {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New labels, in place of all old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Sends new tasks elsewhere, or here again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<bool>,
    /// Cuts the node off, or lets it in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
}

/// Shares a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GrantRequest {
    /// `use`: see it, attach it to sessions, run tasks on it. `manage`: also rename, label, cordon
    /// and lock it.
    pub access: String,
}

/// A user with whom a node is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GrantInfo {
    /// `usr_…`.
    pub user: String,
    /// The user's name.
    pub name: String,
    /// `use` or `manage`.
    pub access: String,
}

/// Asks for an invite.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteRequest {
    /// Name that the node gets: 1 to 63 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Labels that the node gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How long the invite is good, in milliseconds; 30 minutes if absent, 24 hours at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
}

/// A new invite. Its secret is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteCreated {
    /// `inv_…`.
    pub id: String,
    /// Name that the node gets.
    pub name: String,
    /// When it stops being good.
    pub expires_at: String,
    /// The invite with its secret, `cxi1.…`.
    pub token: String,
    /// The node's configuration, ready to be saved as `node.yaml`.
    pub config: String,
}

impl std::fmt::Debug for InviteCreated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InviteCreated").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An invite, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InviteInfo {
    /// `inv_…`.
    pub id: String,
    /// Name that the node gets.
    pub name: String,
    /// Labels that the node gets.
    pub labels: BTreeMap<String, String>,
    /// `open`, `used`, `withdrawn` or `expired`.
    pub state: String,
    /// When it was made.
    pub created_at: String,
    /// When it stops being good.
    pub expires_at: String,
    /// The node that it enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}
