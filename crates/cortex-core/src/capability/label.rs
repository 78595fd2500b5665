//! Labels: short `key=value` pairs by which people group their nodes.
//!
//! A key is a name of 1 to 63 characters out of `A-Z a-z 0-9 - _ .` that begins and ends with a
//! letter or digit, optionally after a domain and a slash, as in `example.org/rack`. A value
//! follows the rule of the name, or is empty. These are the rules of Kubernetes, so that labels
//! can be taken over from there.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How many bytes the name part of a key, and a value, may have.
pub const MAX_NAME_BYTES: usize = 63;
/// How many bytes the domain part of a key may have.
pub const MAX_DOMAIN_BYTES: usize = 253;
/// How many labels a node may have.
pub const MAX_LABELS: usize = 64;

/// One checked label; in text `key=value`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    key: String,
    value: String,
}

/// Why a text is no label, or a set of labels is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// There is no `=` between key and value.
    #[error("label {text:?} must have the form key=value")]
    Form {
        /// The text, cut to a readable length.
        text: String,
    },
    /// The key breaks the rules of keys.
    #[error(
        "label key {key:?} must be 1 to 63 characters of A-Z a-z 0-9 - _ . that begin and end \
         with a letter or digit, optionally after a lower-case domain and a slash"
    )]
    Key {
        /// The key, cut to a readable length.
        key: String,
    },
    /// The value breaks the rules of values.
    #[error(
        "value {value:?} of label {key:?} must be empty, or at most 63 characters of \
         A-Z a-z 0-9 - _ . that begin and end with a letter or digit"
    )]
    Value {
        /// The key that it belongs to, cut to a readable length.
        key: String,
        /// The value, cut to a readable length.
        value: String,
    },
    /// There are more labels than a node may have.
    #[error("{found} labels, at most {MAX_LABELS} are allowed")]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

impl Label {
    /// Makes a label of a key and a value.
    ///
    /// # Errors
    /// [`LabelError::Key`] or [`LabelError::Value`]: the part named breaks its rule.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Result<Self, LabelError> {
        let (key, value) = (key.into(), value.into());
        check_pair(&key, &value)?;
        Ok(Self { key, value })
    }

    /// The key, with its domain where it has one.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value; may be empty.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Gives key and value away, e.g. to collect them into a map.
    #[must_use]
    pub fn into_pair(self) -> (String, String) {
        (self.key, self.value)
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((key, value)) = text.split_once('=') else {
            return Err(LabelError::Form { text: shortened(text) });
        };
        Self::new(key, value)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// Checks a whole set of labels: how many there are, then each key and value.
///
/// # Errors
/// [`LabelError`] of the first thing that breaks a rule, in order of the keys.
pub fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), LabelError> {
    if labels.len() > MAX_LABELS {
        return Err(LabelError::TooMany { found: labels.len() });
    }
    labels.iter().try_for_each(|(key, value)| check_pair(key, value))
}

pub(super) fn check_key(key: &str) -> Result<(), LabelError> {
    let good = match key.split_once('/') {
        Some((domain, name)) => is_domain(domain) && is_name(name),
        None => is_name(key),
    };
    if good { Ok(()) } else { Err(LabelError::Key { key: shortened(key) }) }
}

pub(super) fn check_pair(key: &str, value: &str) -> Result<(), LabelError> {
    check_key(key)?;
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    Err(LabelError::Value { key: shortened(key), value: shortened(value) })
}

/// Cuts a text that may be of any length before it goes into an error.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

fn is_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= MAX_NAME_BYTES
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_domain(text: &str) -> bool {
    let edge =
        |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= MAX_DOMAIN_BYTES
        && text.split('.').map(str::as_bytes).all(|part| {
            edge(part.first())
                && edge(part.last())
                && part.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_labels_are_read_as_they_are_written() {
        for good in ["gpu=a100", "rack=", "example.org/zone=eu-1", "A.b_c-9=X", "x=1.2.3"] {
            assert_eq!(good.parse::<Label>().unwrap().to_string(), good);
        }
        let label: Label = "example.org/zone=eu-1".parse().unwrap();
        assert_eq!((label.key(), label.value()), ("example.org/zone", "eu-1"));
    }

    #[test]
    fn the_error_says_which_part_is_wrong() {
        let long = "k".repeat(64);
        assert!(matches!("rack".parse::<Label>(), Err(LabelError::Form { .. })));
        for key in ["", "-a", "a-", "a b", "ä", "/a", "a/", "Ex.org/a", "a..b/c", "a/b/c", &long] {
            let text = format!("{key}=v");
            assert!(matches!(text.parse::<Label>(), Err(LabelError::Key { .. })), "{key:?}");
        }
        for value in ["-a", "a b", "a=b", "a\n", "é", long.as_str()] {
            let text = format!("k={value}");
            assert!(matches!(text.parse::<Label>(), Err(LabelError::Value { .. })), "{value:?}");
        }
    }

    #[test]
    fn a_set_of_labels_is_bounded() {
        let labels = |count| (0..count).map(|n| (format!("k{n}"), String::new())).collect();
        assert_eq!(check_labels(&labels(MAX_LABELS)), Ok(()));
        let found = MAX_LABELS + 1;
        assert_eq!(check_labels(&labels(found)), Err(LabelError::TooMany { found }));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_round_trips(text in "[a-z./=\\-_]{0,24}|\\PC*") {
            if let Ok(label) = text.parse::<Label>() {
                prop_assert_eq!(label.to_string(), text);
            }
        }
    }
}
