//! Which nodes can take a task, and why not.

use serde::Deserialize;
use serde::Serialize;

use super::WaitInfo;

/// Whether a node can take a task now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FitInfo {
    /// `nod_…`.
    pub node: String,
    /// Its name; its id where it is not shared with the caller any more.
    pub name: String,
    /// It can.
    pub fits: bool,
    /// All reasons why it cannot, the worst first.
    pub reasons: Vec<ReasonInfo>,
    /// A slot of it is kept for the task, and only has to be claimed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

/// Why a task is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExplanationInfo {
    /// `tsk_…`.
    pub task: String,
    /// Its state, e.g. `queued`.
    pub state: String,
    /// The answer in a sentence.
    pub message: String,
    /// The node that has it or had it last; absent while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What it waits for; absent when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitInfo>,
    /// While it waits: all nodes that it could mean, those that could take it now first.
    pub nodes: Vec<FitInfo>,
}

/// One reason why a node cannot take a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReasonInfo {
    /// `not_attached`, `not_named`, `not_shared`, `labels`, `requirement`, `skill`, `offline`,
    /// `cordoned`, `silent` or `full`.
    pub code: String,
    /// The reason in a sentence, e.g. `gpu.memory is 8 GiB, needs at least 16 GiB`.
    pub message: String,
    /// Of a requirement with one condition that is not met: the condition, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
}
