//! A token for programs.

use cortex_core::account::Scope;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;

/// A token with which a program acts for a user. Its secret is known to its bearer only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its public half.
    pub id: TokenId,
    /// For whom it acts.
    pub owner: UserId,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of its secret half.
    pub digest: [u8; 32],
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being good; never if absent.
    pub expires_at: Option<Timestamp>,
    /// When it was last used; after a restart, up to an hour too early.
    pub last_used_at: Option<Timestamp>,
}
