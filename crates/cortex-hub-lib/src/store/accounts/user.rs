//! A user of the hub.

use cortex_core::account::Role;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;

/// A user of the hub.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Who it is.
    pub id: UserId,
    /// The name that they sign in with; unique in every spelling of its case.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The hash of their password in PHC form; without one, no password fits.
    pub password_hash: Option<String>,
    /// They may not sign in or use anything.
    pub disabled: bool,
    /// When the user was made.
    pub created_at: Timestamp,
}

/// A change of a user; what is `None` stays.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UserChange {
    /// Another name.
    pub name: Option<String>,
    /// Another role.
    pub role: Option<Role>,
    /// The hash of another password; `Some(None)` takes the password away.
    pub password_hash: Option<Option<String>>,
    /// Shuts the user out, or lets them in again.
    pub disabled: Option<bool>,
}

impl User {
    /// Applies a change.
    pub(super) fn apply(&mut self, change: UserChange) {
        let UserChange { name, role, password_hash, disabled } = change;
        self.name = name.unwrap_or_else(|| std::mem::take(&mut self.name));
        self.role = role.unwrap_or(self.role);
        self.password_hash = password_hash.unwrap_or_else(|| self.password_hash.take());
        self.disabled = disabled.unwrap_or(self.disabled);
    }
}

/// The form of a name in which it is unique.
pub(super) fn name_key(name: &str) -> String {
    name.to_lowercase()
}

/// Tells only whether there is a password: hashes do not belong into logs.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("role", &self.role)
            .field("has_password", &self.password_hash.is_some())
            .field("disabled", &self.disabled)
            .field("created_at", &self.created_at)
            .finish()
    }
}

/// Tells only whether there is a password: hashes do not belong into logs.
impl std::fmt::Debug for UserChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserChange")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("changes_password", &self.password_hash.is_some())
            .field("disabled", &self.disabled)
            .finish()
    }
}
