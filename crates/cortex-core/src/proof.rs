//! The bytes that a node signs with its identity key to prove who it is.
//!
//! Each begins with a text of its own, so that a signature for one purpose is none for another.

use sha2::Digest as _;
use sha2::Sha256;

use crate::id::BootId;
use crate::id::HubId;
use crate::id::InviteId;
use crate::id::NodeId;

/// Length of every challenge in bytes.
pub const CHALLENGE_LEN: usize = 32;

/// What a machine that enrols says about itself.
#[derive(Debug, Clone, Copy)]
pub struct EnrolmentClaim<'a> {
    /// The hub that it dialled.
    pub hub: HubId,
    /// The invite that it uses.
    pub invite: InviteId,
    /// The hub's challenge.
    pub challenge: &'a [u8; CHALLENGE_LEN],
    /// Its certificate signing request, DER; empty for none.
    pub csr: &'a [u8],
    /// Its Ed25519 identity key.
    pub identity: &'a [u8; 32],
    /// Its host name.
    pub host_name: &'a str,
}

/// Bytes that prove possession of the identity key at enrolment.
#[must_use]
pub fn enrolment(claim: &EnrolmentClaim<'_>) -> Vec<u8> {
    let mut out = b"cortex/enroll/v1\0".to_vec();
    out.extend_from_slice(claim.hub.as_bytes());
    out.extend_from_slice(claim.invite.as_bytes());
    out.extend_from_slice(claim.challenge);
    out.extend_from_slice(&Sha256::digest(claim.csr));
    out.extend_from_slice(claim.identity);
    let len = u32::try_from(claim.host_name.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(claim.host_name.as_bytes());
    out
}

/// Bytes that prove possession of the identity key to get an access token.
#[must_use]
pub fn token(hub: HubId, node: NodeId, challenge: &[u8; CHALLENGE_LEN]) -> Vec<u8> {
    let mut out = b"cortex/token/v1\0".to_vec();
    out.extend_from_slice(hub.as_bytes());
    out.extend_from_slice(node.as_bytes());
    out.extend_from_slice(challenge);
    out
}

/// Bytes that prove possession of the identity key to renew the node's certificate: for the key of
/// this signing request, from this generation on.
#[must_use]
pub fn renewal(
    hub: HubId,
    node: NodeId,
    challenge: &[u8; CHALLENGE_LEN],
    generation: u64,
    csr: &[u8],
) -> Vec<u8> {
    let mut out = b"cortex/renew/v1\0".to_vec();
    out.extend_from_slice(hub.as_bytes());
    out.extend_from_slice(node.as_bytes());
    out.extend_from_slice(challenge);
    out.extend_from_slice(&generation.to_be_bytes());
    out.extend_from_slice(&Sha256::digest(csr));
    out
}

/// Bytes that prove possession of the identity key and of the one that is to take its place: each
/// signs all of them. The layout is drawn in `docs/design/identity.md`.
#[must_use]
pub fn identity_change(
    hub: HubId,
    node: NodeId,
    challenge: &[u8; CHALLENGE_LEN],
    from: &[u8; 32],
    to: &[u8; 32],
) -> Vec<u8> {
    let mut out = b"cortex/identity/v1\0".to_vec();
    out.extend_from_slice(hub.as_bytes());
    out.extend_from_slice(node.as_bytes());
    out.extend_from_slice(challenge);
    out.extend_from_slice(from);
    out.extend_from_slice(to);
    out
}

/// Bytes that prove possession of the identity key when a control stream is opened.
#[must_use]
pub fn stream(
    hub: HubId,
    node: NodeId,
    nonce: &[u8; CHALLENGE_LEN],
    boot: BootId,
    generation: u64,
) -> Vec<u8> {
    let mut out = b"cortex/session/v1\0".to_vec();
    out.extend_from_slice(hub.as_bytes());
    out.extend_from_slice(node.as_bytes());
    out.extend_from_slice(nonce);
    out.extend_from_slice(boot.as_bytes());
    out.extend_from_slice(&generation.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proof_is_a_prefix_of_another() {
        let (hub, node) = (HubId::from_bytes([1; 16]), NodeId::from_bytes([2; 16]));
        let (invite, boot) = (InviteId::from_bytes([3; 16]), BootId::from_bytes([4; 16]));
        let claim = EnrolmentClaim {
            hub,
            invite,
            challenge: &[5; 32],
            csr: b"",
            identity: &[6; 32],
            host_name: "lab",
        };
        let proofs = [
            enrolment(&claim),
            token(hub, node, &[5; 32]),
            renewal(hub, node, &[5; 32], 1, b""),
            identity_change(hub, node, &[5; 32], &[6; 32], &[7; 32]),
            stream(hub, node, &[5; 32], boot, 1),
        ];
        let lengths = [17 + 16 * 2 + 32 * 3 + 4 + 3, 80, 120, 147, 106];
        assert_eq!(proofs.each_ref().map(Vec::len), lengths);
        for (at, proof) in proofs.iter().enumerate() {
            let others = proofs.iter().enumerate().filter(|(other, _)| *other != at);
            assert!(others.into_iter().all(|(_, other)| !other.starts_with(&proof[..15])));
        }
    }

    #[test]
    fn the_published_change_of_a_key_holds() {
        use ed25519_dalek::Signer as _;
        let keys = [8, 9].map(|seed| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]));
        let [from, to] = keys.each_ref().map(|key| key.verifying_key().to_bytes());
        let (hub, node) = (HubId::from_bytes([1; 16]), NodeId::from_bytes([2; 16]));
        let bytes = identity_change(hub, node, &[5; 32], &from, &to);
        assert_eq!(
            hex::encode(Sha256::digest(&bytes)),
            "1c3b9eb7fa774aa6c44d6dc285aea93721f093a269ae291b2fbf10848b318a30"
        );
        let signatures = keys.each_ref().map(|key| hex::encode(key.sign(&bytes).to_bytes()));
        let expected = [
            "c343cec157b98f90f2fc1d189c064ae880d8af594c89f073261b3bd77fc1fa6d\
             897489b0007e2ec750e2a8ad50a57365e48efbe693e3823493379d2208aab309",
            "f6e7f47ae4c8a64ba3b22a031d93bc5fe505db207cf7d5e3601f8f7af9e19e4b\
             dd8e8cb067b7c0298ea5f4d7b0780525d9d73883780b70d7c78a1bef28287c06",
        ];
        assert_eq!(signatures, expected);
    }
}
