//! A login: one sign-in of one user, kept alive by refresh tokens that follow each other.

use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;

/// A sign-in of a user: a family of refresh tokens of which one is good at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Names the family.
    pub family: TokenId,
    /// Who signed in.
    pub user: UserId,
    /// SHA-256 of the refresh token that is good now.
    pub current: [u8; 32],
    /// SHA-256 of the one before it.
    pub previous: Option<[u8; 32]>,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When they must sign in again.
    pub expires_at: Timestamp,
    /// What their program called itself.
    pub user_agent: Option<String>,
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
    /// Decides what presenting a refresh token comes to; digests are compared in constant time.
    pub(super) fn rotate(
        mut self,
        presented: [u8; 32],
        next: [u8; 32],
        now: Timestamp,
    ) -> Rotation {
        use subtle::ConstantTimeEq as _;
        if now >= self.expires_at {
            return Rotation::Unknown;
        }
        if bool::from(self.current.ct_eq(&presented)) {
            self.previous = Some(self.current);
            self.current = next;
            return Rotation::Rotated(self);
        }
        let is_previous = self.previous.is_some_and(|previous| previous.ct_eq(&presented).into());
        if is_previous { Rotation::Reused(self) } else { Rotation::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_refresh_token_is_good() {
        let login = Login {
            family: TokenId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            current: [1; 32],
            previous: None,
            created_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(100),
            user_agent: None,
        };
        let now = Timestamp::from_millis(99);
        assert_eq!(login.clone().rotate([9; 32], [2; 32], now), Rotation::Unknown);
        let Rotation::Rotated(login) = login.rotate([1; 32], [2; 32], now) else {
            panic!("the token was good")
        };
        assert_eq!(login.clone().rotate([1; 32], [3; 32], now), Rotation::Reused(login.clone()));
        let late = Timestamp::from_millis(100);
        assert_eq!(login.rotate([2; 32], [3; 32], late), Rotation::Unknown);
    }
}
