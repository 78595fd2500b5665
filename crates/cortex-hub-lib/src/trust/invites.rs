//! Secrets of invites, and the one line of text that carries an invite to a node.
//!
//! The hub keeps a secret's SHA-256 only. An invite that is made again for the same idempotency key
//! gets the same id and secret, because both are derived from the key: nothing has to be stored.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cortex_core::Result;
use cortex_core::id::InviteId;
use cortex_core::id::ParseIdError;
use cortex_core::id::UserId;
use secrecy::SecretString;
use sha2::Digest as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Vault;
use super::master::Master;

/// Length of an invite's secret in bytes.
pub const SECRET_LEN: usize = 32;

/// How the text of an invite begins; a new layout gets a new one.
pub const PREFIX: &str = "cxi1";

const SECRET_DOMAIN: &[u8] = b"cortex/invite/v1\0";
const ID_DOMAIN: &[u8] = b"cortex/invite-id/v1\0";

/// Characters of a secret in base64 without padding.
const SECRET_CHARS: usize = 43;

/// Makes invite secrets.
#[derive(Debug)]
pub struct Invites {
    master: Master,
}

/// The secret half of an invite. Erased from memory when dropped; never printed.
#[derive(Clone)]
pub struct InviteSecret(Zeroizing<[u8; SECRET_LEN]>);

/// An invite as its bearer holds it: `cxi1.<invite id>.<secret in base64url>`.
#[derive(Debug, Clone)]
pub struct InviteToken {
    /// The public half.
    pub id: InviteId,
    /// The secret half.
    pub secret: InviteSecret,
}

/// Why a text is no invite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseInviteError {
    /// It begins with something else.
    #[error("an invite begins with \"cxi1.\"")]
    Prefix,
    /// It is of a version that this software does not know.
    #[error("this invite is of another version than \"cxi1\"; update this software")]
    Version,
    /// It has not three parts.
    #[error("an invite has 3 parts with dots between them, this has {found}; was it cut off?")]
    Parts {
        /// How many parts it has.
        found: usize,
    },
    /// Its second part is no invite id.
    #[error("the second part of the invite is damaged: {0}")]
    Id(#[source] ParseIdError),
    /// Its third part has the wrong length.
    #[error("the third part of an invite has 43 characters, this has {found}; was it cut off?")]
    Length {
        /// How many characters it has.
        found: usize,
    },
    /// Its third part holds characters that do not belong there.
    #[error("the third part of the invite is damaged; copy it again")]
    Secret,
}

impl Invites {
    /// Derives from the token key of an open vault, which no rotation of signing keys replaces: a
    /// repeat must get the same answer for as long as an invite lives.
    #[must_use]
    pub fn new(vault: &Vault) -> Self {
        Self { master: Master::from_bytes(Zeroizing::new(vault.token_key.to_bytes())) }
    }

    /// Makes a new invite from random bytes.
    ///
    /// # Errors
    /// `Internal`: the system gives no random bytes.
    pub fn generate(&self) -> Result<InviteToken> {
        let secret = Zeroizing::new(super::random("make invite")?);
        Ok(InviteToken { id: InviteId::generate(), secret: InviteSecret(secret) })
    }

    /// The invite of `user` for an idempotency key: always the same for the same two.
    ///
    /// Its id is no UUIDv7 but a derived `UUIDv8`, so it does not sort by time.
    #[must_use]
    pub fn for_key(&self, user: UserId, key: &str) -> InviteToken {
        let derive =
            |domain| self.master.derive(&[domain, user.as_bytes().as_slice(), key.as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&derive(ID_DOMAIN)[..16]);
        let id = uuid::Builder::from_custom_bytes(id).into_uuid().into_bytes();
        let secret = InviteSecret(derive(SECRET_DOMAIN));
        InviteToken { id: InviteId::from_bytes(id), secret }
    }
}

impl InviteSecret {
    /// Takes the bytes that a node sent; `None` where they are not [`SECRET_LEN`].
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SECRET_LEN] = bytes.try_into().ok()?;
        Some(Self(Zeroizing::new(*bytes)))
    }

    /// What the hub stores: the SHA-256 of the secret.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0[..]).into()
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }
}

impl InviteToken {
    /// The one line that its bearer gets.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(&self.secret.0[..]));
        let mut text = String::with_capacity(PREFIX.len() + 32 + SECRET_CHARS);
        text.push_str(PREFIX);
        text.push('.');
        text.push_str(&self.id.to_string());
        text.push('.');
        text.push_str(&secret);
        text.into()
    }
}

impl FromStr for InviteToken {
    type Err = ParseInviteError;

    /// Reads an invite; white space around it is ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let mut parts = text.split('.');
        match parts.next() {
            Some(PREFIX) => {}
            Some(other) if is_other_version(other) => return Err(ParseInviteError::Version),
            _ => return Err(ParseInviteError::Prefix),
        }
        let (Some(id), Some(secret), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ParseInviteError::Parts { found: text.split('.').count() });
        };
        let id = id.parse().map_err(ParseInviteError::Id)?;
        let found = secret.chars().count();
        if found != SECRET_CHARS {
            return Err(ParseInviteError::Length { found });
        }
        let mut bytes = Zeroizing::new([0; SECRET_LEN]);
        match URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes[..]) {
            Ok(SECRET_LEN) => Ok(Self { id, secret: InviteSecret(bytes) }),
            _ => Err(ParseInviteError::Secret),
        }
    }
}

fn is_other_version(prefix: &str) -> bool {
    prefix.strip_prefix("cxi").is_some_and(|version| {
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit())
    })
}

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(..)")
    }
}

#[cfg(test)]
mod tests;
