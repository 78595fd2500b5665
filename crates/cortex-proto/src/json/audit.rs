//! Records of the audit log, and the lines of exports that are verified without a hub.

use cortex_core::audit::Actor;
use cortex_core::audit::Object;
use cortex_core::audit::Outcome;
use cortex_core::audit::Record;
use serde::Deserialize;
use serde::Serialize;

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditInfo {
    /// Counts the hub's records, from 1 without gaps; the cursor.
    pub seq: u64,
    /// When, by the hub's clock.
    pub at: String,
    /// Who did it: `usr_…`, `nod_…`, `hub`, or `nobody` who proved it.
    pub actor: String,
    /// With which API token or login, `tok_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// From which address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What was done, e.g. `node.lock`; new words may be added.
    pub action: String,
    /// To what: an id, or `hub`.
    pub object: String,
    /// Whose that is, `usr_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// `done` or `refused`.
    pub outcome: String,
    /// More in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The end of a hash chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChainHead {
    /// How many links there are.
    pub count: u64,
    /// Stands for all of them: 64 hexadecimal digits.
    pub digest: String,
}

/// One line of an export: of the audit log, or of a session's receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ExportLine {
    /// The first line of an export of the audit log.
    Audit {
        /// The hub, `hub_…`.
        hub: String,
        /// The chain before the first record that follows.
        start: ChainHead,
        /// The chain after the last one.
        end: ChainHead,
    },
    /// A record of the audit log.
    Record(AuditInfo),
    /// The first line of an export of receipts.
    Receipts {
        /// The hub, `hub_…`.
        hub: String,
        /// The session, `ses_…`.
        session: String,
        /// The stored output follows each receipt.
        output: bool,
        /// The chain after the last receipt.
        end: ChainHead,
    },
    /// A key of a node whose receipts follow; a node that has replaced its key has a line for each,
    /// in their order.
    Node {
        /// `nod_…`.
        id: String,
        /// Its Ed25519 identity key: 64 hexadecimal digits.
        identity: String,
        /// When the key began to count, by the hub's clock; RFC 3339.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// When another one took its place; absent while it counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
    },
    /// A receipt.
    Receipt {
        /// The task, `tsk_…`.
        task: String,
        /// What the node countersigned, base64; see docs/design/receipt.md.
        statement: String,
        /// Ed25519 over it, base64.
        signature: String,
    },
    /// Stored output of the task whose receipt came before.
    Output {
        /// The task, `tsk_…`.
        task: String,
        /// `stdout` or `stderr`.
        stream: String,
        /// Where in the stream the bytes begin.
        offset: u64,
        /// The bytes, base64.
        data: String,
    },
}

/// A record of an export makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: \"{text}\" makes no sense")]
pub struct BadRecord {
    field: &'static str,
    text: String,
}

impl From<&Record> for AuditInfo {
    fn from(record: &Record) -> Self {
        Self {
            seq: record.seq,
            at: record.at.to_string(),
            actor: record.actor.to_string(),
            credential: record.credential.map(|id| id.to_string()),
            address: record.address.map(|address| address.to_string()),
            action: record.action.word().to_owned(),
            object: record.object.to_string(),
            owner: record.owner.map(|id| id.to_string()),
            outcome: record.outcome.word().to_owned(),
            detail: record.detail.clone(),
        }
    }
}

impl TryFrom<&AuditInfo> for Record {
    type Error = BadRecord;

    fn try_from(info: &AuditInfo) -> Result<Self, BadRecord> {
        let actor: Actor = read("actor", &info.actor)?;
        let object: Object = read("object", &info.object)?;
        let outcome = Outcome::from_word(&info.outcome);
        Ok(Self {
            seq: info.seq,
            at: read("at", &info.at)?,
            actor,
            credential: read_some("credential", info.credential.as_deref())?,
            address: read_some("address", info.address.as_deref())?,
            action: read("action", &info.action)?,
            object,
            owner: read_some("owner", info.owner.as_deref())?,
            outcome: outcome.ok_or_else(|| bad("outcome", &info.outcome))?,
            detail: info.detail.clone(),
        })
    }
}

fn read<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, BadRecord> {
    text.parse().map_err(|_| bad(field, text))
}

fn read_some<T: std::str::FromStr>(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, BadRecord> {
    text.map(|text| read(field, text)).transpose()
}

fn bad(field: &'static str, text: &str) -> BadRecord {
    BadRecord { field, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use cortex_core::audit::Action;
    use cortex_core::id::NodeId;
    use cortex_core::id::TokenId;
    use cortex_core::id::UserId;
    use cortex_core::timestamp::Timestamp;

    use super::*;

    #[test]
    fn a_record_survives_its_json() {
        let user = UserId::from_bytes([2; 16]);
        let record = Record {
            seq: 7,
            at: Timestamp::from_millis(1_700_000_000_123),
            actor: Actor::User(user),
            credential: Some(TokenId::from_bytes([3; 16])),
            address: Some("2001:db8::1".parse().unwrap()),
            action: Action::NodeLock,
            object: Object::Node(NodeId::from_bytes([4; 16])),
            owner: Some(user),
            outcome: Outcome::Done,
            detail: "lab".to_owned(),
        };
        for record in
            [record.clone(), Record { credential: None, address: None, owner: None, ..record }]
        {
            let line = ExportLine::Record(AuditInfo::from(&record));
            let json = serde_json::to_string(&line).unwrap();
            assert!(json.starts_with("{\"record\":{\"seq\":7,"), "{json}");
            let ExportLine::Record(info) = serde_json::from_str(&json).unwrap() else {
                panic!("another line: {json}");
            };
            assert_eq!(Record::try_from(&info), Ok(record));
            let bent = AuditInfo { action: "node.explode".to_owned(), ..info };
            assert!(Record::try_from(&bent).is_err());
        }
    }
}
