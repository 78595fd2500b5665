//! Which nodes can take a task, and why not.

use serde::Deserialize;
use serde::Serialize;

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
}

/// One reason why a node cannot take a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReasonInfo {
    /// `not_attached`, `not_named`, `not_shared`, `labels`, `requirement`, `skill`, `offline`,
    /// `cordoned` or `full`.
    pub code: String,
    /// The reason in a sentence, e.g. `gpu.memory is 8 GiB, needs at least 16 GiB`.
    pub message: String,
    /// Of a requirement with one condition that is not met: the condition, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
}
