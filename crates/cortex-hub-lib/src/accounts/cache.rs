//! Who is behind a credential, remembered, so that a request costs no database query.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::RwLock;
use std::time::Duration;

use cortex_core::timestamp::Timestamp;

use super::Identity;
use super::secret::Digest;

/// Credentials that are remembered; past that all are forgotten.
const MOST_ENTRIES: usize = 4096;

/// An entry that is older is asked for again, in case somebody else changed the database.
const FRESH: Duration = Duration::from_secs(60);

/// Identities by SHA-256 of the whole credential.
///
/// A look-up by digest needs no constant time: who does not have the credential cannot choose
/// digests that share a beginning with a stored one.
#[derive(Debug, Default)]
pub(super) struct Cache {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    generation: u64,
    entries: HashMap<Digest, Entry>,
}

#[derive(Debug)]
struct Entry {
    identity: Arc<Identity>,
    stored_at: Timestamp,
}

impl Cache {
    /// The identity behind a credential, if it is remembered, fresh and not expired.
    pub(super) fn get(&self, digest: &Digest, now: Timestamp) -> Option<Arc<Identity>> {
        let inner = self.inner.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let entry = inner.entries.get(digest)?;
        let is_fresh = now.since(entry.stored_at) < FRESH && now >= entry.stored_at;
        let is_good = entry.identity.expires_at.is_none_or(|end| now < end);
        (is_fresh && is_good).then(|| Arc::clone(&entry.identity))
    }

    /// The number to give to [`Self::put`]; to be read before the database is asked.
    pub(super) fn generation(&self) -> u64 {
        self.inner.read().unwrap_or_else(std::sync::PoisonError::into_inner).generation
    }

    /// Remembers an identity, unless something changed since `generation` was read: what the
    /// database said then may be out of date.
    pub(super) fn put(
        &self,
        digest: Digest,
        identity: &Arc<Identity>,
        generation: u64,
        now: Timestamp,
    ) {
        let mut inner = self.write();
        if inner.generation != generation {
            return;
        }
        if inner.entries.len() >= MOST_ENTRIES {
            inner.entries.clear();
        }
        let entry = Entry { identity: Arc::clone(identity), stored_at: now };
        inner.entries.insert(digest, entry);
    }

    /// Forgets everything: users, tokens or logins changed.
    pub(super) fn clear(&self) {
        let mut inner = self.write();
        inner.generation += 1;
        inner.entries.clear();
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::account::Principal;
    use cortex_core::account::Role;
    use cortex_core::id::UserId;

    use super::*;

    fn identity(expires_at: Option<Timestamp>) -> Arc<Identity> {
        Arc::new(Identity {
            principal: Principal::full(UserId::from_bytes([1; 16]), Role::Member),
            credential: super::super::Credential::External,
            expires_at,
        })
    }

    #[test]
    fn an_entry_ends_with_its_credential_or_its_freshness() {
        let (cache, now) = (Cache::default(), Timestamp::from_millis(1_000_000));
        let soon = now + Duration::from_secs(5);
        cache.put([1; 32], &identity(Some(soon)), cache.generation(), now);
        cache.put([2; 32], &identity(None), cache.generation(), now);
        assert!(cache.get(&[1; 32], now).is_some());
        assert!(cache.get(&[1; 32], soon).is_none());
        assert!(cache.get(&[2; 32], soon).is_some());
        assert!(cache.get(&[2; 32], now + FRESH).is_none());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let (cache, now) = (Cache::default(), Timestamp::from_millis(1));
        let generation = cache.generation();
        cache.clear();
        cache.put([1; 32], &identity(None), generation, now);
        assert!(cache.get(&[1; 32], now).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let (cache, now) = (Cache::default(), Timestamp::from_millis(1));
        let identity = identity(None);
        for n in 0..=MOST_ENTRIES {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&n.to_be_bytes());
            cache.put(digest, &identity, cache.generation(), now);
        }
        assert_eq!(cache.write().entries.len(), 1);
    }
}
