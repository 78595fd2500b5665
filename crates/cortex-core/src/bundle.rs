//! Whom a node trusts: the hub's certificate authorities and the node's task keys, signed by the
//! hub's trust anchor.
//!
//! The anchor is a key of its own, which signs bundles and nothing else; a node gets its public
//! half with the invite. A bundle carries nothing secret and proves itself, so it may come over any
//! connection, even one whose certificate the node cannot verify: this is how a node that was away
//! during a whole rotation finds back. The layout is fixed and drawn in `docs/design/bundle.md`
//! together with a test vector.

use ed25519_dalek::Signature;
use ed25519_dalek::Signer;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;

use crate::id::HubId;
use crate::id::NodeId;
use crate::layout::Reader;
use crate::ring::Phase;
use crate::timestamp::Timestamp;

/// First bytes of every bundle; a new layout gets a new one.
pub const DOMAIN: &[u8; 17] = b"cortex/bundle/v1\0";

/// The most authorities, and the most task keys, that a bundle may have.
pub const MAX_KEYS: usize = 8;

/// The longest certificate of an authority that is read, in bytes.
pub const MAX_CERTIFICATE_LEN: usize = 8 << 10;

/// A key with its phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted<K> {
    /// The key.
    pub key: K,
    /// Where it stands in its life.
    pub phase: Phase,
}

/// Whom one node trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The hub that it speaks for.
    pub hub: HubId,
    /// The node that it is for.
    pub node: NodeId,
    /// Grows with each change; a node takes no older bundle than the one it has.
    pub serial: u64,
    /// When this serial was made.
    pub issued_at: Timestamp,
    /// Certificates of the authorities that may sign for the hub, DER.
    pub authorities: Vec<Trusted<Vec<u8>>>,
    /// The keys that may sign what the node is told.
    pub task_keys: Vec<Trusted<VerifyingKey>>,
}

/// A bundle's bytes with their signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The bytes that were signed.
    pub bundle: Vec<u8>,
    /// The anchor's Ed25519 (RFC 8032) over them.
    pub signature: [u8; 64],
}

/// What a node knows and a bundle must agree with.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The public half of the hub's trust anchor.
    pub anchor: &'a VerifyingKey,
    /// The hub that the node enrolled with.
    pub hub: HubId,
    /// The node itself.
    pub node: NodeId,
    /// The bundle that the node has.
    pub held: Option<&'a Bundle>,
}

/// Why a bundle is not taken. Each has a stable word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The trust anchor did not sign it.
    #[error("BAD_SIGNATURE: the hub's trust anchor did not sign it")]
    BadSignature,
    /// The bytes are no bundle of this version.
    #[error("MALFORMED: not a bundle of version 1")]
    Malformed,
    /// For another hub's node, or for another node.
    #[error("WRONG_ADDRESS: meant for another hub or node")]
    WrongAddress,
    /// Older than the one that the node has, or another one of the same serial.
    #[error("OLDER: its serial is {found}, the node has {held}")]
    Older {
        /// The serial of the bundle.
        found: u64,
        /// The serial of the bundle that the node has.
        held: u64,
    },
}

impl Bundle {
    /// The certificates that are accepted at `now`, DER, the active one first.
    pub fn accepted_authorities(&self, now: Timestamp) -> impl Iterator<Item = &[u8]> {
        accepted(&self.authorities, now).map(Vec::as_slice)
    }

    /// The task keys that are accepted at `now`, the active one first.
    pub fn accepted_task_keys(&self, now: Timestamp) -> impl Iterator<Item = &VerifyingKey> {
        accepted(&self.task_keys, now)
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = DOMAIN.to_vec();
        out.extend_from_slice(self.hub.as_bytes());
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(&self.serial.to_be_bytes());
        out.extend_from_slice(&self.issued_at.as_millis().to_be_bytes());
        write_all(&mut out, &self.authorities, |out, certificate| {
            let len = u32::try_from(certificate.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(certificate);
        });
        write_all(&mut out, &self.task_keys, |out, key| out.extend_from_slice(key.as_bytes()));
        out
    }

    /// Reads the bytes back; `None` where they are not exactly one bundle.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != *DOMAIN {
            return None;
        }
        let bundle = Self {
            hub: HubId::from_bytes(reader.array()?),
            node: NodeId::from_bytes(reader.array()?),
            serial: u64::from_be_bytes(reader.array()?),
            issued_at: Timestamp::from_millis(i64::from_be_bytes(reader.array()?)),
            authorities: read_all(&mut reader, |reader| {
                reader.bytes(MAX_CERTIFICATE_LEN).map(<[u8]>::to_vec)
            })?,
            task_keys: read_all(&mut reader, |reader| {
                VerifyingKey::from_bytes(&reader.array()?).ok()
            })?,
        };
        reader.is_done().then_some(bundle)
    }

    /// Signs the bundle with the trust anchor.
    #[must_use]
    pub fn sign(&self, anchor: &SigningKey) -> Signed {
        let bundle = self.to_bytes();
        let signature: Signature = anchor.sign(&bundle);
        Signed { bundle, signature: signature.to_bytes() }
    }
}

/// Verifies signature, layout, address and serial, in this order.
///
/// The bundle that the node has already is taken again, so that it may come on every way.
///
/// # Errors
/// The first check that fails, as a [`Refusal`].
pub fn verify(bundle: &[u8], signature: &[u8], expected: &Expected<'_>) -> Result<Bundle, Refusal> {
    let signature = Signature::from_slice(signature).map_err(|_| Refusal::BadSignature)?;
    expected.anchor.verify_strict(bundle, &signature).map_err(|_| Refusal::BadSignature)?;
    let parsed = Bundle::from_bytes(bundle).ok_or(Refusal::Malformed)?;
    if parsed.hub != expected.hub || parsed.node != expected.node {
        return Err(Refusal::WrongAddress);
    }
    match expected.held {
        Some(held) if parsed.serial <= held.serial && parsed != *held => {
            Err(Refusal::Older { found: parsed.serial, held: held.serial })
        }
        _ => Ok(parsed),
    }
}

fn accepted<K>(keys: &[Trusted<K>], now: Timestamp) -> impl Iterator<Item = &K> {
    keys.iter().filter(move |trusted| trusted.phase.is_accepted(now)).map(|trusted| &trusted.key)
}

fn write_all<K>(out: &mut Vec<u8>, keys: &[Trusted<K>], write: impl Fn(&mut Vec<u8>, &K)) {
    out.push(u8::try_from(keys.len()).unwrap_or(u8::MAX));
    for Trusted { key, phase } in keys {
        let (code, until) = match phase {
            Phase::Prepared => (1, 0),
            Phase::Active => (2, 0),
            Phase::Retiring => (3, 0),
            Phase::Tainted { until } => (4, until.as_millis()),
        };
        out.push(code);
        out.extend_from_slice(&i64::to_be_bytes(until));
        write(out, key);
    }
}

/// Reads keys of one purpose; exactly one of them must be active.
fn read_all<'a, K>(
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Option<K>,
) -> Option<Vec<Trusted<K>>> {
    let [count] = reader.array()?;
    if usize::from(count) > MAX_KEYS {
        return None;
    }
    let mut keys = Vec::with_capacity(count.into());
    for _ in 0..count {
        let [code] = reader.array()?;
        let phase = match (code, i64::from_be_bytes(reader.array()?)) {
            (1, 0) => Phase::Prepared,
            (2, 0) => Phase::Active,
            (3, 0) => Phase::Retiring,
            (4, until) => Phase::Tainted { until: Timestamp::from_millis(until) },
            _ => return None,
        };
        keys.push(Trusted { key: read(reader)?, phase });
    }
    let active = keys.iter().filter(|trusted| trusted.phase == Phase::Active).count();
    (active == 1).then_some(keys)
}

#[cfg(test)]
mod tests;
