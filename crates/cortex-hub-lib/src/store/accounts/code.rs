//! A code that signs a user in once.

use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;

/// A code that signs a user in once, e.g. the link that a starting hub prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginCode {
    /// SHA-256 of the code.
    pub digest: [u8; 32],
    /// Whom it signs in.
    pub user: UserId,
    /// When it stops being good.
    pub expires_at: Timestamp,
}
