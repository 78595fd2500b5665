//! Events of a session's log, and of the hub as a whole.

use serde::Deserialize;
use serde::Serialize;

use super::NodeStatusInfo;
use super::TaskInfo;

/// One entry of a session's log.
///
/// Types: `node.attached`, `node.detached`, `session.closed`, `task.submitted`, `task.assigned`,
/// `task.returned`, `task.retried`, `task.started`, `task.output`, `task.file_bytes`, `task.file`, `task.truncated`, `task.progress`,
/// `task.cancel_requested`, `task.ended`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventInfo {
    /// Its number in the log, from 1 without gaps; the cursor.
    pub seq: u64,
    /// When it was stored.
    pub at: String,
    /// The session, `ses_…`.
    pub session: String,
    /// What happened; new types may be added.
    #[serde(rename = "type")]
    pub kind: String,
    /// The task that it is about, `tsk_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What belongs to the type. For `task.output`: `stream`, `offset`, `len`, and `data` with its
    /// `encoding` where the piece is at most 16 KiB; longer pieces are read from the task's output.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: serde_json::Value,
}

/// A change of a node or task, as it happens; not stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "lives for one event; never kept in numbers")]
pub enum HubEvent {
    /// A node came, went, or was changed.
    #[serde(rename = "node.status")]
    NodeStatus {
        /// The node as it now is.
        node: NodeStatusInfo,
    },
    /// A task moved.
    #[serde(rename = "task.state")]
    TaskState {
        /// The task as it now is.
        task: TaskInfo,
    },
    /// Events were lost between this one and the reader's last: read lists anew.
    #[serde(rename = "reset")]
    Reset,
}
