//! The mesh at a glance.

use serde::Deserialize;
use serde::Serialize;

/// Nodes, tasks, rates and the hub, as the caller may see them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeshInfo {
    /// When it was looked at.
    pub at: String,
    /// The hub itself.
    pub hub: MeshHub,
    /// How many nodes there are.
    pub node_counts: MeshNodes,
    /// Slots of the nodes that are online.
    #[serde(default)]
    pub slots: MeshSlots,
    /// Tasks that have not ended.
    pub tasks: MeshTasks,
    /// How many tasks begin and end.
    pub rates: MeshRates,
    /// The first nodes, in the order that was asked for.
    pub nodes: Vec<MeshNode>,
}

/// The hub's process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeshHub {
    /// Version of its software.
    pub version: String,
    /// How long it has been up.
    pub uptime_ms: u64,
    /// Memory that it uses, in bytes; absent where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// Nodes by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeshNodes {
    /// All.
    pub total: u32,
    /// Those that are there.
    pub online: u32,
    /// Those that are away.
    pub offline: u32,
    /// Those that never came.
    pub pending: u32,
    /// Those that are locked.
    pub revoked: u32,
    /// Those, among all, that take no new tasks.
    pub cordoned: u32,
}

/// How many tasks nodes take at once, and how many more there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeshSlots {
    /// All.
    pub total: u64,
    /// Those that are taken, by whomever, or kept for a task on its way.
    pub taken: u64,
}

/// Open tasks by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeshTasks {
    /// They wait for a node.
    pub queued: u32,
    /// A node was chosen, and has not said that they run.
    pub assigned: u32,
    /// They run.
    pub running: u32,
    /// Their end was asked for.
    pub cancelling: u32,
}

/// How many tasks begin and end a second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeshRates {
    /// On average over the last ten seconds.
    pub ten_seconds: RateInfo,
    /// On average over the last minute.
    pub minute: RateInfo,
}

/// Tasks a second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RateInfo {
    /// Asked for.
    pub submitted: f64,
    /// Begun on a node.
    pub started: f64,
    /// Ended, however.
    pub ended: f64,
    /// Of those, neither succeeded nor cancelled.
    pub failed: f64,
}

/// A node and its load.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeshNode {
    /// `nod_…`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// `pending`, `online`, `offline` or `revoked`.
    pub status: String,
    /// New tasks go elsewhere.
    pub cordoned: bool,
    /// Version of its software.
    pub version: String,
    /// Tasks that the hub has on it.
    pub tasks: u32,
    /// How many tasks it runs at once.
    #[serde(default)]
    pub slots: u32,
    /// How many of its slots are taken, or kept for a task on its way.
    #[serde(default)]
    pub slots_taken: u32,
    /// Share of all cores in use, 0–100, when it last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f32>,
    /// Load average over one minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_one: Option<f32>,
    /// Memory in use, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used: Option<u64>,
    /// Memory of the machine, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total: Option<u64>,
}
