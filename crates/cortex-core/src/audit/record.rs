//! One record, and the bytes that stand for it in the chain.

use core::net::IpAddr;
use std::fmt;
use std::str::FromStr;

use super::Action;
use crate::chain::Head;
use crate::id::InviteId;
use crate::id::NodeId;
use crate::id::ParseIdError;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::id::TokenId;
use crate::id::UserId;
use crate::timestamp::Timestamp;

/// First bytes of every record; a new layout gets a new one.
const DOMAIN: &[u8; 16] = b"cortex/audit/v1\0";

/// The longest detail, in bytes; what is longer is cut.
pub const MAX_TEXT: usize = 256;

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Counts the hub's records, from 1, without gaps.
    pub seq: u64,
    /// When, by the hub's clock.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// With which API token or login.
    pub credential: Option<TokenId>,
    /// From which address.
    pub address: Option<IpAddr>,
    /// What was done.
    pub action: Action,
    /// To what.
    pub object: Object,
    /// Whose that is: who may read the record beside admins.
    pub owner: Option<UserId>,
    /// Whether it was done.
    pub outcome: Outcome,
    /// More in a few words, never a secret; at most [`MAX_TEXT`] bytes.
    pub detail: String,
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Actor {
    /// Nobody who proved who they are.
    Nobody,
    /// The hub itself.
    Hub,
    /// A user.
    User(UserId),
    /// A node.
    Node(NodeId),
}

/// What something was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Object {
    /// The hub as such.
    Hub,
    /// A node.
    Node(NodeId),
    /// A session.
    Session(SessionId),
    /// A task.
    Task(TaskId),
    /// An invite.
    Invite(InviteId),
    /// A user.
    User(UserId),
    /// An API token or a login.
    Token(TokenId),
}

/// Whether something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// It was done.
    Done = 1,
    /// It was refused.
    Refused = 2,
}

impl Outcome {
    /// The word of the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
        }
    }

    /// Reads the word of the wire.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Outcome::Done, Outcome::Refused].into_iter().find(|outcome| outcome.word() == word)
    }
}

impl Record {
    /// The bytes that stand for it in the chain.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192 + self.detail.len());
        out.extend_from_slice(DOMAIN);
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.at.as_millis().to_be_bytes());
        put_id(&mut out, self.actor.parts());
        put_id(&mut out, self.credential.map_or((0, [0; 16]), |id| (1, *id.as_bytes())));
        put_text(&mut out, &self.address.map(|address| address.to_string()).unwrap_or_default());
        put_text(&mut out, self.action.word());
        put_id(&mut out, self.object.parts());
        put_id(&mut out, self.owner.map_or((0, [0; 16]), |id| (1, *id.as_bytes())));
        out.push(self.outcome as u8);
        put_text(&mut out, &self.detail);
        out
    }

    /// The hub's chain with this record added.
    #[must_use]
    pub fn extend(&self, chain: Head) -> Head {
        chain.extend(&self.to_bytes())
    }
}

impl Actor {
    fn parts(&self) -> (u8, [u8; 16]) {
        match self {
            Actor::Nobody => (0, [0; 16]),
            Actor::Hub => (1, [0; 16]),
            Actor::User(id) => (2, *id.as_bytes()),
            Actor::Node(id) => (3, *id.as_bytes()),
        }
    }
}

impl Object {
    fn parts(&self) -> (u8, [u8; 16]) {
        match self {
            Object::Hub => (1, [0; 16]),
            Object::Node(id) => (2, *id.as_bytes()),
            Object::Session(id) => (3, *id.as_bytes()),
            Object::Task(id) => (4, *id.as_bytes()),
            Object::Invite(id) => (5, *id.as_bytes()),
            Object::User(id) => (6, *id.as_bytes()),
            Object::Token(id) => (7, *id.as_bytes()),
        }
    }
}

/// The text is no actor or object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" names nothing that a record can be about")]
pub struct ParseNameError(String);

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Nobody => f.write_str("nobody"),
            Actor::Hub => f.write_str("hub"),
            Actor::User(id) => id.fmt(f),
            Actor::Node(id) => id.fmt(f),
        }
    }
}

impl FromStr for Actor {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id: Result<Self, ParseIdError> = match text.split('_').next() {
            Some("nobody") if text == "nobody" => return Ok(Actor::Nobody),
            Some("hub") if text == "hub" => return Ok(Actor::Hub),
            Some("usr") => text.parse().map(Actor::User),
            _ => text.parse().map(Actor::Node),
        };
        id.map_err(|_| ParseNameError(text.to_owned()))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Hub => f.write_str("hub"),
            Object::Node(id) => id.fmt(f),
            Object::Session(id) => id.fmt(f),
            Object::Task(id) => id.fmt(f),
            Object::Invite(id) => id.fmt(f),
            Object::User(id) => id.fmt(f),
            Object::Token(id) => id.fmt(f),
        }
    }
}

impl FromStr for Object {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id: Result<Self, ParseIdError> = match text.split('_').next() {
            Some("hub") if text == "hub" => return Ok(Object::Hub),
            Some("nod") => text.parse().map(Object::Node),
            Some("ses") => text.parse().map(Object::Session),
            Some("tsk") => text.parse().map(Object::Task),
            Some("inv") => text.parse().map(Object::Invite),
            Some("usr") => text.parse().map(Object::User),
            _ => text.parse().map(Object::Token),
        };
        id.map_err(|_| ParseNameError(text.to_owned()))
    }
}

fn put_id(out: &mut Vec<u8>, (kind, id): (u8, [u8; 16])) {
    out.push(kind);
    out.extend_from_slice(&id);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
