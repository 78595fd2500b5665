//! The hub's trust anchor: the key that signs whom a node trusts.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use serde::Deserializer;

/// The public half of a hub's trust anchor, an Ed25519 key; 64 hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Anchor(VerifyingKey);

/// A text is no trust anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a trust anchor is an Ed25519 public key: 64 hex digits")]
pub struct ParseAnchorError;

impl Anchor {
    /// Takes the key as it is.
    #[must_use]
    pub const fn new(key: VerifyingKey) -> Self {
        Self(key)
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.0
    }
}

impl FromStr for Anchor {
    type Err = ParseAnchorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseAnchorError)?;
        VerifyingKey::from_bytes(&bytes).map(Self).map_err(|_| ParseAnchorError)
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Anchor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_a_key_in_hex() {
        let text = "1398f62c6d1a457c51ba6a4b5f3dbd2f69fca93216218dc8997e416bd17d93ca";
        assert_eq!(text.parse::<Anchor>().unwrap().to_string(), text);
        for bad in ["", &text[1..], &"zz".repeat(32)] {
            assert_eq!(bad.parse::<Anchor>(), Err(ParseAnchorError));
        }
    }
}
