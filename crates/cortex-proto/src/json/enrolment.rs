//! Enrolment over HTTP, for machines that cannot speak gRPC yet. Bytes are standard base64.

use serde::Deserialize;
use serde::Serialize;

/// Asks for a challenge to enrol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertChallengeRequest {
    /// The invite's public half, `inv_…`.
    pub invite: String,
}

/// A challenge to enrol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertChallenge {
    /// 32 random bytes, good once and for 60 s.
    pub challenge: String,
    /// The hub's id, `hub_…`.
    pub hub: String,
    /// The hub's clock, in milliseconds since 1970.
    pub hub_time_ms: i64,
}

/// Uses an invite.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertRequest {
    /// The invite with its secret, `cxi1.…`.
    pub token: String,
    /// The challenge that is answered.
    pub challenge: String,
    /// A certificate signing request (PKCS#10, DER) for a P-256 key; only its public key is used.
    pub csr: String,
    /// The node's Ed25519 identity key, 32 bytes.
    pub identity_key: String,
    /// Ed25519 by the identity key over `cortex/enroll/v1` and a zero byte, hub id (16 bytes),
    /// invite id (16), challenge (32), SHA-256 of `csr` (32), `identity_key` (32), and `host_name`
    /// with its length (4, big-endian).
    pub signature: String,
    /// The machine's host name, at most 255 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_name: String,
    /// Version of the node's software, at most 64 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
}

impl std::fmt::Debug for CertRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertRequest").field("host_name", &self.host_name).finish_non_exhaustive()
    }
}

/// A new node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertIssued {
    /// The node's id, `nod_…`.
    pub node: String,
    /// Its name on the hub.
    pub name: String,
    /// Ed25519 keys that sign for this node, 32 bytes each; everything else is refused.
    pub task_keys: Vec<String>,
    /// Join-state generation.
    pub generation: u64,
    /// The node's certificate and then the hub's authority, PEM.
    pub certificate: String,
    /// How long the certificate is good from now on, in milliseconds.
    pub certificate_life_ms: u64,
}
