//! Skills that nodes offer.

use serde::Deserialize;
use serde::Serialize;

/// A skill as one or more nodes offer it. Nodes that say different things of a skill of one name
/// make several of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SkillInfo {
    /// The name by which tasks ask for it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in a sentence; empty where nobody said.
    pub summary: String,
    /// JSON Schema of its input; in lists left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub input: Option<serde_json::Value>,
    /// JSON Schema of the value that it returns; in lists left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub output: Option<serde_json::Value>,
    /// How many nodes offer it.
    pub node_count: u32,
    /// How many of these are online.
    pub online_count: u32,
    /// The first 100 of these nodes, those that are online first.
    pub nodes: Vec<SkillPlace>,
}

/// A node that offers a skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SkillPlace {
    /// `nod_…`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// `pending`, `online`, `offline` or `revoked`.
    pub status: String,
}
