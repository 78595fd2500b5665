//! What became of a user since they asked for something: for what goes on after the request.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::PoisonError;

use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::id::UserId;
use tokio::sync::watch;

use super::Accounts;

/// Admins of an embedder that are remembered; past that all are forgotten.
const MOST_ADMINS: usize = 4096;

/// How a user stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A user of this hub, with that role.
    Active(Role),
    /// A user of this hub who is locked out.
    Disabled,
    /// No user of this hub: one of the embedder's, whose role shows with their requests only.
    Outside,
}

/// The embedder's users who were last seen as admins.
#[derive(Debug, Default)]
pub(super) struct OutsideAdmins {
    users: Mutex<HashSet<UserId>>,
}

impl OutsideAdmins {
    /// Takes in what an [`Authenticator`](super::Authenticator) has just said.
    pub(super) fn saw(&self, who: &Principal) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if who.role != Role::Admin {
            users.remove(&who.user);
            return;
        }
        if users.len() >= MOST_ADMINS {
            users.clear();
        }
        users.insert(who.user);
    }

    fn has(&self, user: UserId) -> bool {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).contains(&user)
    }
}

impl Accounts {
    /// How a user stands now.
    pub(crate) async fn standing(&self, user: UserId) -> Result<Standing> {
        Ok(match self.inner.store.user(user).await? {
            Some(user) if user.disabled => Standing::Disabled,
            Some(user) => Standing::Active(user.role),
            None => Standing::Outside,
        })
    }

    /// The role of a user when they do not ask themselves: that on record; of an embedder's user,
    /// that of their last request.
    pub(crate) async fn role_of(&self, user: UserId) -> Result<Role> {
        Ok(match self.standing(user).await? {
            Standing::Active(role) => role,
            Standing::Outside if self.inner.outside_admins.has(user) => Role::Admin,
            Standing::Outside | Standing::Disabled => Role::Member,
        })
    }

    /// The users who are locked out.
    pub(crate) async fn disabled(&self) -> Result<HashSet<UserId>> {
        let users = self.inner.store.users().await?;
        Ok(users.into_iter().filter(|user| user.disabled).map(|user| user.id).collect())
    }

    /// Rings after each change of users, tokens and logins.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedders_admin_is_one_until_seen_otherwise() {
        let (admins, user) = (OutsideAdmins::default(), UserId::from_bytes([1; 16]));
        assert!(!admins.has(user));
        admins.saw(&Principal::full(user, Role::Admin));
        assert!(admins.has(user));
        admins.saw(&Principal::full(user, Role::Member));
        assert!(!admins.has(user));
    }
}
