//! The invite that a node enrols with: an id that may be shown, and a secret that may not.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cortex_core::id::InviteId;
use serde::Deserialize;
use serde::Deserializer;
use zeroize::Zeroizing;

const VERSION: &str = "cxi1";

/// An invite as its bearer holds it; in text `cxi1.<invite id>.<secret>`, the secret being 32
/// bytes in base64url without padding.
///
/// The secret is wiped from memory when the value is dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteToken {
    id: InviteId,
    secret: Zeroizing<[u8; 32]>,
}

/// Why a text is no invite; never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseInviteError {
    /// It does not have three parts, or begins with another word.
    #[error("an invite has the form cxi1.<id>.<secret>; was it copied as a whole?")]
    Form,
    /// The id is none.
    #[error("the invite's second part is no invite id (inv_…); was it copied as a whole?")]
    Id,
    /// The secret does not have 32 bytes of base64url.
    #[error("the invite's third part is not 43 characters of base64url; was it copied as a whole?")]
    Secret,
}

impl InviteToken {
    /// Puts an invite together.
    #[must_use]
    pub fn new(id: InviteId, secret: [u8; 32]) -> Self {
        Self { id, secret: Zeroizing::new(secret) }
    }

    /// Its public half.
    #[must_use]
    pub fn id(&self) -> InviteId {
        self.id
    }

    /// Its secret half.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl FromStr for InviteToken {
    type Err = ParseInviteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().split('.');
        let (Some(VERSION), Some(id), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseInviteError::Form);
        };
        let id = id.parse().map_err(|_| ParseInviteError::Id)?;
        let bytes = URL_SAFE_NO_PAD.decode(secret).map_err(|_| ParseInviteError::Secret)?;
        let bytes = Zeroizing::new(bytes);
        let secret = bytes.as_slice().try_into().map_err(|_| ParseInviteError::Secret)?;
        Ok(Self { id, secret: Zeroizing::new(secret) })
    }
}

impl fmt::Debug for InviteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}.{}.…", self.id)
    }
}

impl<'de> Deserialize<'de> for InviteToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whole_invites_are_read_and_cut_ones_refused(secret: [u8; 32], cut in 1usize..60) {
            let id = InviteId::from_bytes([7; 16]);
            let text = format!("cxi1.{id}.{}", URL_SAFE_NO_PAD.encode(secret));
            prop_assert_eq!(text.parse(), Ok(InviteToken::new(id, secret)));
            prop_assert!(text[..text.len() - cut].parse::<InviteToken>().is_err());
        }

        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            let _ = text.parse::<InviteToken>();
        }
    }

    #[test]
    fn the_secret_is_not_printed() {
        let invite = InviteToken::new(InviteId::from_bytes([7; 16]), [65; 32]);
        let shown = format!("{invite:?}");
        assert!(shown.starts_with("cxi1.inv_") && shown.ends_with(".…"), "{shown}");
        assert!(!shown.contains("QUFB") && !shown.contains("65"));
    }
}
