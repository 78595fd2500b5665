//! Tokens that are refused before their time.

use std::collections::HashMap;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::NodeId;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;

/// Revocations that are kept one by one.
const CAPACITY: usize = 65_536;

/// Whose tokens are revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Holder {
    /// All tokens of a node.
    Node(NodeId),
    /// All tokens of a user, whatever the login.
    User(UserId),
    /// All tokens of one login.
    Session(TokenId),
}

/// Until when the tokens of each holder are refused.
#[derive(Debug)]
pub(super) struct Revocations {
    at: HashMap<Holder, Timestamp>,
    /// Whatever was issued up to here is refused, whoever holds it.
    everybody: Option<Timestamp>,
    longest_life: Duration,
}

impl Revocations {
    pub(super) fn new(longest_life: Duration) -> Self {
        Self { at: HashMap::new(), everybody: None, longest_life }
    }

    pub(super) fn add(&mut self, holder: Holder, now: Timestamp) {
        if self.at.len() >= CAPACITY {
            let longest_life = self.longest_life;
            self.at.retain(|_, at| *at + longest_life > now);
        }
        if self.at.len() >= CAPACITY {
            // Too many to keep apart: everybody refreshes once. Forgetting one would be worse.
            self.at.clear();
            self.everybody = Some(now);
        }
        let at = self.at.entry(holder).or_insert(now);
        *at = now.max(*at);
    }

    pub(super) fn check(&self, holders: &[Holder], issued_at: Timestamp) -> Result<()> {
        let is_revoked = |holder| self.at.get(holder).is_some_and(|at| issued_at <= *at);
        if holders.iter().any(is_revoked) || self.everybody.is_some_and(|at| issued_at <= at) {
            let message = "the access token was revoked";
            return Err(Error::new(Kind::Unauthenticated, "verify token", message)
                .with_code("token_revoked")
                .with_hint("sign in again"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn holder(number: usize) -> Holder {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Holder::Node(NodeId::from_bytes(bytes))
    }

    #[test]
    fn what_was_issued_later_is_good() {
        let mut revocations = Revocations::new(Duration::from_secs(60));
        revocations.add(holder(1), at(1_000));
        revocations.add(holder(1), at(900));
        let check = |number, issued| revocations.check(&[holder(number)], at(issued)).is_ok();
        assert_eq!([check(1, 1_000), check(1, 1_001), check(2, 1)], [false, true, true]);
    }

    #[test]
    fn overflow_forgets_the_expired_first_and_then_refuses_everybody() {
        let mut revocations = Revocations::new(Duration::from_secs(60));
        (0..CAPACITY).for_each(|number| revocations.add(holder(number), at(0)));
        revocations.add(holder(CAPACITY), at(60_000));
        assert_eq!(revocations.at.len(), 1);
        (0..CAPACITY).for_each(|number| revocations.add(holder(number), at(60_001)));
        let unrelated = [holder(CAPACITY + 1)];
        assert!(revocations.check(&unrelated, at(60_001)).is_err());
        assert!(revocations.check(&unrelated, at(60_002)).is_ok());
    }
}
