//! API tokens: make, list, revoke, recognise.

use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Object;
use cortex_core::id::TokenId;
use cortex_core::timestamp::Timestamp;
use secrecy::SecretString;

use super::Accounts;
use super::Credential;
use super::Identity;
use super::denied;
use super::secret;
use super::secret::Secret;
use super::unauthenticated;
use crate::audit::Note;
use crate::clock;
use crate::store::accounts::ApiToken;

/// Tokens of one user.
const MOST_TOKENS: usize = 1_000;
const MAX_NAME_CHARS: usize = 64;

/// An API token that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenDraft {
    /// Name for people: 1 to 64 printable characters.
    pub name: String,
    /// What it may be used for; all that its maker may do if empty.
    pub scopes: Vec<Scope>,
    /// How long it is good; as long as its maker's credential if `None`.
    pub life: Option<Duration>,
}

/// A new API token, with its secret.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token as it is stored.
    pub token: ApiToken,
    /// Its text, which is nowhere else.
    pub secret: SecretString,
}

impl Accounts {
    /// Makes an API token that acts for whoever asks.
    ///
    /// It is never good for more than the credential that asks: not for other scopes, and, where an
    /// API token asks, not for longer.
    ///
    /// # Errors
    /// `Denied`: the credential may not manage, or the token would be good for more (codes
    /// `wider_scope`, `longer_life`). `Invalid`: name or life. `Exhausted`: too many tokens.
    pub async fn create_token(&self, by: &Identity, draft: TokenDraft) -> Result<IssuedToken> {
        let who = &by.principal;
        who.holds(Scope::Manage).map_err(denied)?;
        check_name(&draft.name)?;
        let now = clock::now();
        let scopes = scopes_of(who, draft.scopes)?;
        let expires_at = expiry_of(by, draft.life, now)?;
        let owned = self.inner.store.tokens(Some(who.user)).await?.len();
        if owned >= MOST_TOKENS {
            let message = format!("a user has at most {MOST_TOKENS} tokens");
            return Err(Error::new(ErrorKind::Exhausted, "create token", message)
                .with_hint("revoke some: cortex-cli token list"));
        }
        let secret = Secret::generate()?;
        let token = ApiToken {
            id: TokenId::generate(),
            owner: who.user,
            name: draft.name,
            digest: secret.digest(),
            scopes,
            created_at: now,
            expires_at,
            last_used_at: None,
        };
        let words: Vec<_> = token.scopes.iter().map(|scope| scope.word()).collect();
        let note = Note::by(who, Action::TokenCreate, Object::Token(token.id))
            .owned_by(token.owner)
            .detail(format!("{} {}", token.name, words.join(",")));
        let store = &self.inner.store;
        store.audit().record(note, store.add_token(token.clone())).await?;
        Ok(IssuedToken { secret: secret.api_token(token.id), token })
    }

    /// Lists the API tokens of `who`, or all for an admin, newest first; expired ones too.
    ///
    /// # Errors
    /// `Denied`: the credential may not read.
    pub async fn tokens(&self, who: &Principal) -> Result<Vec<ApiToken>> {
        who.holds(Scope::Read).map_err(denied)?;
        self.inner.store.tokens(who.visible_owner()).await
    }

    /// Makes an API token useless, from the next request on.
    ///
    /// # Errors
    /// `NotFound`: no such token of `who`'s. `Denied`: the credential may not manage.
    pub async fn revoke_token(&self, who: &Principal, id: TokenId) -> Result<()> {
        let token = self.inner.store.token_by_id(id).await?;
        let visible = token.filter(|token| who.may(Scope::Read, token.owner).is_ok());
        let Some(token) = visible else {
            let message = format!("no token \"{id}\"");
            return Err(Error::new(ErrorKind::NotFound, "revoke token", message)
                .with_code("token_not_found")
                .with_hint("cortex-cli token list"));
        };
        who.holds(Scope::Manage).map_err(denied)?;
        let note = Note::by(who, Action::TokenRevoke, Object::Token(id))
            .owned_by(token.owner)
            .detail(token.name);
        let store = &self.inner.store;
        store.audit().record(note, store.revoke_token(id)).await?;
        self.forget();
        Ok(())
    }

    /// Who acts with an API token.
    pub(super) async fn identify_token(
        &self,
        id: TokenId,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<Identity> {
        let stored = self.inner.store.token_by_id(id).await?;
        // Unknown and wrong get one answer: ids are no secret, but whether one exists is nobody's
        // business.
        let is_good = |token: &ApiToken| secret::is_same(&token.digest, &secret.digest());
        let token = stored.filter(is_good).ok_or_else(|| {
            unauthenticated("token_invalid", "this token is not good here, or was revoked")
                .with_hint("make a new one: cortex-cli token create")
        })?;
        if token.expires_at.is_some_and(|end| now >= end) {
            return Err(unauthenticated("token_expired", "this token has expired")
                .with_hint("make a new one: cortex-cli token create"));
        }
        let user = self.active_user(token.owner).await?;
        self.inner.store.note_token_use(id, now);
        Ok(Identity {
            principal: Principal { user: user.id, role: user.role, scopes: token.scopes },
            credential: Credential::Token(id),
            expires_at: token.expires_at,
        })
    }
}

fn scopes_of(who: &Principal, wanted: Vec<Scope>) -> Result<Vec<Scope>> {
    if wanted.is_empty() {
        return Ok(who.scopes.clone());
    }
    if let Some(scope) = wanted.iter().find(|scope| !who.scopes.contains(scope)) {
        let message = format!("the new token would have \"{}\", yours has not", scope.word());
        return Err(Error::new(ErrorKind::Denied, "create token", message).with_code("wider_scope"));
    }
    let mut scopes = wanted;
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

fn expiry_of(by: &Identity, life: Option<Duration>, now: Timestamp) -> Result<Option<Timestamp>> {
    // A login's access token is short-lived by its nature; what its user makes may outlive it.
    let bound = match by.credential {
        Credential::Login(_) => None,
        _ => by.expires_at,
    };
    let Some(life) = life else {
        return Ok(bound);
    };
    if life.is_zero() {
        let message = "a token must be good for some time";
        return Err(Error::new(ErrorKind::Invalid, "create token", message).with_code("bad_expiry"));
    }
    let end = now + life;
    if let Some(bound) = bound.filter(|bound| end > *bound) {
        let message = format!("the new token would outlive yours, which ends at {bound}");
        return Err(Error::new(ErrorKind::Denied, "create token", message).with_code("longer_life"));
    }
    Ok(Some(end))
}

fn check_name(name: &str) -> Result<()> {
    let length = name.chars().count();
    if (1..=MAX_NAME_CHARS).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let message = format!("a token's name has 1 to {MAX_NAME_CHARS} printable characters");
    Err(Error::new(ErrorKind::Invalid, "create token", message).with_code("bad_name"))
}

#[cfg(test)]
mod tests {
    use cortex_core::account::Role;
    use cortex_core::id::UserId;

    use super::*;

    fn principal(scopes: &[Scope]) -> Principal {
        Principal { user: UserId::from_bytes([1; 16]), role: Role::Member, scopes: scopes.to_vec() }
    }

    #[test]
    fn a_token_has_no_scope_that_its_maker_lacks() {
        let who = principal(&[Scope::Read, Scope::Manage]);
        assert_eq!(scopes_of(&who, vec![]).unwrap(), who.scopes);
        let twice = scopes_of(&who, vec![Scope::Read, Scope::Read]).unwrap();
        assert_eq!(twice, [Scope::Read]);
        let wider = scopes_of(&who, vec![Scope::Exec]).unwrap_err();
        assert_eq!(wider.code(), "wider_scope");
    }

    #[test]
    fn a_token_does_not_outlive_the_token_that_made_it() {
        let now = Timestamp::from_millis(0);
        let end = now + Duration::from_secs(60);
        let mut by = Identity {
            principal: principal(&[Scope::Manage]),
            credential: Credential::Token(TokenId::from_bytes([1; 16])),
            expires_at: Some(end),
        };
        let minute = Some(Duration::from_secs(60));
        let longer = Some(Duration::from_secs(61));
        assert_eq!(expiry_of(&by, None, now).unwrap(), Some(end));
        assert_eq!(expiry_of(&by, minute, now).unwrap(), Some(end));
        assert_eq!(expiry_of(&by, longer, now).unwrap_err().code(), "longer_life");
        by.credential = Credential::Login(TokenId::from_bytes([1; 16]));
        assert_eq!(expiry_of(&by, None, now).unwrap(), None);
        assert!(expiry_of(&by, longer, now).is_ok());
        let zero = expiry_of(&by, Some(Duration::ZERO), now).unwrap_err();
        assert_eq!(zero.code(), "bad_expiry");
    }
}
