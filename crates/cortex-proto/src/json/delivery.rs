//! How soon tasks are wanted, what they wait for, and slots of nodes.

use serde::Deserialize;
use serde::Serialize;

/// How soon a task is wanted, until when, and how often it may be tried.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryInfo {
    /// Its priority among its user's tasks, 0 to 255; absent for the ordinary one, 128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// It ends as timed out if it has not ended by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// How many attempts it may have, should nodes be lost; absent for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u8>,
}

/// What a queued task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaitInfo {
    /// How many tasks of its user are to go before it. Between users, turns are taken.
    pub ahead: u64,
    /// `slot`, `quota`, `claim`, or why no node could take it: `node_offline`, `node_cordoned`,
    /// `no_fitting_node` and the like.
    pub code: String,
    /// The same in a sentence.
    pub message: String,
}

/// Drains a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DrainRequest {
    /// Cancels what still runs after this time, in milliseconds; waits without limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}
