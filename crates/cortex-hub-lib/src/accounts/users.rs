//! Users: make, list, change.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::account::Scope;
use cortex_core::audit::Action;
use cortex_core::audit::Object;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;
use secrecy::SecretString;

use super::Accounts;
use super::denied;
use super::sign_in::turn;
use crate::audit::Note;
use crate::clock;
use crate::store::accounts::User;
use crate::store::accounts::UserChange;
use crate::trust::token::Holder;

const MAX_NAME: usize = 63;

/// A user that is asked for.
#[derive(Debug)]
pub struct UserDraft {
    /// Unique name: 1 to 63 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// 8 to 128 characters; without one the user can only use API tokens and sign-in links.
    pub password: Option<SecretString>,
}

/// A change of a user; what is `None` stays.
#[derive(Debug, Default)]
pub struct UserEdit {
    /// Another role.
    pub role: Option<Role>,
    /// Another password.
    pub password: Option<SecretString>,
    /// Locks the user out, or lets them in again.
    pub disabled: Option<bool>,
}

impl Accounts {
    /// Makes a user.
    ///
    /// # Errors
    /// `Denied`: `who` is no admin. `Invalid`: name or password. `Exists`: the name is taken.
    pub async fn create_user(&self, who: &Principal, draft: UserDraft) -> Result<User> {
        who.administers().map_err(denied)?;
        check_name(&draft.name)?;
        let password_hash = self.hash(draft.password).await?;
        let user = User {
            id: UserId::generate(),
            name: draft.name,
            role: draft.role,
            password_hash,
            disabled: false,
            created_at: clock::now(),
        };
        let note = Note::by(who, Action::UserCreate, Object::User(user.id))
            .owned_by(user.id)
            .detail(format!("{} {:?}", user.name, user.role));
        let store = &self.inner.store;
        store.audit().record(note, store.create_user(user.clone())).await?;
        Ok(user)
    }

    /// Lists all users by name.
    ///
    /// # Errors
    /// `Denied`: `who` is no admin.
    pub async fn users(&self, who: &Principal) -> Result<Vec<User>> {
        who.administers().map_err(denied)?;
        self.inner.store.users().await
    }

    /// Changes a user, by id or name. Admins change everybody, others only their own password.
    ///
    /// A new password ends all logins of the user; so does locking them out. API tokens of a user
    /// who is locked out are refused until they are let in again.
    ///
    /// # Errors
    /// `NotFound`: no such user, or none that `who` may see. `Denied`: that is for admins.
    /// `Invalid`: the password. `Precondition`, code `last_admin`: nobody could let anybody in again.
    pub async fn change_user(&self, who: &Principal, key: &str, edit: UserEdit) -> Result<User> {
        who.holds(Scope::Manage).map_err(denied)?;
        let user = self.find_user(who, key).await?;
        if edit.role.is_some() || edit.disabled.is_some() {
            who.administers().map_err(denied)?;
        }
        let change = UserChange {
            name: None,
            role: edit.role,
            password_hash: self.hash(edit.password).await?.map(Some),
            disabled: edit.disabled,
        };
        let ends_logins = change.password_hash.is_some() || change.disabled == Some(true);
        let _turn = turn(&self.inner.turn).await?;
        let loses_admin =
            change.role.is_some_and(|role| role != Role::Admin) || change.disabled == Some(true);
        if loses_admin && is_last_admin(&self.inner.store.users().await?, user.id) {
            let message = format!("\"{}\" is the last admin who is not locked out", user.name);
            return Err(Error::new(ErrorKind::Precondition, "change user", message)
                .with_code("last_admin")
                .with_hint("make another user an admin first"));
        }
        let note = Note::by(who, Action::UserChange, Object::User(user.id))
            .owned_by(user.id)
            .detail(words_of(&user, &change));
        let store = &self.inner.store;
        let changed = store.audit().record(note, store.update_user(user.id, change)).await?;
        self.forget();
        if ends_logins {
            self.inner.store.end_logins(user.id).await?;
            self.ended(Holder::User(user.id));
        }
        Ok(changed)
    }

    /// The user that a principal is. One that only an [`Authenticator`](super::Authenticator) knows
    /// is described from the principal itself.
    ///
    /// # Errors
    /// Only those of the store.
    pub async fn user_of(&self, who: &Principal) -> Result<User> {
        let stored = self.inner.store.user(who.user).await?;
        Ok(stored.unwrap_or_else(|| User {
            id: who.user,
            name: who.user.to_string(),
            role: who.role,
            password_hash: None,
            disabled: false,
            created_at: Timestamp::default(),
        }))
    }

    /// The name of a user, for people; their id where only an
    /// [`Authenticator`](super::Authenticator) knows them.
    pub(crate) async fn name_of(&self, id: UserId) -> Result<String> {
        let stored = self.inner.store.user(id).await?;
        Ok(stored.map_or_else(|| id.to_string(), |user| user.name))
    }

    /// The user that somebody means by an id or a name, to share something with them.
    ///
    /// Whoever shares must know how the other is called; that such a user exists is no secret to
    /// them. Ids of an embedder's users are taken as they are.
    ///
    /// # Errors
    /// `NotFound`, code `user_not_found`.
    pub(crate) async fn meant_by(&self, key: &str) -> Result<UserId> {
        let store = &self.inner.store;
        let found = match key.parse::<UserId>() {
            Ok(id) if self.inner.outside.is_some() => return Ok(id),
            Ok(id) => store.user(id).await?,
            Err(_) => store.user_by_name(key).await?,
        };
        found.map(|user| user.id).ok_or_else(|| not_found(key))
    }

    async fn find_user(&self, who: &Principal, key: &str) -> Result<User> {
        let store = &self.inner.store;
        let found = match key.parse::<UserId>() {
            Ok(id) => store.user(id).await?,
            Err(_) => store.user_by_name(key).await?,
        };
        let is_visible = |user: &User| who.role == Role::Admin || user.id == who.user;
        found.filter(is_visible).ok_or_else(|| not_found(key))
    }

    async fn hash(&self, password: Option<SecretString>) -> Result<Option<String>> {
        match password {
            Some(password) => self.inner.passwords.hash(password).await.map(Some),
            None => Ok(None),
        }
    }
}

fn not_found(key: &str) -> Error {
    Error::new(ErrorKind::NotFound, "find user", format!("no user \"{key}\""))
        .with_code("user_not_found")
        .with_hint("cortex-cli user list")
}

/// What is recorded of a change, without any secret.
fn words_of(user: &User, change: &UserChange) -> String {
    let words = [
        change.role.map(|role| format!("role={role:?}").to_lowercase()),
        change.disabled.map(|disabled| format!("disabled={disabled}")),
        change.password_hash.is_some().then(|| "password".to_owned()),
    ];
    let words: Vec<_> = words.into_iter().flatten().collect();
    format!("{} {}", user.name, words.join(" "))
}

fn is_last_admin(users: &[User], id: UserId) -> bool {
    let is_active = |user: &&User| user.role == Role::Admin && !user.disabled;
    let mut admins = users.iter().filter(is_active);
    admins.all(|admin| admin.id == id)
}

fn check_name(name: &str) -> Result<()> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_good) {
        return Ok(());
    }
    let message =
        format!("a user's name has 1 to {MAX_NAME} letters, digits, \"-\", \"_\" and \".\"");
    Err(Error::new(ErrorKind::Invalid, "create user", message).with_code("bad_name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u8, role: Role, disabled: bool) -> User {
        User {
            id: UserId::from_bytes([n; 16]),
            name: n.to_string(),
            role,
            password_hash: None,
            disabled,
            created_at: Timestamp::default(),
        }
    }

    #[test]
    fn the_last_admin_is_the_one_without_whom_there_is_none() {
        let one = UserId::from_bytes([1; 16]);
        let mut users = vec![user(1, Role::Admin, false), user(2, Role::Admin, true)];
        assert!(is_last_admin(&users, one));
        users.push(user(3, Role::Member, false));
        assert!(is_last_admin(&users, one));
        users.push(user(4, Role::Admin, false));
        assert!(!is_last_admin(&users, one));
    }

    #[test]
    fn names_are_plain() {
        assert!(check_name("ada.l-1_x").is_ok() && check_name(&"x".repeat(63)).is_ok());
        for bad in ["", "a b", "ä", "a/b", &"x".repeat(64)] {
            assert_eq!(check_name(bad).unwrap_err().code(), "bad_name", "{bad}");
        }
    }
}
