//! Who may use a hub: users, their logins, and their API tokens.
//!
//! [`Accounts::identify`] turns what comes with a request into an [`Identity`], from memory where it
//! has seen the credential before. Whoever has users of their own brings an [`Authenticator`].

mod cache;
mod first_start;
mod lasting;
mod limit;
mod logins;
mod password;
mod rotation;
mod secret;
mod sign_in;
mod standing;
mod tokens;
mod users;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::id::TokenId;
use cortex_core::timestamp::Timestamp;
use http::HeaderMap;
use tokio::sync::Semaphore;
use tokio::sync::watch;

use crate::clock;
use crate::store::accounts::AccountStore;
use crate::trust::Tokens;

use self::cache::Cache;
use self::limit::Attempts;
use self::password::Passwords;
use self::rotation::Rotations;
use self::standing::OutsideAdmins;

pub use limit::TooMany;
pub use sign_in::Client;
pub use sign_in::Proof;
pub use sign_in::SignedIn;
pub(crate) use standing::Standing;
pub use tokens::IssuedToken;
pub use tokens::TokenDraft;
pub use users::UserDraft;
pub use users::UserEdit;

pub use crate::store::accounts::ApiToken;
pub use crate::store::accounts::Login;
pub use crate::store::accounts::User;

/// Users, logins and API tokens of a hub. Clones are cheap and mean the same accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

/// Somebody who proved who they are, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is, and what they may do.
    pub principal: Principal,
    /// With what they proved it.
    pub credential: Credential,
    /// When that stops being good; never if absent.
    pub expires_at: Option<Timestamp>,
}

/// With what somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential {
    /// An API token.
    Token(TokenId),
    /// The access token of a login.
    Login(TokenId),
    /// Something that only the embedder's [`Authenticator`] knows.
    External,
}

/// What comes with a request to prove who sends it.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a> {
    /// The bearer token, from whichever header or cookie.
    pub bearer: Option<&'a str>,
    /// All headers of the request.
    pub headers: &'a HeaderMap,
    /// The address of the client, if it is known.
    pub address: Option<IpAddr>,
}

/// Says who sends a request: for embedders that have users of their own.
///
/// Given to the hub with [`HubBuilder::authenticator`](crate::HubBuilder::authenticator). It is asked
/// about each request whose credential is neither an API token nor the access token of a login of
/// this hub; [`Accounts`] itself is the implementation for those two. Answers are not remembered: an
/// implementation that is slow remembers by itself.
///
/// A user is who has the same [`UserId`](cortex_core::id::UserId) each time: derive it from your own
/// key, or store it. Streams are asked about again every ten minutes. A task that waits in a queue is
/// placed with the role that its user's last request had.
///
/// ```
/// use cortex_core::Error;
/// use cortex_core::ErrorKind;
/// use cortex_core::Result;
/// use cortex_core::account::Principal;
/// use cortex_core::account::Role;
/// use cortex_core::id::UserId;
/// use cortex_hub_lib::accounts::Authenticator;
/// use cortex_hub_lib::accounts::Credentials;
///
/// /// Believes the service in front of it, which nobody can get around.
/// #[derive(Debug)]
/// struct Gateway;
///
/// #[async_trait::async_trait]
/// impl Authenticator for Gateway {
///     async fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Principal> {
///         let user = credentials.headers.get("x-user-id").and_then(|id| id.to_str().ok());
///         let user: Option<UserId> = user.and_then(|id| id.parse().ok());
///         let user = user.ok_or_else(|| {
///             Error::new(ErrorKind::Unauthenticated, "read user", "nobody is signed in")
///         })?;
///         Ok(Principal::full(user, Role::Member))
///     }
/// }
///
/// let builder = cortex_hub_lib::HubBuilder::default().authenticator(std::sync::Arc::new(Gateway));
/// # drop(builder);
/// ```
#[async_trait]
pub trait Authenticator: Send + Sync + std::fmt::Debug {
    /// Returns who proved to be there.
    ///
    /// # Errors
    /// `Unauthenticated`: nobody did. `Unavailable`: it cannot be found out now.
    async fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Principal>;
}

#[derive(Debug)]
struct Inner {
    store: Arc<AccountStore>,
    tokens: Arc<Tokens>,
    outside: Option<Arc<dyn Authenticator>>,
    outside_admins: OutsideAdmins,
    cache: Cache,
    passwords: Passwords,
    attempts: Attempts,
    rotations: Rotations,
    /// One change of users at a time: whether an admin is the last one is decided on all of them.
    turn: Semaphore,
    /// Counts changes of users, tokens and logins, for those who wait for one.
    changes: watch::Sender<u64>,
}

impl Accounts {
    /// Makes accounts over a store. `outside` is asked about credentials that are not ours.
    pub(crate) fn new(
        store: Arc<AccountStore>,
        tokens: Arc<Tokens>,
        outside: Option<Arc<dyn Authenticator>>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                tokens,
                outside,
                outside_admins: OutsideAdmins::default(),
                cache: Cache::default(),
                passwords: Passwords::new(),
                attempts: Attempts::new(),
                rotations: Rotations::default(),
                turn: Semaphore::new(1),
                changes: watch::Sender::new(0),
            }),
        }
    }

    /// Finds out who sends a request.
    ///
    /// A credential that was seen in the last minute, and after the last change of users, tokens
    /// and logins, costs no database query.
    ///
    /// # Errors
    /// `Unauthenticated`, with a code that says why: `no_credential`, `token_invalid`,
    /// `token_expired`, `token_revoked`, `user_disabled`, or what the embedder's
    /// [`Authenticator`] says. Otherwise only errors of the store.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn identify(&self, credentials: &Credentials<'_>) -> Result<Arc<Identity>> {
        let Some(bearer) = credentials.bearer else {
            return self.ask_outside(credentials, no_credential()).await;
        };
        let inner = &*self.inner;
        let digest = secret::digest_of(bearer.as_bytes());
        let now = clock::now();
        if let Some(identity) = inner.cache.get(&digest, now) {
            return Ok(identity);
        }
        let generation = inner.cache.generation();
        let found = match secret::parse_api_token(bearer) {
            Some((id, secret)) => self.identify_token(id, &secret, now).await,
            None => match self.identify_login(bearer, now).await {
                Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                    return self.ask_outside(credentials, error).await;
                }
                found => found,
            },
        };
        let identity = Arc::new(found?);
        inner.cache.put(digest, &identity, generation, now);
        Ok(identity)
    }

    async fn identify_login(&self, token: &str, now: Timestamp) -> Result<Identity> {
        let inner = &*self.inner;
        let claims = inner.tokens.verify_user(token, now)?;
        let login = inner.store.login(claims.session).await?;
        if login.is_none_or(|login| login.user != claims.user) {
            return Err(
                unauthenticated("token_revoked", "the login has ended").with_hint("sign in again")
            );
        }
        let user = self.active_user(claims.user).await?;
        Ok(Identity {
            principal: Principal::full(user.id, user.role),
            credential: Credential::Login(claims.session),
            expires_at: Some(claims.times.expires_at),
        })
    }

    async fn ask_outside(
        &self,
        credentials: &Credentials<'_>,
        ours: Error,
    ) -> Result<Arc<Identity>> {
        let Some(outside) = &self.inner.outside else {
            return Err(ours);
        };
        let principal = outside.authenticate(credentials).await?;
        self.inner.outside_admins.saw(&principal);
        Ok(Arc::new(Identity { principal, credential: Credential::External, expires_at: None }))
    }

    /// Forgets what was found out about credentials, after a change was stored.
    fn forget(&self) {
        self.inner.cache.clear();
        self.inner.changes.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl Authenticator for Accounts {
    async fn authenticate(&self, credentials: &Credentials<'_>) -> Result<Principal> {
        let identity = self.identify(credentials).await?;
        Ok(identity.principal.clone())
    }
}

fn no_credential() -> Error {
    unauthenticated("no_credential", "no credential was given")
        .with_hint("send the header Authorization: Bearer TOKEN, or sign in")
}

fn unauthenticated(code: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, "authenticate", message).with_code(code)
}

fn denied(error: cortex_core::account::AccessError) -> Error {
    Error::new(ErrorKind::Denied, "check access", error.to_string()).with_code("denied")
}

#[cfg(test)]
mod tests;
