//! Signing in, staying in, signing out.

use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::Object;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::Accounts;
use super::Credential;
use super::Identity;
use super::rotation::Whence;
use super::secret;
use super::secret::Secret;
use super::unauthenticated;
use crate::audit::Note;
use crate::clock;
use crate::store::accounts::Login;
use crate::store::accounts::Rotation;
use crate::store::accounts::User;
use crate::trust::token::Holder;

/// How long a login lasts, however often it is refreshed.
const LOGIN_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

const MAX_AGENT_CHARS: usize = 200;

/// How somebody who signs in proves who they are.
#[derive(Debug)]
#[non_exhaustive]
pub enum Proof {
    /// Name and password.
    Password {
        /// The user's name.
        name: String,
        /// Their password.
        password: SecretString,
    },
    /// The one-time code of a sign-in link.
    Code(SecretString),
}

/// From where somebody signs in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client<'a> {
    /// Their address; attempts are counted by it.
    pub address: Option<IpAddr>,
    /// What their program calls itself.
    pub agent: Option<&'a str>,
}

/// A login that has just begun or was refreshed.
#[derive(Debug)]
pub struct SignedIn {
    /// Who it is.
    pub user: User,
    /// Bearer token for requests.
    pub access_token: SecretString,
    /// When it stops being good.
    pub access_expires_at: Timestamp,
    /// Gets the next pair once.
    pub refresh_token: SecretString,
    /// When the login ends.
    pub refresh_expires_at: Timestamp,
}

impl Accounts {
    /// Signs somebody in.
    ///
    /// Attempts are counted by account and by address; an unknown name takes as long as a wrong
    /// password and gets the same answer.
    ///
    /// # Errors
    /// `Unauthenticated`: `wrong_login`, `code_invalid`. `Denied`, code `user_disabled`.
    /// `Exhausted`, code `too_many_attempts`, with [`TooMany`](super::TooMany) as its source.
    /// `Unavailable`, code `login_busy`.
    ///
    /// # Cancel safety
    /// If the future is dropped, a one-time code may be used up.
    pub async fn log_in(&self, proof: Proof, client: Client<'_>) -> Result<SignedIn> {
        let name = match &proof {
            Proof::Password { name, .. } => Some(name.clone()),
            Proof::Code(_) => None,
        };
        let signed_in = self.try_log_in(proof, client).await;
        if let Err(error) = &signed_in {
            self.record_refusal(name.as_deref(), error).await?;
        }
        signed_in
    }

    async fn try_log_in(&self, proof: Proof, client: Client<'_>) -> Result<SignedIn> {
        let user = match proof {
            Proof::Password { name, password } => {
                self.count_attempt(Some(&name.to_lowercase()), client.address)?;
                let user = self.user_of_password(&name, password).await?;
                self.inner.attempts.give_back(&name.to_lowercase());
                user
            }
            Proof::Code(code) => {
                self.count_attempt(None, client.address)?;
                self.user_of_code(&code).await?
            }
        };
        if user.disabled {
            return Err(Error::new(ErrorKind::Denied, "sign in", "this user is locked out")
                .with_code("user_disabled")
                .with_hint("ask an admin of this hub"));
        }
        self.begin(user, client.agent).await
    }

    /// Gets the next tokens of a login; the refresh token is used up by that.
    ///
    /// # Errors
    /// `Unauthenticated`: `refresh_invalid`, or `refresh_reused`: it was used before, so somebody
    /// has a copy, and the login has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped, the token may be used up; a repeat by the same client within 30 s
    /// gets the same answer.
    pub async fn refresh(&self, token: &str, client: Client<'_>) -> Result<SignedIn> {
        let inner = &*self.inner;
        let (family, secret) = secret::parse_refresh_token(token).ok_or_else(refresh_invalid)?;
        let (presented, from) = (secret.refresh_digest(), Whence::from(client));
        let _turn = turn(&inner.rotations.turn).await?;
        let now = clock::now();
        if let Some(next) = inner.rotations.replay(family, &presented.whole, &from, now) {
            let login = inner.store.login(family).await?.ok_or_else(refresh_invalid)?;
            return self.renewed(&login, next, now).await;
        }
        let next = secret.successor()?;
        // Whose login it is, the store finds out.
        let note = Note::of(Actor::Nobody, Action::LoginRefresh, Object::Hub).with(family);
        let rotation = inner.store.rotate_login(family, presented, next.refresh_digest(), now);
        match inner.store.audit().record(note, rotation).await? {
            Rotation::Rotated(login) => {
                let next = next.refresh_token(family);
                inner.rotations.record(family, (presented.whole, from), next.clone(), now);
                self.renewed(&login, next, now).await
            }
            Rotation::Reused(login) => {
                tracing::warn!(user = %login.user, login = %family, "a refresh token was used twice");
                self.ended(Holder::Session(family));
                Err(unauthenticated("refresh_reused", "this refresh token was used before")
                    .with_hint("somebody may have a copy; the login has ended: sign in again"))
            }
            Rotation::Unknown => Err(refresh_invalid()),
        }
    }

    /// Ends the login of a refresh token, even of an old one. One that has ended stays so, and what
    /// is no refresh token names none.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn log_out(&self, token: &str) -> Result<()> {
        let Some((family, secret)) = secret::parse_refresh_token(token) else {
            return Ok(());
        };
        match self.inner.store.login(family).await? {
            Some(login) if login.is_of(&secret.refresh_digest()) => {
                self.end(login.user, family).await
            }
            _ => Ok(()),
        }
    }

    /// Ends the login that somebody was identified with; an API token is none.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn log_out_of(&self, identity: &Identity) -> Result<()> {
        match identity.credential {
            Credential::Login(family) => self.end(identity.principal.user, family).await,
            _ => Ok(()),
        }
    }

    /// Whether the user of that id is one of this hub's, and locked out.
    pub(crate) async fn is_locked_out(&self, id: UserId) -> Result<bool> {
        Ok(self.inner.store.user(id).await?.is_some_and(|user| user.disabled))
    }

    /// Counts somebody who tries to get in without an account, by address.
    pub(crate) fn count_stranger(&self, address: Option<IpAddr>) -> Result<()> {
        self.count_attempt(None, address)
    }

    /// The user of that id who is not locked out.
    pub(super) async fn active_user(&self, id: UserId) -> Result<User> {
        match self.inner.store.user(id).await? {
            Some(user) if !user.disabled => Ok(user),
            Some(_) => Err(unauthenticated("user_disabled", "this user is locked out")
                .with_hint("ask an admin of this hub")),
            None => Err(unauthenticated("token_invalid", "the credential's user is gone")),
        }
    }

    /// Access tokens of `holder` are refused from now on.
    pub(super) fn ended(&self, holder: Holder) {
        self.inner.tokens.revoke(holder, clock::now());
        self.forget();
    }

    async fn end(&self, user: UserId, family: TokenId) -> Result<()> {
        let note = Note::of(Actor::Nobody, Action::LoginEnd, Object::Hub);
        self.end_noting(family, note.by_themselves(user).with(family)).await
    }

    pub(super) async fn end_noting(&self, family: TokenId, note: Note) -> Result<()> {
        let store = &self.inner.store;
        store.audit().record(note, store.end_login(family)).await?;
        self.ended(Holder::Session(family));
        Ok(())
    }

    /// Records a refused attempt, of the user whose name it was. A name that nobody has is not
    /// recorded: people type their passwords there.
    async fn record_refusal(&self, name: Option<&str>, error: &Error) -> Result<()> {
        let user = match name {
            Some(name) => self.inner.store.user_by_name(name).await?,
            None => None,
        };
        let note = Note::refusal(Action::LoginBegin, Object::Hub);
        let note = match user {
            Some(user) => note.refused_for(user.id),
            None => note,
        };
        self.inner.store.audit().refused(note.detail(error.code())).await;
        Ok(())
    }

    fn count_attempt(&self, account: Option<&str>, address: Option<IpAddr>) -> Result<()> {
        let taken = self.inner.attempts.take(account, address, Instant::now());
        taken.map_err(|early| {
            Error::new(ErrorKind::Exhausted, "sign in", "too many attempts")
                .with_code("too_many_attempts")
                .with_hint(early.to_string())
                .with_source(early)
        })
    }

    async fn user_of_password(&self, name: &str, password: SecretString) -> Result<User> {
        let user = self.inner.store.user_by_name(name).await?;
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let fits = self.inner.passwords.fits(password, hash).await?;
        match user {
            Some(user) if fits => Ok(user),
            _ => Err(unauthenticated("wrong_login", "name or password is wrong")),
        }
    }

    async fn user_of_code(&self, code: &SecretString) -> Result<User> {
        let invalid = || {
            unauthenticated("code_invalid", "this sign-in link was used, or has expired")
                .with_hint("a new one is printed when the hub starts")
        };
        let secret = secret::parse_code(code.expose_secret()).ok_or_else(invalid)?;
        let user = self.inner.store.use_code(secret.digest(), clock::now()).await?;
        let user = user.ok_or_else(invalid)?;
        self.inner.store.user(user).await?.ok_or_else(invalid)
    }

    async fn begin(&self, user: User, agent: Option<&str>) -> Result<SignedIn> {
        let (family, secret, now) = (TokenId::generate(), Secret::generate()?, clock::now());
        let agent = agent.map(|agent| agent.chars().take(MAX_AGENT_CHARS).collect());
        let login = Login {
            family,
            user: user.id,
            refresh: secret.refresh_digest(),
            created_at: now,
            refreshed_at: now,
            expires_at: now + LOGIN_LIFE,
            user_agent: agent,
        };
        let refresh_expires_at = login.expires_at;
        let note = Note::of(Actor::Nobody, Action::LoginBegin, Object::Hub);
        let note = note.by_themselves(user.id).with(family);
        let store = &self.inner.store;
        store.audit().record(note, store.add_login(login)).await?;
        let access = self.inner.tokens.issue_user(user.id, family, now)?;
        Ok(SignedIn {
            user,
            access_token: access.token,
            access_expires_at: access.expires_at,
            refresh_token: secret.refresh_token(family),
            refresh_expires_at,
        })
    }

    async fn renewed(
        &self,
        login: &Login,
        refresh_token: SecretString,
        now: Timestamp,
    ) -> Result<SignedIn> {
        let user = self.active_user(login.user).await?;
        let access = self.inner.tokens.issue_user(user.id, login.family, now)?;
        Ok(SignedIn {
            user,
            access_token: access.token,
            access_expires_at: access.expires_at,
            refresh_token,
            refresh_expires_at: login.expires_at,
        })
    }
}

/// Waits for a turn, but not for ever.
pub(super) async fn turn(turns: &Semaphore) -> Result<tokio::sync::SemaphorePermit<'_>> {
    let busy = || {
        Error::new(ErrorKind::Unavailable, "wait for turn", "too many others wait")
            .with_hint("try again in a few seconds")
    };
    let turn = tokio::time::timeout(Duration::from_secs(10), turns.acquire()).await;
    turn.map_err(|_| busy())?.map_err(|_| busy())
}

fn refresh_invalid() -> Error {
    unauthenticated("refresh_invalid", "this refresh token is not good, or the login has ended")
        .with_hint("sign in again")
}
