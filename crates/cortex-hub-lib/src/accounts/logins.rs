//! Sign-ins: looked at and ended by whose they are.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Object;
use cortex_core::id::TokenId;

use super::Accounts;
use super::denied;
use crate::audit::Note;
use crate::clock;
use crate::store::accounts::Login;
use crate::trust::token::Holder;

impl Accounts {
    /// Lists the logins of `who` that have not ended, those that were refreshed last first.
    ///
    /// # Errors
    /// `Denied`: the credential may not read.
    pub async fn logins(&self, who: &Principal) -> Result<Vec<Login>> {
        who.holds(Scope::Read).map_err(denied)?;
        self.inner.store.logins(who.user, clock::now()).await
    }

    /// Ends a login of `who`, with its access tokens and streams. API tokens stay.
    ///
    /// # Errors
    /// `NotFound`: no such login of `who`'s; an admin's list has only the admin's own, too.
    /// `Denied`: the credential may not manage.
    pub async fn end_login(&self, who: &Principal, family: TokenId) -> Result<()> {
        let login = self.inner.store.login(family).await?;
        let is_own = login.is_some_and(|login| login.user == who.user);
        if !is_own {
            let message = format!("no login \"{family}\"");
            return Err(Error::new(ErrorKind::NotFound, "end login", message)
                .with_code("login_not_found")
                .with_hint("cortex-cli login list"));
        }
        who.holds(Scope::Manage).map_err(denied)?;
        let note = Note::by(who, Action::LoginEnd, Object::Token(family)).owned_by(who.user);
        self.end_noting(family, note).await
    }

    /// Ends all logins of `who`, the one that asks too, and returns how many there were.
    ///
    /// # Errors
    /// `Denied`: the credential may not manage.
    pub async fn end_logins(&self, who: &Principal) -> Result<u64> {
        who.holds(Scope::Manage).map_err(denied)?;
        let note = Note::by(who, Action::LoginEnd, Object::User(who.user)).owned_by(who.user);
        let store = &self.inner.store;
        let ended = store.audit().record(note.detail("all"), store.end_logins(who.user)).await?;
        self.ended(Holder::User(who.user));
        Ok(ended)
    }
}
