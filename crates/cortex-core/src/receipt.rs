//! The exact bytes with which a node countersigns how an attempt ended.
//!
//! Like an envelope: big-endian, fixed order, every field always present; the layout is drawn in
//! `docs/design/receipt.md` together with a test vector. What is verified and kept are the raw
//! bytes, never bytes that were written anew.

use ed25519_dalek::Signature;
use ed25519_dalek::Signer as _;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use crate::base64_bytes;
use crate::chain::Head;
use crate::digest::Digest;
use crate::id::HubId;
use crate::id::NodeId;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::timestamp::Timestamp;

/// First bytes of every receipt; a new layout gets a new one.
pub const DOMAIN: &[u8; 17] = b"cortex/result/v1\0";

/// Bytes of a receipt.
pub const LEN: usize = 17 + 16 * 4 + 4 + 32 + 1 + 4 + 32 + 1 + 2 * (8 + 32) + 8;

/// What the chain of a session's receipts is called.
const CHAIN: &str = "cortex/receipts/v1";

const CUT_STDOUT: u8 = 1;
const CUT_STDERR: u8 = 2;
const FORGOTTEN: u8 = 4;

/// What a node states about the end of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The hub that asked.
    pub hub: HubId,
    /// The node that states it.
    pub node: NodeId,
    /// The session of the task.
    pub session: SessionId,
    /// The task.
    pub task: TaskId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// SHA-256 of the signed envelope that the attempt answers.
    pub envelope: Digest,
    /// How it ended.
    pub ending: Ending,
    /// What it put out.
    pub output: Output,
    /// When, by the node's clock.
    pub at: Timestamp,
}

/// How an attempt ended, in a fixed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// In which way.
    pub kind: EndingKind,
    /// Exit code, signal, or count of ended processes; 0 where there is none.
    pub number: i32,
    /// SHA-256 of the words that came with it, as they were sent; of nothing where there are none.
    pub words: Digest,
}

/// In which way an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndingKind {
    /// The process exited; the number is its code.
    Exited = 1,
    /// A signal ended the process; the number is the signal's.
    Signalled = 2,
    /// A skill returned a value; the words are its JSON.
    Returned = 3,
    /// It could not be started, or the skill failed; the words say why.
    Broken = 4,
    /// It was ended on request; the number counts the processes.
    Cancelled = 5,
    /// Its time was over; the number counts the processes.
    TimedOut = 6,
    /// The node refused it; the words are the rule, a zero byte, and the reason.
    Rejected = 7,
    /// The node stopped while it ran; the words say what is known.
    Interrupted = 8,
}

/// What an attempt put out, as far as the node sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// All that was sent of each stream.
    Known {
        /// Standard output.
        stdout: StreamDigest,
        /// Standard error.
        stderr: StreamDigest,
    },
    /// The node was restarted and no longer knows; only an interrupted attempt may say so.
    Forgotten,
}

/// What was sent of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamDigest {
    /// How many bytes.
    pub len: u64,
    /// SHA-256 of them.
    pub digest: Digest,
    /// The process put out more, which the node did not send.
    pub cut: bool,
}

/// A receipt's bytes with the node's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The bytes that were signed.
    #[serde(with = "base64_bytes")]
    pub statement: bytes::Bytes,
    /// Ed25519 (RFC 8032) over them, with the node's identity key; 64 bytes.
    #[serde(with = "base64_bytes")]
    pub signature: bytes::Bytes,
}

/// Why a receipt is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes are no receipt of this version.
    #[error("the receipt is malformed")]
    Malformed,
    /// The signature does not fit the node's identity key.
    #[error("the receipt's signature does not fit the node's identity key")]
    BadSignature,
    /// It speaks of another hub, node, session, task or attempt.
    #[error("the receipt is of another {0}")]
    Other(&'static str),
    /// It states another end than the report that it came with.
    #[error("the receipt states another outcome than the report")]
    Outcome,
    /// It states another amount of output than was sent.
    #[error("the receipt states another amount of output than was sent")]
    Length,
    /// It leaves out the output of an attempt whose node was not restarted.
    #[error("the receipt leaves out the output")]
    NoOutput,
}

impl StreamDigest {
    /// Of a stream on which nothing was sent.
    #[must_use]
    pub fn empty() -> Self {
        Self { len: 0, digest: Digest::of(b""), cut: false }
    }
}

impl Output {
    /// Of an attempt that put out nothing.
    #[must_use]
    pub fn none() -> Self {
        Output::Known { stdout: StreamDigest::empty(), stderr: StreamDigest::empty() }
    }
}

impl Ending {
    /// An ending with these words.
    #[must_use]
    pub fn new(kind: EndingKind, number: i32, words: &[u8]) -> Self {
        Self { kind, number, words: Digest::of(words) }
    }

    /// The words of a refusal: the rule, a zero byte, the reason.
    #[must_use]
    pub fn refusal(rule: &str, reason: &str) -> Self {
        Self::new(EndingKind::Rejected, 0, &[rule.as_bytes(), b"\0", reason.as_bytes()].concat())
    }
}

impl EndingKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            EndingKind::Exited,
            EndingKind::Signalled,
            EndingKind::Returned,
            EndingKind::Broken,
            EndingKind::Cancelled,
            EndingKind::TimedOut,
            EndingKind::Rejected,
            EndingKind::Interrupted,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

impl Receipt {
    /// The bytes that are signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let empty = StreamDigest::empty();
        let (flags, stdout, stderr) = match self.output {
            Output::Known { stdout, stderr } => {
                let cut = |stream: StreamDigest, flag: u8| if stream.cut { flag } else { 0 };
                (cut(stdout, CUT_STDOUT) | cut(stderr, CUT_STDERR), stdout, stderr)
            }
            Output::Forgotten => (FORGOTTEN, empty, empty),
        };
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(DOMAIN);
        out.extend_from_slice(self.hub.as_bytes());
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(self.session.as_bytes());
        out.extend_from_slice(self.task.as_bytes());
        out.extend_from_slice(&self.attempt.to_be_bytes());
        out.extend_from_slice(self.envelope.as_bytes());
        out.push(self.ending.kind as u8);
        out.extend_from_slice(&self.ending.number.to_be_bytes());
        out.extend_from_slice(self.ending.words.as_bytes());
        out.push(flags);
        for stream in [stdout, stderr] {
            out.extend_from_slice(&stream.len.to_be_bytes());
            out.extend_from_slice(stream.digest.as_bytes());
        }
        out.extend_from_slice(&self.at.as_millis().to_be_bytes());
        out
    }

    /// Reads the bytes back; `None` where they are not exactly one receipt.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(DOMAIN)?;
        let rest = &mut rest;
        let receipt = Self {
            hub: HubId::from_bytes(take(rest)?),
            node: NodeId::from_bytes(take(rest)?),
            session: SessionId::from_bytes(take(rest)?),
            task: TaskId::from_bytes(take(rest)?),
            attempt: u32::from_be_bytes(take(rest)?),
            envelope: Digest::from_bytes(take(rest)?),
            ending: Ending {
                kind: EndingKind::from_byte(take::<1>(rest)?[0])?,
                number: i32::from_be_bytes(take(rest)?),
                words: Digest::from_bytes(take(rest)?),
            },
            output: take_output(rest)?,
            at: Timestamp::from_millis(i64::from_be_bytes(take(rest)?)),
        };
        // What can be written in two ways would be two receipts for one statement.
        (rest.is_empty() && receipt.to_bytes() == bytes).then_some(receipt)
    }

    /// Signs the receipt with the node's identity key.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signed {
        let statement = self.to_bytes();
        let signature: Signature = key.sign(&statement);
        Signed { statement: statement.into(), signature: signature.to_vec().into() }
    }
}

impl Signed {
    /// What it states, without asking who signed it.
    ///
    /// # Errors
    /// [`Fault::Malformed`].
    pub fn read(&self) -> Result<Receipt, Fault> {
        Receipt::from_bytes(&self.statement).ok_or(Fault::Malformed)
    }

    /// Verifies that the holder of the identity key signed it. Takes some 40 µs.
    ///
    /// # Errors
    /// [`Fault::BadSignature`].
    pub fn verify(&self, identity: &[u8; 32]) -> Result<(), Fault> {
        let key = VerifyingKey::from_bytes(identity).map_err(|_| Fault::BadSignature)?;
        self.verify_by(&key)
    }

    /// The same for who has the key at hand: to read it is a tenth of the work.
    ///
    /// # Errors
    /// [`Fault::BadSignature`].
    pub fn verify_by(&self, identity: &VerifyingKey) -> Result<(), Fault> {
        let signature = Signature::from_slice(&self.signature).map_err(|_| Fault::BadSignature)?;
        identity.verify_strict(&self.statement, &signature).map_err(|_| Fault::BadSignature)
    }

    /// A session's chain of receipts with this one added.
    #[must_use]
    pub fn extend(&self, chain: Head) -> Head {
        chain.extend(&[&self.statement[..], &self.signature[..]].concat())
    }
}

/// The chain of receipts of a session that has none yet.
#[must_use]
pub fn chain_of(session: SessionId) -> Head {
    Head::begin(CHAIN, session.as_bytes())
}

/// Hashes a stream piece by piece as it is sent.
#[derive(Debug, Clone, Default)]
pub struct StreamHash {
    hash: Sha256,
    len: u64,
}

impl StreamHash {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        self.len += piece.len() as u64;
    }

    /// What the pieces come to; `cut` says that the process put out more.
    #[must_use]
    pub fn finish(self, cut: bool) -> StreamDigest {
        StreamDigest { len: self.len, digest: Digest::from_bytes(self.hash.finalize().into()), cut }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn take_output(rest: &mut &[u8]) -> Option<Output> {
    let flags = take::<1>(rest)?[0];
    let mut stream = |flag: u8| {
        Some(StreamDigest {
            len: u64::from_be_bytes(take(rest)?),
            digest: Digest::from_bytes(take(rest)?),
            cut: flags & flag != 0,
        })
    };
    let (stdout, stderr) = (stream(CUT_STDOUT)?, stream(CUT_STDERR)?);
    Some(match flags {
        FORGOTTEN => Output::Forgotten,
        _ => Output::Known { stdout, stderr },
    })
}

#[cfg(test)]
mod tests;
