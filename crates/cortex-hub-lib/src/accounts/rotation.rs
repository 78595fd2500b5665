//! Refreshes that happened a moment ago: whoever lost the answer gets it again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use cortex_core::id::TokenId;
use cortex_core::timestamp::Timestamp;
use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::Client;
use super::secret;
use super::secret::Digest;

/// A refresh token that comes again this soon, from where it came before, lost its answer: it gets
/// the same answer. Two tabs of a browser also send it twice. From elsewhere it is a copy.
const REPLAY_WINDOW: Duration = Duration::from_secs(30);

const MOST_REPLAYS: usize = 1024;

/// Where a refresh token came from: address, and what the program calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whence {
    address: Option<IpAddr>,
    agent: Option<String>,
}

impl From<Client<'_>> for Whence {
    fn from(client: Client<'_>) -> Self {
        Self { address: client.address, agent: client.agent.map(ToOwned::to_owned) }
    }
}

/// Refreshes that happened a moment ago, so that a repeat gets the same answer.
#[derive(Debug)]
pub(super) struct Rotations {
    /// One refresh at a time, so that the second of two equal ones finds what the first has done.
    pub(super) turn: Semaphore,
    recent: Mutex<HashMap<TokenId, Recent>>,
}

#[derive(Debug)]
struct Recent {
    presented: Digest,
    from: Whence,
    next: SecretString,
    at: Timestamp,
}

impl Default for Rotations {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), recent: Mutex::default() }
    }
}

impl Rotations {
    /// The answer to a token that was presented a moment ago.
    pub(super) fn replay(
        &self,
        family: TokenId,
        presented: &Digest,
        from: &Whence,
        now: Timestamp,
    ) -> Option<SecretString> {
        let recent = self.lock();
        let found = recent.get(&family)?;
        let is_soon = now.since(found.at) < REPLAY_WINDOW;
        let is_same = secret::is_same(&found.presented, presented);
        (is_soon && is_same && found.from == *from).then(|| found.next.clone())
    }

    /// Remembers an answer.
    pub(super) fn record(
        &self,
        family: TokenId,
        presented: (Digest, Whence),
        next: SecretString,
        at: Timestamp,
    ) {
        let (presented, from) = presented;
        let mut recent = self.lock();
        if recent.len() >= MOST_REPLAYS {
            recent.retain(|_, recent| at.since(recent.at) < REPLAY_WINDOW);
        }
        if recent.len() < MOST_REPLAYS {
            let entry = Recent { presented, from, next, at };
            recent.insert(family, entry);
        }
    }

    #[cfg(test)]
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, Recent>> {
        // No code panics while it holds this lock.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn whence(agent: &str) -> Whence {
        Whence::from(Client { address: None, agent: Some(agent) })
    }

    #[test]
    fn the_same_answer_comes_again_for_a_moment() {
        let (rotations, start) = (Rotations::default(), Timestamp::from_millis(0));
        let family = TokenId::from_bytes([1; 16]);
        rotations.record(family, ([1; 32], whence("browser")), "next".into(), start);
        let replay = |presented: u8, agent, now| {
            let found = rotations.replay(family, &[presented; 32], &whence(agent), now);
            found.map(|next| next.expose_secret().to_owned())
        };
        assert_eq!(replay(1, "browser", start).as_deref(), Some("next"));
        assert_eq!(replay(1, "thief", start), None);
        assert_eq!(replay(2, "browser", start), None);
        assert_eq!(replay(1, "browser", start + REPLAY_WINDOW), None);
    }

    #[test]
    fn memory_is_bounded() {
        let rotations = Rotations::default();
        let start = Timestamp::from_millis(0);
        for n in 0..=MOST_REPLAYS {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            rotations.record(
                TokenId::from_bytes(bytes),
                ([0; 32], whence("")),
                "next".into(),
                start,
            );
        }
        assert_eq!(rotations.lock().len(), MOST_REPLAYS);
        let later = start + REPLAY_WINDOW;
        let last = TokenId::from_bytes([255; 16]);
        rotations.record(last, ([0; 32], whence("")), "next".into(), later);
        assert_eq!(rotations.lock().len(), 1);
    }
}
