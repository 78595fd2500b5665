//! Who people are to a hub, and what they may do: pure rules.
//!
//! Every question of access comes down to [`judge`]: what somebody has of a thing, what the act
//! needs of it, and what the credential is good for.

use serde::Deserialize;
use serde::Serialize;

use crate::id::UserId;
use crate::node::Grant;
use crate::node::Node;

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

/// How much somebody has of a thing, or an act needs of it; each step includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hold {
    /// It is shared with them: they see it and use it.
    Use,
    /// It is shared with them, and they look after it.
    Manage,
    /// It is theirs, or they are an admin.
    Own,
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
    /// The thing is shared with them, but not for this.
    #[error("this is shared with you, but only {} may do this", match .0 {
        Hold::Manage => "who manages it",
        _ => "its owner",
    })]
    Beyond(Hold),
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

impl From<Grant> for Hold {
    fn from(grant: Grant) -> Self {
        match grant {
            Grant::Use => Hold::Use,
            Grant::Manage => Hold::Manage,
        }
    }
}

/// The one rule of access: whether somebody who has `has` of a thing, with a credential that is
/// good for `scopes`, may do what needs `need` and `scope`.
///
/// # Errors
/// [`AccessError::Hidden`] for who has nothing of it, before anything else is looked at: whether a
/// thing exists is nobody else's business. Then [`AccessError::Beyond`], then
/// [`AccessError::Scope`].
pub fn judge(
    has: Option<Hold>,
    need: Hold,
    scopes: &[Scope],
    scope: Scope,
) -> Result<(), AccessError> {
    match has {
        None => Err(AccessError::Hidden),
        Some(has) if has < need => Err(AccessError::Beyond(need)),
        Some(_) if !scopes.contains(&scope) => Err(AccessError::Scope(scope)),
        Some(_) => Ok(()),
    }
}

impl Principal {
    /// A principal with every scope.
    #[must_use]
    pub fn full(user: UserId, role: Role) -> Self {
        Self { user, role, scopes: vec![Scope::Read, Scope::Exec, Scope::Manage] }
    }

    /// Whether something of `owner`'s, which cannot be shared, may be used as `scope` names.
    ///
    /// # Errors
    /// Those of [`judge`].
    pub fn may(&self, scope: Scope, owner: UserId) -> Result<(), AccessError> {
        judge(self.hold(owner, None), Hold::Own, &self.scopes, scope)
    }

    /// Whether what needs `need` of a node may be done with it as `scope` names.
    ///
    /// # Errors
    /// Those of [`judge`].
    pub fn may_on(&self, node: &Node, need: Hold, scope: Scope) -> Result<(), AccessError> {
        judge(self.hold_of(node), need, &self.scopes, scope)
    }

    /// How much the principal has of a node; nothing if it is not shared with them.
    #[must_use]
    pub fn hold_of(&self, node: &Node) -> Option<Hold> {
        self.hold(node.owner, node.grants.get(&self.user).copied())
    }

    fn hold(&self, owner: UserId, grant: Option<Grant>) -> Option<Hold> {
        if self.role == Role::Admin || self.user == owner {
            return Some(Hold::Own);
        }
        grant.map(Hold::from)
    }

    /// Whether the credential has `scope`.
    ///
    /// # Errors
    /// [`AccessError::Scope`].
    pub fn holds(&self, scope: Scope) -> Result<(), AccessError> {
        judge(Some(Hold::Own), Hold::Own, &self.scopes, scope)
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

    /// The user whose things a list shows: everybody's for an admin.
    #[must_use]
    pub fn visible_owner(&self) -> Option<UserId> {
        (self.role != Role::Admin).then_some(self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Scope; 3] = [Scope::Read, Scope::Exec, Scope::Manage];

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

    #[test]
    fn each_hold_includes_those_before_it() {
        let holds = [Hold::Use, Hold::Manage, Hold::Own];
        for (at, has) in holds.into_iter().enumerate() {
            for (step, need) in holds.into_iter().enumerate() {
                let verdict = judge(Some(has), need, &ALL, Scope::Read);
                let expected = if step <= at { Ok(()) } else { Err(AccessError::Beyond(need)) };
                assert_eq!(verdict, expected, "{has:?} {need:?}");
            }
        }
        let none = judge(None, Hold::Use, &[], Scope::Read);
        assert_eq!(none, Err(AccessError::Hidden));
        let beyond = judge(Some(Hold::Use), Hold::Own, &[], Scope::Manage);
        assert_eq!(beyond, Err(AccessError::Beyond(Hold::Own)));
    }
}
