//! Challenges: random bytes that a node signs to prove, now and for one purpose, who it is.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::InviteId;
use cortex_core::id::NodeId;
use cortex_core::proof::CHALLENGE_LEN;
use cortex_core::timestamp::Timestamp;

/// How long a challenge is good.
pub const LIFE: Duration = Duration::from_secs(60);

/// Challenges of one purpose that may be open at once.
pub const CAPACITY: usize = 65_536;

/// What a challenge is for, and for whom. It is good for exactly that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// Enrolment with an invite.
    Enrolment(InviteId),
    /// An access token for a node.
    Token(NodeId),
    /// Opening a node's control stream.
    Stream(NodeId),
    /// Renewal of a node's certificate.
    Renewal(NodeId),
    /// A change of a node's identity key.
    Rekey(NodeId),
}

/// The open challenges of a hub, in memory only: after a restart, clients ask again.
///
/// Each purpose has its own room, so that a flood of strangers who ask to enrol does not keep
/// enrolled nodes out.
#[derive(Debug)]
pub struct Challenges {
    shelves: [Mutex<Shelf>; 5],
    capacity: usize,
}

impl Default for Challenges {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Challenges {
    /// Makes an empty set with room for `capacity` challenges of each purpose.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { shelves: Default::default(), capacity }
    }

    /// Makes a challenge for `subject`, good once and for [`LIFE`].
    ///
    /// # Errors
    /// `Exhausted` (code `challenges_exhausted`): too many of that purpose are open. `Internal`:
    /// the system gives no random bytes.
    pub fn issue(&self, subject: Subject, now: Timestamp) -> Result<[u8; CHALLENGE_LEN]> {
        let challenge = super::random("issue challenge")?;
        let mut shelf = super::lock(self.shelf(subject));
        shelf.drop_expired(now);
        if shelf.open.len() >= self.capacity {
            return Err(Error::new(Kind::Exhausted, "issue challenge", "too many are open")
                .with_code("challenges_exhausted")
                .with_hint("try again in a minute"));
        }
        shelf.put(challenge, subject, now + LIFE);
        Ok(challenge)
    }

    /// Uses a challenge up. Whatever the answer, it is not good a second time; of two callers at
    /// once, one gets `Ok`.
    ///
    /// # Errors
    /// `Unauthenticated` (code `challenge_unknown`): never issued, issued for another subject,
    /// used, or older than [`LIFE`].
    pub fn redeem(&self, challenge: &[u8], subject: Subject, now: Timestamp) -> Result<()> {
        let taken = super::lock(self.shelf(subject)).take(challenge);
        match taken {
            Some(entry) if entry.subject == subject && now < entry.ends => Ok(()),
            _ => Err(Error::new(
                Kind::Unauthenticated,
                "redeem challenge",
                "the challenge is unknown, used or expired",
            )
            .with_code("challenge_unknown")
            .with_hint("ask for a new challenge")),
        }
    }

    fn shelf(&self, subject: Subject) -> &Mutex<Shelf> {
        let at = match subject {
            Subject::Enrolment(_) => 0,
            Subject::Token(_) => 1,
            Subject::Stream(_) => 2,
            Subject::Renewal(_) => 3,
            Subject::Rekey(_) => 4,
        };
        &self.shelves[at]
    }
}

#[derive(Debug, Default)]
struct Shelf {
    open: HashMap<[u8; CHALLENGE_LEN], Entry>,
    by_end: BTreeMap<(Timestamp, u64), [u8; CHALLENGE_LEN]>,
    issued: u64,
}

#[derive(Debug)]
struct Entry {
    subject: Subject,
    ends: Timestamp,
    number: u64,
}

impl Shelf {
    fn put(&mut self, challenge: [u8; CHALLENGE_LEN], subject: Subject, ends: Timestamp) {
        self.issued += 1;
        self.by_end.insert((ends, self.issued), challenge);
        self.open.insert(challenge, Entry { subject, ends, number: self.issued });
    }

    fn take(&mut self, challenge: &[u8]) -> Option<Entry> {
        let entry = self.open.remove(challenge)?;
        self.by_end.remove(&(entry.ends, entry.number));
        Some(entry)
    }

    fn drop_expired(&mut self, now: Timestamp) {
        while let Some(first) = self.by_end.first_entry() {
            if now < first.key().0 {
                return;
            }
            self.open.remove(&first.remove());
        }
    }
}

#[cfg(test)]
mod tests;
