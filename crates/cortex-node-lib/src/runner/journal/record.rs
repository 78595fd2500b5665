//! Records: their bytes, and what they make of an attempt's entry.
//!
//! ```text
//! length u32 | checksum 8 bytes | task 16 | attempt u32 | kind u8 | fields of the kind
//! ```
//! All numbers are big-endian. The length is that of what follows the checksum; a length of zero
//! is the end. The checksum is the beginning of the SHA-256 of what follows it.

use std::collections::BTreeMap;

use cortex_core::digest::Digest;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::task::Outcome;
use sha2::Digest as _;
use sha2::Sha256;

use crate::runner::witness::Mandate;
use crate::uplink::AttemptKey;

const HEAD: usize = 4 + 8;
const KEY: usize = 16 + 4 + 1;

/// A longer record is none: the length is torn.
const MAX_RECORD: usize = 1 << 20;

/// One thing that happened to an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    Accepted { epoch: u64, sequence: u64, mandate: Mandate },
    Started(Started),
    Ended(Ended),
    Settled,
}

/// The process of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runner) struct Started {
    pub(in crate::runner) pid: u32,
    /// In clock ticks since the system started.
    pub(in crate::runner) at: u64,
    /// Which run of the system that was.
    pub(in crate::runner) boot: [u8; 16],
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::runner) struct Ended {
    pub(in crate::runner) outcome: Outcome,
    pub(in crate::runner) had_output: bool,
}

/// What is known of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::runner) struct Entry {
    pub(in crate::runner) epoch: u64,
    pub(in crate::runner) sequence: u64,
    pub(in crate::runner) mandate: Mandate,
    pub(in crate::runner) started: Option<Started>,
    pub(in crate::runner) ended: Option<Ended>,
}

#[cfg(test)]
impl Entry {
    pub(in crate::runner) fn with_process(mut self, pid: u32, at: u64, boot: [u8; 16]) -> Self {
        self.started = Some(Started { pid, at, boot });
        self
    }

    pub(in crate::runner) fn with_end(mut self, outcome: Outcome, had_output: bool) -> Self {
        self.ended = Some(Ended { outcome, had_output });
        self
    }
}

/// Everything that is known and not settled.
pub(super) type Entries = BTreeMap<AttemptKey, Entry>;

/// Lets a record change what is known.
pub(super) fn apply(entries: &mut Entries, key: AttemptKey, record: Record) {
    match record {
        Record::Accepted { epoch, sequence, mandate } => {
            entries.insert(key, Entry { epoch, sequence, mandate, started: None, ended: None });
        }
        Record::Started(started) => {
            if let Some(entry) = entries.get_mut(&key) {
                entry.started = Some(started);
            }
        }
        Record::Ended(ended) => {
            if let Some(entry) = entries.get_mut(&key) {
                entry.ended = Some(ended);
            }
        }
        Record::Settled => {
            entries.remove(&key);
        }
    }
}

/// The records that make an entry.
pub(super) fn records_of(entry: &Entry) -> impl Iterator<Item = Record> {
    let Entry { epoch, sequence, mandate, .. } = *entry;
    let accepted = Record::Accepted { epoch, sequence, mandate };
    let started = entry.started.map(Record::Started);
    let ended = entry.ended.clone().map(Record::Ended);
    std::iter::once(accepted).chain(started).chain(ended)
}

/// Appends a record's bytes.
pub(super) fn encode(key: AttemptKey, record: &Record, out: &mut Vec<u8>) {
    let head = out.len();
    out.extend_from_slice(&[0; HEAD]);
    out.extend_from_slice(key.task.as_bytes());
    out.extend_from_slice(&key.attempt.to_be_bytes());
    match record {
        Record::Accepted { epoch, sequence, mandate } => {
            out.push(1);
            out.extend_from_slice(&epoch.to_be_bytes());
            out.extend_from_slice(&sequence.to_be_bytes());
            out.extend_from_slice(mandate.session.as_bytes());
            out.extend_from_slice(mandate.envelope.as_bytes());
        }
        Record::Started(started) => {
            out.push(2);
            out.extend_from_slice(&started.pid.to_be_bytes());
            out.extend_from_slice(&started.at.to_be_bytes());
            out.extend_from_slice(&started.boot);
        }
        Record::Ended(ended) => {
            out.push(3);
            out.push(u8::from(ended.had_output));
            // Outcomes are made of texts and numbers: they always have a JSON form.
            out.extend(serde_json::to_vec(&ended.outcome).unwrap_or_default());
        }
        Record::Settled => out.push(4),
    }
    let body = &out[head + HEAD..];
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let digest = Sha256::digest(body);
    out[head..head + 4].copy_from_slice(&len.to_be_bytes());
    out[head + 4..head + HEAD].copy_from_slice(&digest[..8]);
}

/// Reads all whole records from the front; says where they end.
pub(super) fn decode_all(bytes: &[u8], mut take: impl FnMut(AttemptKey, Record)) -> usize {
    let mut at = 0;
    while let Some((key, record, len)) = decode(&bytes[at..]) {
        take(key, record);
        at += len;
    }
    at
}

fn decode(bytes: &[u8]) -> Option<(AttemptKey, Record, usize)> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    let (checksum, rest) = rest.split_first_chunk::<8>()?;
    if !(KEY..=MAX_RECORD).contains(&len) || len > rest.len() {
        return None;
    }
    let body = &rest[..len];
    if Sha256::digest(body)[..8] != checksum[..] {
        return None;
    }
    let (task, rest) = body.split_first_chunk::<16>()?;
    let (attempt, rest) = rest.split_first_chunk::<4>()?;
    let key = AttemptKey { task: TaskId::from_bytes(*task), attempt: u32::from_be_bytes(*attempt) };
    let (kind, fields) = rest.split_first()?;
    Some((key, decode_fields(*kind, fields)?, HEAD + len))
}

fn decode_fields(kind: u8, fields: &[u8]) -> Option<Record> {
    match kind {
        1 => {
            let (epoch, rest) = fields.split_first_chunk::<8>()?;
            let (sequence, rest) = rest.split_first_chunk::<8>()?;
            let (session, envelope) = rest.split_first_chunk::<16>()?;
            Some(Record::Accepted {
                epoch: u64::from_be_bytes(*epoch),
                sequence: u64::from_be_bytes(*sequence),
                mandate: Mandate {
                    session: SessionId::from_bytes(*session),
                    envelope: Digest::from_slice(envelope)?,
                },
            })
        }
        2 => {
            let (pid, rest) = fields.split_first_chunk::<4>()?;
            let (at, boot) = rest.split_first_chunk::<8>()?;
            Some(Record::Started(Started {
                pid: u32::from_be_bytes(*pid),
                at: u64::from_be_bytes(*at),
                boot: boot.try_into().ok()?,
            }))
        }
        3 => {
            let (had_output, json) = fields.split_first()?;
            let outcome = serde_json::from_slice(json).ok()?;
            Some(Record::Ended(Ended { outcome, had_output: *had_output != 0 }))
        }
        4 if fields.is_empty() => Some(Record::Settled),
        _ => None,
    }
}
