//! The hub's own keys, without their secrets.

use serde::Deserialize;
use serde::Serialize;

/// The hub's keys, and how far connected nodes know them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrustInfo {
    /// Grows with each change.
    pub serial: u64,
    /// The public half of the key that signs what nodes are to trust: 64 hex digits.
    pub trust_anchor: String,
    /// The rings of keys: `ca`, then `signing`.
    pub rings: Vec<TrustRingInfo>,
    /// How many nodes are connected.
    pub nodes_online: u64,
    /// Names of connected nodes that have not got the newest keys yet.
    pub nodes_behind: Vec<String>,
}

/// The keys of one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrustRingInfo {
    /// `ca` or `signing`.
    pub ring: String,
    /// The keys, the active one first.
    pub keys: Vec<TrustKeyInfo>,
    /// The step that a rotation takes next: `prepare`, `activate`, `taint` or `revoke`.
    pub next: String,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrustKeyInfo {
    /// Its number in the ring; no later key gets it again.
    pub number: u32,
    /// `prepared`, `active`, `retiring` or `tainted`.
    pub phase: String,
    /// Of a tainted key: when it stops being accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_until: Option<String>,
    /// Of an authority: SHA-256 of its public key, 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// How a step of a rotation is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrustRequest {
    /// Activate a key that not all connected nodes have yet, or revoke one before its time is over.
    pub force: bool,
}
