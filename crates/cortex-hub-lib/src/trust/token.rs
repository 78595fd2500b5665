//! Access tokens of nodes and users: short-lived JWTs, signed with Ed25519.
//!
//! Node tokens and user tokens differ in type and audience, so that neither opens the other's API.
//! A node's token names its identity key; it opens nothing without that key. A user's token says
//! who and which login, never which role: that is looked up each time.

mod claims;
mod revocation;
mod seen;

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use jsonwebtoken::Validation;
use secrecy::SecretString;
use sha2::Digest as _;
use sha2::Sha256;

use super::Vault;
use claims::Claims;
use revocation::Revocations;
use seen::Seen;

pub use claims::KeyThumbprint;
pub use claims::NodeClaims;
pub use claims::Times;
pub use claims::UserClaims;
pub use revocation::Holder;

/// The longest life of a node's access token.
pub const NODE_LIFE: Duration = Duration::from_secs(15 * 60);

/// Life of a user's access token.
pub const USER_LIFE: Duration = Duration::from_secs(10 * 60);

/// How far a token's times may be off.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// The longest token that is looked at, in bytes.
pub const MAX_LEN: usize = 2048;

/// Verified tokens that are remembered, of nodes and of users each.
const REMEMBERED: usize = 4096;

/// A token that was just issued.
#[derive(Debug)]
pub struct Issued {
    /// The JWT.
    pub token: SecretString,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// Issues and verifies access tokens.
pub struct Tokens {
    issuer: String,
    signs: EncodingKey,
    verifies: DecodingKey,
    node: Class,
    user: Class,
    state: Mutex<State>,
}

/// What sets one class of tokens apart from another.
#[derive(Debug)]
struct Class {
    header: Header,
    audience: String,
    validation: Validation,
}

#[derive(Debug)]
struct State {
    nodes: Seen<NodeClaims>,
    users: Seen<UserClaims>,
    revocations: Revocations,
}

impl Tokens {
    /// Takes the hub's id and token key from an open vault.
    ///
    /// # Errors
    /// `Internal`: the cryptographic library refused the key.
    pub fn new(vault: &Vault) -> Result<Self> {
        let der = vault
            .token_key
            .to_pkcs8_der()
            .map_err(|error| Error::new(Kind::Internal, "read token key", error.to_string()))?;
        let hub = vault.hub;
        Ok(Self {
            issuer: hub.to_string(),
            signs: EncodingKey::from_ed_der(der.as_bytes()),
            verifies: DecodingKey::from_ed_der(vault.token_key.verifying_key().as_bytes()),
            node: Class::new("node+jwt", format!("cortex:node:{hub}"), hub),
            user: Class::new("user+jwt", format!("cortex:api:{hub}"), hub),
            state: Mutex::new(State {
                nodes: Seen::with_capacity(REMEMBERED),
                users: Seen::with_capacity(REMEMBERED),
                revocations: Revocations::new(NODE_LIFE.max(USER_LIFE) + LEEWAY),
            }),
        })
    }

    /// Issues a token to a node that proved possession of `identity`, its Ed25519 key; it lives for
    /// [`NODE_LIFE`] at most.
    ///
    /// # Errors
    /// `Internal`: signing failed.
    pub fn issue_node(
        &self,
        node: NodeId,
        identity: &[u8; 32],
        life: Duration,
        now: Timestamp,
    ) -> Result<Issued> {
        let key = KeyThumbprint::of(identity);
        let issuance = self.issuance(life.min(NODE_LIFE), now);
        self.issue(&self.node, Claims::of_node(node, key, &issuance)?)
    }

    /// Verifies a node's token. The caller still compares [`NodeClaims::key`] with the key on
    /// record, and looks whether the node is active.
    ///
    /// # Errors
    /// `Unauthenticated`, with code `token_expired`, `token_revoked`, or `token_invalid` for
    /// everything else.
    pub fn verify_node(&self, token: &str, now: Timestamp) -> Result<NodeClaims> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let remembered = super::lock(&self.state).nodes.get(&digest);
        let claims = match remembered {
            Some(claims) => claims,
            None => self.read(&self.node, token)?.into_node().ok_or_else(invalid)?,
        };
        claims.times.check(now)?;
        let mut state = super::lock(&self.state);
        state.revocations.check(&[Holder::Node(claims.node)], claims.times.issued_at)?;
        state.nodes.put(digest, claims);
        Ok(claims)
    }

    /// Issues a token of [`USER_LIFE`] to a user; `session` names the login that it belongs to.
    ///
    /// # Errors
    /// `Internal`: signing failed.
    pub fn issue_user(&self, user: UserId, session: TokenId, now: Timestamp) -> Result<Issued> {
        self.issue(&self.user, Claims::of_user(user, session, &self.issuance(USER_LIFE, now))?)
    }

    /// Verifies a user's token. The caller still looks up the user's state and role.
    ///
    /// # Errors
    /// As [`Tokens::verify_node`].
    pub fn verify_user(&self, token: &str, now: Timestamp) -> Result<UserClaims> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let remembered = super::lock(&self.state).users.get(&digest);
        let claims = match remembered {
            Some(claims) => claims,
            None => self.read(&self.user, token)?.into_user().ok_or_else(invalid)?,
        };
        claims.times.check(now)?;
        let holders = [Holder::User(claims.user), Holder::Session(claims.session)];
        let mut state = super::lock(&self.state);
        state.revocations.check(&holders, claims.times.issued_at)?;
        state.users.put(digest, claims);
        Ok(claims)
    }

    /// Refuses from now on every token that `holder` was issued up to `now`.
    ///
    /// Kept in memory, for as long as such a token could live; what has to outlast a restart (a
    /// locked node, an ended login) is stored and looked up by the caller as well.
    pub fn revoke(&self, holder: Holder, now: Timestamp) {
        super::lock(&self.state).revocations.add(holder, now);
    }

    fn issuance(&self, life: Duration, now: Timestamp) -> claims::Issuance<'_> {
        claims::Issuance { issuer: &self.issuer, now, life }
    }

    fn issue(&self, class: &Class, mut claims: Claims) -> Result<Issued> {
        claims.aud.clone_from(&class.audience);
        let token = jsonwebtoken::encode(&class.header, &claims, &self.signs).map_err(|error| {
            Error::new(Kind::Internal, "issue token", "signing failed").with_source(error)
        })?;
        Ok(Issued { token: token.into(), expires_at: claims.expires_at() })
    }

    /// Checks everything about a token that does not depend on the time.
    fn read(&self, class: &Class, token: &str) -> Result<Claims> {
        if token.len() > MAX_LEN {
            return Err(invalid());
        }
        let read = jsonwebtoken::decode::<Claims>(token, &self.verifies, &class.validation)
            .map_err(|error| invalid().with_source(error))?;
        if read.header.typ != class.header.typ {
            return Err(invalid());
        }
        Ok(read.claims)
    }
}

impl Class {
    fn new(kind: &str, audience: String, hub: HubId) -> Self {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(kind.to_owned());
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Without this list the library takes tokens that leave these claims out.
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        validation.set_audience(&[&audience]);
        validation.set_issuer(&[hub]);
        // The library would ask the system's clock; `Times::check` judges by the caller's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { header, audience, validation }
    }
}

fn invalid() -> Error {
    Error::new(Kind::Unauthenticated, "verify token", "the access token is not good here")
        .with_code("token_invalid")
        .with_hint("get a new access token")
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
