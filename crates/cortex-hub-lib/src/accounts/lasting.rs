//! Streams outlive the request that opened them; they must not outlive its credential.

use std::sync::Arc;
use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::timestamp::Timestamp;
use tokio::time::timeout;

use super::Accounts;
use super::Credential;
use super::Identity;
use super::unauthenticated;
use crate::clock;

/// A stream of who only the embedder knows ends after this time: who comes again is asked again, and
/// a stream that is resumed loses nothing.
const OUTSIDE: Duration = Duration::from_secs(600);

/// A credential is looked at this often even if nothing changed here: it may expire.
const AT_LEAST: Duration = Duration::from_secs(60);

impl Accounts {
    /// Waits until an identity is no longer good: its token was revoked or has expired, its login
    /// has ended, or its user was locked out or got another role.
    ///
    /// `identity` has just been found to be good. Returns at once after a change that ends it, and
    /// within a minute after an expiry. A login counts for as long as it lasts, whatever became of
    /// its access token. For what only the embedder's [`Authenticator`](super::Authenticator) knows, it
    /// returns after ten minutes: then the client asks again, with what it has then.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub fn outlived(&self, identity: Arc<Identity>) -> impl Future<Output = ()> + Send + use<> {
        let accounts = self.clone();
        // From now on, not from the first poll on: nothing that changes in between is missed.
        let mut changes = self.inner.changes.subscribe();
        async move {
            if identity.credential == Credential::External {
                return tokio::time::sleep(OUTSIDE).await;
            }
            loop {
                // The sender lives as long as the accounts, so this is a change or the limit.
                let _ = timeout(AT_LEAST, changes.changed()).await;
                // Where the store cannot tell now, the next look does.
                if let Err(error) = accounts.check(&identity, clock::now()).await
                    && error.kind() == ErrorKind::Unauthenticated
                {
                    tracing::debug!(user = %identity.principal.user, %error, "credential ended");
                    return;
                }
            }
        }
    }

    async fn check(&self, identity: &Identity, now: Timestamp) -> Result<()> {
        let store = &self.inner.store;
        let ends_at = match identity.credential {
            Credential::External => return Ok(()),
            Credential::Token(id) => store.token_by_id(id).await?.map(|token| token.expires_at),
            Credential::Login(id) => store.login(id).await?.map(|login| Some(login.expires_at)),
        };
        let is_good = ends_at.is_some_and(|end| end.is_none_or(|end| now < end));
        if !is_good {
            return Err(unauthenticated("token_revoked", "the credential has ended"));
        }
        let user = self.active_user(identity.principal.user).await?;
        if user.role != identity.principal.role {
            return Err(unauthenticated("token_revoked", "the user has another role now"));
        }
        Ok(())
    }
}
