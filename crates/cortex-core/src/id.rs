//! Identifiers: a UUIDv7 that carries its kind in its type, and in text as a prefix.
//!
//! Text form: `nod_01jd3v5k8xf0x9e1qv2m3n4p5r`, the prefix, `_`, and 26 characters of Crockford's
//! base32 in lower case (the [TypeID] encoding). Text order is time order.
//!
//! [TypeID]: https://github.com/jetify-com/typeid/tree/main/spec

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use uuid::Uuid;

/// What an identifier names; gives the text prefix.
pub trait Kind: 'static + Send + Sync {
    /// The prefix of the text form, without the underscore.
    const PREFIX: &'static str;
}

/// An identifier of one [`Kind`]: 16 bytes, a UUIDv7 when made here.
pub struct Id<K> {
    bytes: [u8; 16],
    kind: PhantomData<fn() -> K>,
}

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// The text does not begin with the prefix of its kind.
    #[error("identifier must begin with \"{expected}_\"")]
    Prefix {
        /// The prefix that was expected, without the underscore.
        expected: &'static str,
    },
    /// What follows the prefix is not 26 characters of Crockford's base32.
    #[error("identifier must be \"{prefix}_\" and 26 characters of 0-9 a-z without i, l, o, u")]
    Suffix {
        /// The prefix of the identifier's kind.
        prefix: &'static str,
    },
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $alias:ident = $kind:ident($prefix:literal);)*) => {$(
        #[doc = concat!("Marks identifiers with the prefix `", $prefix, "_`.")]
        #[derive(Debug, Clone, Copy)]
        pub enum $kind {}
        impl Kind for $kind { const PREFIX: &'static str = $prefix; }
        $(#[$doc])*
        pub type $alias = Id<$kind>;
    )*};
}

kinds! {
    /// Names a hub; made once, at its first start.
    HubId = HubKind("hub");
    /// Names a node; chosen by the hub at enrolment, never used again after the node is retired.
    NodeId = NodeKind("nod");
    /// Names a session.
    SessionId = SessionKind("ses");
    /// Names a task.
    TaskId = TaskKind("tsk");
    /// Names an invite.
    InviteId = InviteKind("inv");
    /// Names a user.
    UserId = UserKind("usr");
    /// Names an API token or a web session.
    TokenId = TokenKind("tok");
    /// Names one run of a node's process; a new one means that the node was restarted.
    BootId = BootKind("bot");
}

impl<K: Kind> Id<K> {
    /// Makes a new identifier: a UUIDv7 of the system's clock and random source.
    ///
    /// This is the only thing in this crate that reads a clock; rules never call it.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_bytes(Uuid::now_v7().into_bytes())
    }

    /// Takes the 16 bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self { bytes, kind: PhantomData }
    }

    /// Reads 16 bytes from a slice, or `None` where it has another length.
    #[must_use]
    pub fn from_slice(slice: &[u8]) -> Option<Self> {
        slice.try_into().ok().map(Self::from_bytes)
    }

    /// The 16 bytes, as they are signed and stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.bytes
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;

fn encode(bytes: [u8; 16]) -> [u8; SUFFIX_LEN] {
    let mut rest = u128::from_be_bytes(bytes);
    let mut out = [0; SUFFIX_LEN];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    out
}

fn decode(text: &[u8]) -> Option<[u8; 16]> {
    // 26 * 5 = 130 bits: the first character may only hold three.
    if text.len() != SUFFIX_LEN || text[0] > b'7' {
        return None;
    }
    let mut value: u128 = 0;
    for byte in text {
        let digit = ALPHABET.iter().position(|candidate| candidate == byte)?;
        value = (value << 5) | digit as u128;
    }
    Some(value.to_be_bytes())
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = encode(self.bytes);
        let suffix = std::str::from_utf8(&suffix).map_err(|_| fmt::Error)?;
        write!(f, "{}_{suffix}", K::PREFIX)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let suffix = text
            .strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .ok_or(ParseIdError::Prefix { expected: K::PREFIX })?;
        decode(suffix.as_bytes())
            .map(Self::from_bytes)
            .ok_or(ParseIdError::Suffix { prefix: K::PREFIX })
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_round_trips_and_keeps_order(a: [u8; 16], b: [u8; 16]) {
            let (a, b) = (NodeId::from_bytes(a), NodeId::from_bytes(b));
            prop_assert_eq!(a.to_string().parse::<NodeId>().unwrap(), a);
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            let _ = text.parse::<NodeId>();
        }
    }

    #[test]
    fn another_kinds_identifier_is_refused() {
        let task = TaskId::generate().to_string();
        assert_eq!(task.parse::<NodeId>(), Err(ParseIdError::Prefix { expected: "nod" }));
    }

    #[test]
    fn overflow_and_bad_characters_are_refused() {
        for bad in ["nod_", "nod_8zzzzzzzzzzzzzzzzzzzzzzzzz", "nod_0000000000000000000000000u"] {
            assert_eq!(bad.parse::<NodeId>(), Err(ParseIdError::Suffix { prefix: "nod" }), "{bad}");
        }
    }
}
