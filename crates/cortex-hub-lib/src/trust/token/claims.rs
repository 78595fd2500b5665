//! What stands in a token, as text and as values.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::NodeId;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use super::LEEWAY;

/// The thumbprint of an Ed25519 key (RFC 7638 over the JWK of RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyThumbprint([u8; 32]);

impl KeyThumbprint {
    /// The thumbprint of `key`.
    #[must_use]
    pub fn of(key: &[u8; 32]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(key);
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        Self(Sha256::digest(jwk.as_bytes()).into())
    }

    pub(super) fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (len == bytes.len()).then_some(Self(bytes))
    }
}

/// What a verified node token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeClaims {
    /// The node that it was issued to.
    pub node: NodeId,
    /// The identity key that it is bound to.
    pub key: KeyThumbprint,
    /// When it is good.
    pub times: Times,
}

/// What a verified user token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserClaims {
    /// The user that it was issued to.
    pub user: UserId,
    /// The login that it belongs to.
    pub session: TokenId,
    /// When it is good.
    pub times: Times,
}

/// When a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When it was issued, to the millisecond.
    pub issued_at: Timestamp,
    /// When it begins to be good.
    pub begins_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

impl Times {
    pub(super) fn check(&self, now: Timestamp) -> Result<()> {
        if now >= self.expires_at + LEEWAY {
            let message = "the access token has expired";
            return Err(Error::new(Kind::Unauthenticated, "verify token", message)
                .with_code("token_expired")
                .with_hint("get a new access token"));
        }
        if now + LEEWAY < self.begins_at { Err(super::invalid()) } else { Ok(()) }
    }
}

/// A token's claims as they are written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) sub: String,
    pub(super) exp: u32,
    pub(super) nbf: u32,
    pub(super) iat: u32,
    /// `iat` in milliseconds, so that a token issued right after a revocation is told from one
    /// issued right before.
    pub(super) iat_ms: i64,
    pub(super) jti: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cnf: Option<Confirmation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<TokenId>,
}

/// The key that a token's bearer has to own (RFC 7800).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Confirmation {
    pub(super) jkt: String,
}

/// By whom and when a token is issued, and how long it is to live.
pub(super) struct Issuance<'a> {
    pub(super) issuer: &'a str,
    pub(super) now: Timestamp,
    pub(super) life: Duration,
}

impl Claims {
    pub(super) fn of_node(node: NodeId, key: KeyThumbprint, by: &Issuance<'_>) -> Result<Self> {
        let confirmation = Confirmation { jkt: key.to_text() };
        Ok(Self { cnf: Some(confirmation), ..Self::new(node.to_string(), by)? })
    }

    pub(super) fn of_user(user: UserId, session: TokenId, by: &Issuance<'_>) -> Result<Self> {
        Ok(Self { sid: Some(session), ..Self::new(user.to_string(), by)? })
    }

    fn new(sub: String, by: &Issuance<'_>) -> Result<Self> {
        let jti: [u8; 16] = crate::trust::random("issue token")?;
        let iat = seconds(by.now)?;
        Ok(Self {
            iss: by.issuer.to_owned(),
            aud: String::new(),
            sub,
            exp: seconds(by.now + by.life)?,
            nbf: iat,
            iat,
            iat_ms: by.now.as_millis(),
            jti: URL_SAFE_NO_PAD.encode(jti),
            cnf: None,
            sid: None,
        })
    }

    pub(super) fn expires_at(&self) -> Timestamp {
        instant(self.exp)
    }

    pub(super) fn into_node(self) -> Option<NodeClaims> {
        Some(NodeClaims {
            node: self.sub.parse().ok()?,
            key: KeyThumbprint::from_text(&self.cnf.as_ref()?.jkt)?,
            times: self.times(),
        })
    }

    pub(super) fn into_user(self) -> Option<UserClaims> {
        Some(UserClaims { user: self.sub.parse().ok()?, session: self.sid?, times: self.times() })
    }

    fn times(&self) -> Times {
        Times {
            issued_at: Timestamp::from_millis(self.iat_ms),
            begins_at: instant(self.nbf),
            expires_at: instant(self.exp),
        }
    }
}

/// Seconds since 1970, which do not leave 32 bits before 2106.
fn seconds(at: Timestamp) -> Result<u32> {
    u32::try_from(at.as_millis().div_euclid(1_000))
        .map_err(|_| Error::new(Kind::Precondition, "issue token", "the system's clock is far off"))
}

fn instant(seconds: u32) -> Timestamp {
    Timestamp::from_millis(i64::from(seconds) * 1_000)
}
