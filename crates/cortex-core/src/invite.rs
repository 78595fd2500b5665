//! An invite: the right to enrol one node, once, for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::id::InviteId;
use crate::id::NodeId;
use crate::id::UserId;
use crate::timestamp::Timestamp;

/// How long an invite is good unless its maker says otherwise.
pub const DEFAULT_LIFE: Duration = Duration::from_secs(30 * 60);

/// The longest life an invite can be given.
pub const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How long after an enrolment the same node may ask again, because the answer was lost.
pub const REPLAY_WINDOW: Duration = Duration::from_secs(600);

/// The right to enrol one node. Its secret is known to its bearer only; here is its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Its public half.
    pub id: InviteId,
    /// SHA-256 of its secret half.
    pub secret_digest: [u8; 32],
    /// Who made it, and will own the node.
    pub owner: UserId,
    /// Name that the node gets.
    pub name: String,
    /// Labels that the node gets.
    pub labels: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fate {
    /// Nobody used it.
    Open,
    /// It enrolled a node.
    Used {
        /// The node.
        node: NodeId,
        /// The identity key that it enrolled with.
        identity: [u8; 32],
        /// When.
        at: Timestamp,
    },
    /// Its owner withdrew it.
    Withdrawn {
        /// When.
        at: Timestamp,
    },
}

/// Why an invite does not enrol a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// The secret half is another one.
    #[error("the invite's secret does not fit")]
    WrongSecret,
    /// Its time is over.
    #[error("the invite expired at {0}")]
    Expired(Timestamp),
    /// Another node has used it.
    #[error("the invite was already used by another node")]
    AlreadyUsed,
    /// Its owner withdrew it.
    #[error("the invite was withdrawn")]
    Withdrawn,
}

impl InviteError {
    /// The stable word for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            InviteError::WrongSecret => "invite_wrong_secret",
            InviteError::Expired(_) => "invite_expired",
            InviteError::AlreadyUsed => "invite_already_used",
            InviteError::Withdrawn => "invite_withdrawn",
        }
    }
}

/// What a good invite entitles to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entitlement {
    /// A new node may be made.
    New,
    /// The same node asks again: it gets the same answer.
    Replay(NodeId),
}

impl Invite {
    /// Decides whether a bearer with this secret digest and identity key may enrol at `now`.
    ///
    /// The digests are compared in constant time.
    ///
    /// # Errors
    /// [`InviteError`]; the secret is judged first, so that nobody without it learns anything.
    pub fn judge(
        &self,
        secret_digest: &[u8; 32],
        identity: &[u8; 32],
        now: Timestamp,
    ) -> Result<Entitlement, InviteError> {
        if !equal_in_constant_time(&self.secret_digest, secret_digest) {
            return Err(InviteError::WrongSecret);
        }
        match &self.fate {
            Fate::Withdrawn { .. } => Err(InviteError::Withdrawn),
            Fate::Used { node, identity: first, at } => {
                let is_same = first == identity && now.since(*at) <= REPLAY_WINDOW;
                if is_same { Ok(Entitlement::Replay(*node)) } else { Err(InviteError::AlreadyUsed) }
            }
            Fate::Open if now >= self.expires_at => Err(InviteError::Expired(self.expires_at)),
            Fate::Open => Ok(Entitlement::New),
        }
    }
}

fn equal_in_constant_time(left: &[u8; 32], right: &[u8; 32]) -> bool {
    use subtle::ConstantTimeEq as _;
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(fate: Fate) -> Invite {
        Invite {
            id: InviteId::from_bytes([1; 16]),
            secret_digest: [7; 32],
            owner: UserId::from_bytes([2; 16]),
            name: "lab".into(),
            labels: BTreeMap::new(),
            created_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(1_000),
            fate,
        }
    }

    #[test]
    fn an_invite_is_good_once_until_its_time() {
        let now = Timestamp::from_millis(999);
        let open = invite(Fate::Open);
        assert_eq!(open.judge(&[7; 32], &[1; 32], now), Ok(Entitlement::New));
        assert_eq!(open.judge(&[8; 32], &[1; 32], now), Err(InviteError::WrongSecret));
        let late = Timestamp::from_millis(1_000);
        assert_eq!(open.judge(&[7; 32], &[1; 32], late), Err(InviteError::Expired(late)));
    }

    #[test]
    fn a_lost_reply_is_repeated_to_the_same_key_only() {
        let node = NodeId::from_bytes([3; 16]);
        let at = Timestamp::from_millis(500);
        let used = invite(Fate::Used { node, identity: [1; 32], at });
        let judge = |identity: u8, now| used.judge(&[7; 32], &[identity; 32], now);
        assert_eq!(judge(1, at + REPLAY_WINDOW), Ok(Entitlement::Replay(node)));
        assert_eq!(judge(2, at), Err(InviteError::AlreadyUsed));
        let later = at + REPLAY_WINDOW + Duration::from_millis(1);
        assert_eq!(judge(1, later), Err(InviteError::AlreadyUsed));
    }
}
