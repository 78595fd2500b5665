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
    if expected.policy.is_some_and(|policy| policy != parsed.policy) && parsed.kind == Kind::Task {
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
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::envelope::Signed;
    use crate::id::SessionId;
    use crate::id::TaskId;

    const PAYLOAD: &[u8] = &[0x0a, 0x02, 0x6c, 0x73, 0x12, 0x02, 0x2d, 0x6c];

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn vector() -> Envelope {
        Envelope {
            kind: Kind::Task,
            key: KeyId::of(&key().verifying_key()),
            hub: HubId::from_bytes([1; 16]),
            node: NodeId::from_bytes([2; 16]),
            session: SessionId::from_bytes([3; 16]),
            epoch: 5,
            task: TaskId::from_bytes([4; 16]),
            attempt: 1,
            sequence: 42,
            issued_at: Timestamp::from_millis(1_700_000_000_000),
            expires_at: Timestamp::from_millis(1_700_000_060_000),
            nonce: [9; 16],
            policy: [0xaa; 32],
            payload_type: "cortex.v1.ShellTask".to_owned(),
            payload_len: 0,
            payload_digest: [0; 32],
        }
        .for_payload(PAYLOAD)
    }

    fn check(signed: &Signed, change: impl FnOnce(&mut Expected<'_>)) -> Result<Envelope, Refusal> {
        let keys = [key().verifying_key()];
        let mut expected = Expected {
            keys: &keys,
            hub: HubId::from_bytes([1; 16]),
            node: NodeId::from_bytes([2; 16]),
            epoch: 5,
            last_sequence: 41,
            policy: Some([0xaa; 32]),
            now: Timestamp::from_millis(1_700_000_000_000),
        };
        change(&mut expected);
        verify(&signed.envelope, &signed.signature, PAYLOAD, &expected)
    }

    #[test]
    fn the_published_vector_holds() {
        let signed = vector().sign(&key());
        assert_eq!(signed.envelope.len(), 235);
        let digest = Sha256::digest(&signed.envelope);
        assert_eq!(
            hex::encode(digest),
            "987c78a396afc649ffc7fa557e5befd13deb2011c9e543f84a167c5f91f9623b"
        );
        assert_eq!(
            hex::encode(signed.signature),
            "65bc4b1ce62f75aea54bb29b479634f25be45a7a7c68c2cc97d056f6bf82fa10\
             55c4b5813b686e9c64422e5ea39c65e7ecac562d319a7b91caa9ba2d96d9c807"
        );
        assert_eq!(check(&signed, |_| ()), Ok(vector()));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let signed = vector().sign(&key());
        for bit in 0..signed.envelope.len() * 8 {
            let mut flipped = signed.clone();
            flipped.envelope[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&flipped, |_| ()).is_err(), "envelope bit {bit}");
        }
        for bit in 0..512 {
            let mut flipped = signed.clone();
            flipped.signature[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(check(&flipped, |_| ()), Err(Refusal::BadSignature), "signature bit {bit}");
        }
    }

    #[test]
    fn address_epoch_sequence_and_policy_must_agree() {
        let signed = vector().sign(&key());
        let other_node = NodeId::from_bytes([8; 16]);
        assert_eq!(check(&signed, |e| e.node = other_node), Err(Refusal::WrongAddress));
        assert_eq!(check(&signed, |e| e.epoch = 6), Err(Refusal::Fenced));
        assert_eq!(check(&signed, |e| e.last_sequence = 42), Err(Refusal::Replay));
        assert_eq!(check(&signed, |e| e.policy = Some([0; 32])), Err(Refusal::PolicyStale));
        assert_eq!(check(&signed, |e| e.keys = &[]), Err(Refusal::UnknownKey));
    }

    #[test]
    fn time_is_checked_to_the_millisecond() {
        let signed = vector().sign(&key());
        let at = |millis: i64| check(&signed, |e| e.now = Timestamp::from_millis(millis)).is_ok();
        assert!(at(1_700_000_000_000 - 30_000) && !at(1_700_000_000_000 - 30_001));
        assert!(at(1_700_000_060_000 + 30_000) && !at(1_700_000_060_000 + 30_001));
        let mut long = vector();
        long.expires_at = long.issued_at + MAX_LIFE + Duration::from_millis(1);
        assert_eq!(check(&long.sign(&key()), |_| ()), Err(Refusal::ClockSkew));
    }

    #[test]
    fn another_payload_is_refused() {
        let mut other = vector();
        other.payload_digest = [0; 32];
        assert_eq!(check(&other.sign(&key()), |_| ()), Err(Refusal::PayloadMismatch));
    }
}
