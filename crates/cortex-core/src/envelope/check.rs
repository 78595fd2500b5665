//! What a node checks before it obeys, in the order that gives an attacker least.

use std::time::Duration;

use ed25519_dalek::Signature;
use ed25519_dalek::VerifyingKey;
use sha2::Digest as _;
use sha2::Sha256;

use super::Envelope;
use super::KeyId;
use super::Kind;
use crate::id::HubId;
use crate::id::NodeId;
use crate::timestamp::Timestamp;

/// How far hub and node clocks may be apart.
pub const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// The longest life an envelope may have.
pub const MAX_LIFE: Duration = Duration::from_secs(600);

/// What the node knows and the envelope must agree with.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// The keys that may sign for this node now.
    pub keys: &'a [VerifyingKey],
    /// The hub that the node enrolled with.
    pub hub: HubId,
    /// The node itself.
    pub node: NodeId,
    /// The epoch of the open stream.
    pub epoch: u64,
    /// The highest sequence accepted in this epoch, 0 before the first.
    pub last_sequence: u64,
    /// SHA-256 of the policy in force; `None` for messages that carry a policy themselves.
    pub policy: Option<[u8; 32]>,
    /// The node's clock.
    pub now: Timestamp,
}

/// Why a signed message is not obeyed. Each has a stable word for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are no envelope of this version.
    #[error("MALFORMED: not an envelope of version 1")]
    Malformed,
    /// No key of that name is known.
    #[error("UNKNOWN_KEY: signed with a key that this node does not hold")]
    UnknownKey,
    /// The signature does not fit the bytes.
    #[error("BAD_SIGNATURE: the signature does not fit")]
    BadSignature,
    /// Meant for another hub's node, or for another node.
    #[error("WRONG_ADDRESS: meant for another hub or node")]
    WrongAddress,
    /// From a stream that is no longer the newest.
    #[error("FENCED: from an older stream of this node")]
    Fenced,
    /// The sequence does not increase: a replay.
    #[error("REPLAY: the sequence number was used before")]
    Replay,
    /// Not yet or no longer good by this node's clock, or good for too long.
    #[error("CLOCK_SKEW: not good at this node's time")]
    ClockSkew,
    /// Planned against a policy that is not in force.
    #[error("POLICY_STALE: planned against another policy than the one in force")]
    PolicyStale,
    /// The payload is not the one that was signed.
    #[error("PAYLOAD_MISMATCH: the payload is not the one that was signed")]
    PayloadMismatch,
}

impl Refusal {
    /// The stable word, e.g. `"REPLAY"`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Refusal::Malformed => "MALFORMED",
            Refusal::UnknownKey => "UNKNOWN_KEY",
            Refusal::BadSignature => "BAD_SIGNATURE",
            Refusal::WrongAddress => "WRONG_ADDRESS",
            Refusal::Fenced => "FENCED",
            Refusal::Replay => "REPLAY",
            Refusal::ClockSkew => "CLOCK_SKEW",
            Refusal::PolicyStale => "POLICY_STALE",
            Refusal::PayloadMismatch => "PAYLOAD_MISMATCH",
        }
    }
}

/// Verifies signature, address, epoch, sequence, time, policy and payload, in this order.
///
/// The result may be decoded and obeyed; the caller then records its sequence so that the next
/// call's [`Expected::last_sequence`] refuses a replay.
///
/// # Errors
/// The first check that fails, as a [`Refusal`].
pub fn verify(
    envelope: &[u8],
    signature: &[u8],
    payload: &[u8],
    expected: &Expected<'_>,
) -> Result<Envelope, Refusal> {
    let parsed = Envelope::from_bytes(envelope).ok_or(Refusal::Malformed)?;
    let key =
        expected.keys.iter().find(|key| KeyId::of(key) == parsed.key).ok_or(Refusal::UnknownKey)?;
    let signature = Signature::from_slice(signature).map_err(|_| Refusal::BadSignature)?;
    key.verify_strict(envelope, &signature).map_err(|_| Refusal::BadSignature)?;
    if parsed.hub != expected.hub || parsed.node != expected.node {
        return Err(Refusal::WrongAddress);
    }
    if parsed.epoch != expected.epoch {
        return Err(Refusal::Fenced);
    }
    if parsed.sequence <= expected.last_sequence {
        return Err(Refusal::Replay);
    }
    check_time(&parsed, expected.now)?;
    // What ends something, or is the newer policy itself, counts whatever was in force before.
    let is_planned = matches!(parsed.kind, Kind::Task | Kind::FileOp);
    if is_planned && expected.policy.is_some_and(|policy| policy != parsed.policy) {
        return Err(Refusal::PolicyStale);
    }
    let digest: [u8; 32] = Sha256::digest(payload).into();
    if parsed.payload_len != payload.len() as u64 || parsed.payload_digest != digest {
        return Err(Refusal::PayloadMismatch);
    }
    Ok(parsed)
}

fn check_time(envelope: &Envelope, now: Timestamp) -> Result<(), Refusal> {
    let (issued, expires) = (envelope.issued_at, envelope.expires_at);
    let life_is_sane = issued < expires && expires.since(issued) <= MAX_LIFE;
    let is_good_now = issued <= now + CLOCK_SKEW && now <= expires + CLOCK_SKEW;
    if life_is_sane && is_good_now { Ok(()) } else { Err(Refusal::ClockSkew) }
}

#[cfg(test)]
mod tests;
