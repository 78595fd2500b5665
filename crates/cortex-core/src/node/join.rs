//! Join state: how a hub tells a node from a copy of it.
//!
//! A node renews its TLS key again and again, and each renewal moves its *generation* on. Whoever
//! comes with an older one was copied before that renewal, or was left behind by the copy that made
//! it. Which of the two is the real one nobody can tell, so both are locked, and a person decides.

use serde::Deserialize;
use serde::Serialize;

/// Which renewal of its TLS key a node has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinState {
    /// 1 after the enrolment; each renewal makes the next.
    pub generation: u64,
    /// SHA-256 of the public key that the last renewal was for; `None` before the first.
    pub renewed_for: Option<[u8; 32]>,
}

/// A renewal that a node asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// The generation that it moves on from.
    pub generation: u64,
    /// SHA-256 of the new public key.
    pub key: [u8; 32],
}

/// Why a hub locked a node by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Suspicion {
    /// Two copies of its data directory are in use: one of them came with an old generation.
    Cloned,
    /// Two processes with its identity threw each other out again and again.
    Flapping,
}

/// A node came with a generation that a renewal has left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("generation {found} is behind, the node has renewed up to {current}")]
pub struct Stale {
    /// The generation that was shown.
    pub found: u64,
    /// The newest one.
    pub current: u64,
}

impl Default for JoinState {
    fn default() -> Self {
        Self { generation: 1, renewed_for: None }
    }
}

impl JoinState {
    /// Judges a node that says that it is at `generation`.
    ///
    /// One that is ahead is good: the hub was restored from a backup, and catches up at the node's
    /// next renewal.
    ///
    /// # Errors
    /// [`Stale`]: it is behind.
    pub fn judge(&self, generation: u64) -> Result<(), Stale> {
        if generation >= self.generation {
            return Ok(());
        }
        Err(Stale { found: generation, current: self.generation })
    }

    /// Moves on to the next generation.
    ///
    /// The repeat of the last renewal changes nothing: its answer was lost.
    ///
    /// # Errors
    /// [`Stale`]: the node is behind; nothing is changed.
    pub fn renew(&mut self, renewal: &Renewal) -> Result<(), Stale> {
        let Renewal { generation, key } = *renewal;
        let next = generation.saturating_add(1);
        if next == self.generation && self.renewed_for == Some(key) {
            return Ok(());
        }
        self.judge(generation)?;
        *self = Self { generation: next, renewed_for: Some(key) };
        Ok(())
    }
}

impl Suspicion {
    /// The word of the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Suspicion::Cloned => "cloned",
            Suspicion::Flapping => "flapping",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewal(generation: u64, key: u8) -> Renewal {
        Renewal { generation, key: [key; 32] }
    }

    #[test]
    fn a_renewal_moves_on_once_and_its_repeat_changes_nothing() {
        let mut join = JoinState::default();
        for _ in 0..3 {
            assert_eq!(join.renew(&renewal(1, 7)), Ok(()));
            assert_eq!(join, JoinState { generation: 2, renewed_for: Some([7; 32]) });
        }
        assert_eq!(join.renew(&renewal(2, 8)), Ok(()));
        assert_eq!(join.generation, 3);
    }

    #[test]
    fn of_two_copies_the_second_to_renew_is_behind() {
        let mut join = JoinState::default();
        join.renew(&renewal(1, 7)).unwrap();
        let before = join.clone();
        assert_eq!(join.renew(&renewal(1, 8)), Err(Stale { found: 1, current: 2 }));
        assert_eq!(join, before);
        assert_eq!(join.judge(1), Err(Stale { found: 1, current: 2 }));
        assert_eq!(join.judge(2), Ok(()));
    }

    #[test]
    fn a_hub_from_a_backup_catches_up() {
        let mut join = JoinState::default();
        assert_eq!(join.judge(5), Ok(()));
        join.renew(&renewal(5, 7)).unwrap();
        assert_eq!(join.generation, 6);
    }
}
