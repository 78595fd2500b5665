//! The keys with which a node proves who it is: the one that counts, and those before it.
//!
//! A key that was replaced opens nothing any more, but what it signed while it counted stays true. So
//! none is forgotten.

use serde::Deserialize;
use serde::Serialize;

use super::Node;
use crate::timestamp::Timestamp;

/// Identity keys that one node can have in its life.
pub const MAX_IDENTITY_KEYS: usize = 100;

/// An Ed25519 key that a node had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerKey {
    /// The public key.
    pub key: [u8; 32],
    /// When the next one took its place, by the hub's clock.
    pub until: Timestamp,
}

/// A node's Ed25519 key, and when it counted by the hub's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityKey {
    /// The public key.
    pub key: [u8; 32],
    /// When it began to count.
    pub from: Timestamp,
    /// When the next one took its place; `None`: it counts now.
    pub until: Option<Timestamp>,
}

/// A change of a node's identity key, possession of both of which it has proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rekey {
    /// The key that counts.
    pub from: [u8; 32],
    /// The key that is to take its place.
    pub to: [u8; 32],
    /// When.
    pub at: Timestamp,
}

impl Node {
    /// All identity keys that the node has had, in their order; the last one counts.
    #[must_use]
    pub fn identity_keys(&self) -> Vec<IdentityKey> {
        let mut from = self.enrolled_at;
        let mut keys = Vec::with_capacity(self.former_keys.len() + 1);
        for former in &self.former_keys {
            keys.push(IdentityKey { key: former.key, from, until: Some(former.until) });
            from = former.until;
        }
        keys.push(IdentityKey { key: self.identity, from, until: None });
        keys
    }

    /// Whether this is the change that was made last: a repeat of it changes nothing.
    #[must_use]
    pub fn has_rekeyed(&self, rekey: &Rekey) -> bool {
        let last = self.former_keys.last();
        self.identity == rekey.to && last.is_some_and(|former| former.key == rekey.from)
    }
}
