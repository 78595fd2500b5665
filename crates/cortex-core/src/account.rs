//! Who people are to a hub, and what they may do: pure rules.

use serde::Deserialize;
use serde::Serialize;

use crate::id::UserId;

/// What a user may do beyond their own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Sees and changes everything, manages users.
    Admin,
    /// Has their own nodes and sessions.
    Member,
}

/// What a credential may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// Look.
    Read,
    /// Run and cancel tasks.
    Exec,
    /// Change nodes, sessions, invites, tokens and users.
    Manage,
}

/// Somebody who proved who they are, with what their credential allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub user: UserId,
    /// Their role.
    pub role: Role,
    /// What the credential may be used for.
    pub scopes: Vec<Scope>,
}

/// Why a principal may not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The thing is somebody else's; to be told as "no such thing".
    #[error("no such thing")]
    Hidden,
    /// The credential lacks the scope.
    #[error("this credential lacks the scope \"{}\"", .0.word())]
    Scope(Scope),
    /// Only an admin may.
    #[error("only an admin may do this")]
    Admin,
}

impl Scope {
    /// The word of the wire and of the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Exec => "exec",
            Scope::Manage => "manage",
        }
    }
}

impl Principal {
    /// A principal with every scope.
    #[must_use]
    pub fn full(user: UserId, role: Role) -> Self {
        Self { user, role, scopes: vec![Scope::Read, Scope::Exec, Scope::Manage] }
    }

    /// Whether something of `owner`'s may be used in the way that `scope` names.
    ///
    /// # Errors
    /// [`AccessError::Hidden`] for what is somebody else's, before the scope is looked at.
    pub fn may(&self, scope: Scope, owner: UserId) -> Result<(), AccessError> {
        if self.role != Role::Admin && self.user != owner {
            return Err(AccessError::Hidden);
        }
        self.holds(scope)
    }

    /// Whether the credential has `scope`.
    ///
    /// # Errors
    /// [`AccessError::Scope`].
    pub fn holds(&self, scope: Scope) -> Result<(), AccessError> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(AccessError::Scope(scope)) }
    }

    /// Whether the principal is an admin whose credential may change things.
    ///
    /// # Errors
    /// [`AccessError::Admin`] or [`AccessError::Scope`].
    pub fn administers(&self) -> Result<(), AccessError> {
        if self.role != Role::Admin {
            return Err(AccessError::Admin);
        }
        self.holds(Scope::Manage)
    }

    /// The owner whose things a list shows: all for an admin.
    #[must_use]
    pub fn visible_owner(&self) -> Option<UserId> {
        (self.role != Role::Admin).then_some(self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_yours_is_hidden_before_scopes_count() {
        let (me, other) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let reader = Principal { user: me, role: Role::Member, scopes: vec![Scope::Read] };
        assert_eq!(reader.may(Scope::Read, me), Ok(()));
        assert_eq!(reader.may(Scope::Exec, me), Err(AccessError::Scope(Scope::Exec)));
        assert_eq!(reader.may(Scope::Exec, other), Err(AccessError::Hidden));
        let admin = Principal::full(other, Role::Admin);
        assert_eq!(admin.may(Scope::Manage, me), Ok(()));
        assert_eq!(reader.administers(), Err(AccessError::Admin));
        assert_eq!(reader.visible_owner(), Some(me));
    }
}
