//! Sessions.

use serde::Deserialize;
use serde::Serialize;

/// Asks for a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionRequest {
    /// Name for people; at most 128 characters, made up if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Nodes to attach, by id or name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionInfo {
    /// `ses_…`.
    pub id: String,
    /// Its owner, `usr_…`.
    pub owner: String,
    /// Name for people.
    pub name: String,
    /// `open` or `closed`.
    pub status: String,
    /// Ids of the attached nodes, in the order of their attachment.
    pub nodes: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<String>,
}
