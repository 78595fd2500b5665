//! A login: one sign-in of one user, kept alive by refresh tokens that follow each other.

use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;
use subtle::ConstantTimeEq as _;

/// A sign-in of a user: a family of refresh tokens of which one is good at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Names the family.
    pub family: TokenId,
    /// Who signed in.
    pub user: UserId,
    /// What is kept of the refresh token that is good now.
    pub refresh: RefreshDigest,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When the login was refreshed last.
    pub refreshed_at: Timestamp,
    /// When they must sign in again.
    pub expires_at: Timestamp,
    /// What their program called itself.
    pub user_agent: Option<String>,
}

/// What is kept of a refresh token. Nothing of it helps to make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshDigest {
    /// SHA-256 of the token's whole secret.
    pub whole: [u8; 32],
    /// SHA-256 of the half of the secret that all tokens of its login have: it tells an old token
    /// of the login from one that somebody made up.
    pub root: [u8; 32],
}

/// What came of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was good: the next one is good now. The login as it then is.
    Rotated(Login),
    /// It had been replaced already, so somebody has a copy: the login has ended. As it was.
    Reused(Login),
    /// No such login, an expired one, or a token that never belonged to it.
    Unknown,
}

impl Login {
    /// Whether a refresh token belongs to this login, be it the newest or an old one.
    #[must_use]
    pub fn is_of(&self, presented: &RefreshDigest) -> bool {
        self.refresh.root.ct_eq(&presented.root).into()
    }

    /// Decides what presenting a refresh token comes to; digests are compared in constant time.
    pub(super) fn rotate(
        mut self,
        presented: &RefreshDigest,
        next: RefreshDigest,
        now: Timestamp,
    ) -> Rotation {
        if now >= self.expires_at {
            return Rotation::Unknown;
        }
        if bool::from(self.refresh.whole.ct_eq(&presented.whole)) {
            self.refresh = next;
            self.refreshed_at = now;
            return Rotation::Rotated(self);
        }
        if self.is_of(presented) { Rotation::Reused(self) } else { Rotation::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(root: u8, whole: u8) -> RefreshDigest {
        RefreshDigest { whole: [whole; 32], root: [root; 32] }
    }

    #[test]
    fn row_46_only_the_newest_refresh_token_is_good_and_every_older_one_is_known() {
        let login = Login {
            family: TokenId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            refresh: token(7, 1),
            created_at: Timestamp::from_millis(0),
            refreshed_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(100),
            user_agent: None,
        };
        let now = Timestamp::from_millis(99);
        let made_up = login.clone().rotate(&token(8, 1 + 1), token(8, 9), now);
        assert_eq!(made_up, Rotation::Unknown);
        let mut newest = login;
        for whole in 1..=4 {
            let next = token(7, whole + 1);
            let Rotation::Rotated(login) = newest.rotate(&token(7, whole), next, now) else {
                panic!("the token was good")
            };
            newest = login;
        }
        assert_eq!(newest.refreshed_at, now);
        for old in 1..=4 {
            let reused = newest.clone().rotate(&token(7, old), token(7, 9), now);
            assert_eq!(reused, Rotation::Reused(newest.clone()));
        }
        let late = Timestamp::from_millis(100);
        assert_eq!(newest.rotate(&token(7, 5), token(7, 6), late), Rotation::Unknown);
    }
}
