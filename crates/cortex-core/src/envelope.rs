//! The exact bytes that are signed for everything a hub tells a node to do.
//!
//! Big-endian, fixed order, every field always present; the layout is drawn in
//! `docs/design/envelope.md` together with a test vector. A node verifies the signature over these
//! bytes, and the payload's digest over the payload's *raw* bytes, before it decodes anything:
//! protobuf is never re-encoded in order to verify.

mod check;

use ed25519_dalek::Signature;
use ed25519_dalek::Signer;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use sha2::Digest as _;
use sha2::Sha256;

pub use check::CLOCK_SKEW;
pub use check::Expected;
pub use check::MAX_LIFE;
pub use check::Refusal;
pub use check::verify;

use crate::id::HubId;
use crate::id::NodeId;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::layout::Reader;
use crate::timestamp::Timestamp;

/// First bytes of every envelope; a new layout gets a new one.
pub const DOMAIN: &[u8; 15] = b"cortex/task/v1\0";

/// Bytes of an envelope without the payload type's text.
const FIXED_LEN: usize = 15 + 1 + 8 + 16 * 3 + 8 + 16 + 4 + 8 + 8 + 8 + 16 + 32 + 4 + 8 + 32;

/// The longest payload type that is read, in bytes.
pub const MAX_TYPE_LEN: usize = 128;

/// What a signed message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Run a task.
    Task = 1,
    /// Cancel a task.
    Cancel = 2,
    /// A sandbox policy.
    Policy = 3,
    /// A change of files in a workspace.
    FileOp = 4,
    /// Control of the node itself.
    Control = 5,
    /// Something for a running task: bytes, a terminal's size, the end of its input.
    Input = 6,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        let kinds =
            [Kind::Task, Kind::Cancel, Kind::Policy, Kind::FileOp, Kind::Control, Kind::Input];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Names a signing key: the first 8 bytes of the SHA-256 of its public half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// The name of `key`.
    #[must_use]
    pub fn of(key: &VerifyingKey) -> Self {
        let digest = Sha256::digest(key.as_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self(id)
    }
}

/// One message from hub to node, as it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload asks for.
    pub kind: Kind,
    /// Which of the node's task keys signs it.
    pub key: KeyId,
    /// The hub that asks.
    pub hub: HubId,
    /// The node that is asked.
    pub node: NodeId,
    /// The session it belongs to; all zero where it belongs to none.
    pub session: SessionId,
    /// The stream's epoch; messages of older epochs are refused.
    pub epoch: u64,
    /// The task; all zero where there is none.
    pub task: TaskId,
    /// The task's attempt, from 1; 0 where there is no task.
    pub attempt: u32,
    /// Strictly increasing within an epoch, from 1.
    pub sequence: u64,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// When it stops being good; at most ten minutes after `issued_at`.
    pub expires_at: Timestamp,
    /// Random bytes, so that no two envelopes are equal.
    pub nonce: [u8; 16],
    /// SHA-256 of the policy's raw bytes that the message was planned against.
    pub policy: [u8; 32],
    /// Name of the payload's protobuf message, e.g. `cortex.v1.TaskRequest`.
    pub payload_type: String,
    /// Length of the raw payload in bytes.
    pub payload_len: u64,
    /// SHA-256 of the raw payload.
    pub payload_digest: [u8; 32],
}

/// An envelope's bytes with their signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The bytes that were signed.
    pub envelope: Vec<u8>,
    /// Ed25519 (RFC 8032) over them.
    pub signature: [u8; 64],
}

impl Envelope {
    /// Sets length and digest of the payload from its raw bytes.
    #[must_use]
    pub fn for_payload(mut self, payload: &[u8]) -> Self {
        self.payload_len = payload.len() as u64;
        self.payload_digest = Sha256::digest(payload).into();
        self
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED_LEN + self.payload_type.len());
        out.extend_from_slice(DOMAIN);
        out.push(self.kind as u8);
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(self.hub.as_bytes());
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(self.session.as_bytes());
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(self.task.as_bytes());
        out.extend_from_slice(&self.attempt.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.issued_at.as_millis().to_be_bytes());
        out.extend_from_slice(&self.expires_at.as_millis().to_be_bytes());
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.policy);
        let type_len = u32::try_from(self.payload_type.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&type_len.to_be_bytes());
        out.extend_from_slice(self.payload_type.as_bytes());
        out.extend_from_slice(&self.payload_len.to_be_bytes());
        out.extend_from_slice(&self.payload_digest);
        out
    }

    /// Reads the bytes back; `None` where they are not exactly one envelope.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.array::<15>()? != *DOMAIN {
            return None;
        }
        let envelope = Self {
            kind: Kind::from_byte(reader.array::<1>()?[0])?,
            key: KeyId(reader.array()?),
            hub: HubId::from_bytes(reader.array()?),
            node: NodeId::from_bytes(reader.array()?),
            session: SessionId::from_bytes(reader.array()?),
            epoch: u64::from_be_bytes(reader.array()?),
            task: TaskId::from_bytes(reader.array()?),
            attempt: u32::from_be_bytes(reader.array()?),
            sequence: u64::from_be_bytes(reader.array()?),
            issued_at: Timestamp::from_millis(i64::from_be_bytes(reader.array()?)),
            expires_at: Timestamp::from_millis(i64::from_be_bytes(reader.array()?)),
            nonce: reader.array()?,
            policy: reader.array()?,
            payload_type: String::from_utf8(reader.bytes(MAX_TYPE_LEN)?.to_vec()).ok()?,
            payload_len: u64::from_be_bytes(reader.array()?),
            payload_digest: reader.array()?,
        };
        reader.is_done().then_some(envelope)
    }

    /// Signs the envelope; `key` must be the one that `self.key` names.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signed {
        let envelope = self.to_bytes();
        let signature: Signature = key.sign(&envelope);
        Signed { envelope, signature: signature.to_bytes() }
    }
}
