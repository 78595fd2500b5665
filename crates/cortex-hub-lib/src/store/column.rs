//! Values as columns hold them, both ways.

use cortex_core::Result;
use cortex_core::id::Id;
use cortex_core::id::Kind;
use cortex_core::timestamp::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::unreadable;

/// An identifier's 16 bytes.
pub(super) fn blob<K: Kind>(id: Id<K>) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// Reads an identifier.
pub(super) fn id<K: Kind>(bytes: &[u8]) -> Result<Id<K>> {
    Id::from_slice(bytes).ok_or_else(|| {
        unreadable("identifier", format_args!("it has {} bytes instead of 16", bytes.len()))
    })
}

/// Reads a digest or a key.
pub(super) fn digest(bytes: &[u8]) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| {
        unreadable("digest", format_args!("it has {} bytes instead of 32", bytes.len()))
    })
}

/// Reads JSON; `what` names the value for the error.
pub(super) fn from_json<T: DeserializeOwned>(
    what: &'static str,
    json: impl AsRef<[u8]>,
) -> Result<T> {
    serde_json::from_slice(json.as_ref()).map_err(|error| unreadable(what, error))
}

/// Writes JSON as text.
pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("what is stored has no maps with keys other than text")
}

/// Writes JSON as bytes.
pub(super) fn to_json_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    serde_json::to_writer(&mut bytes, value)
        .expect("what is stored has no maps with keys other than text");
    bytes
}

/// Reads the word of an enum that serializes as text.
pub(super) fn from_word<T: DeserializeOwned>(what: &'static str, word: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .map_err(|error| unreadable(what, error))
}

/// The word of an enum that serializes as text.
pub(super) fn to_word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("the value serializes as text, not as {other:?}"),
    }
}

/// A count; the database has no unsigned numbers.
pub(super) fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Reads a count.
pub(super) fn uncount(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Milliseconds of a time that may be absent.
pub(super) fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

/// Reads a time that may be absent.
pub(super) fn time(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}
