//! How often somebody may try to sign in: token buckets by account and by address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

/// Buckets that are kept; past that the fullest one, which says least, is forgotten.
const MOST_BUCKETS: usize = 4096;

const BY_ACCOUNT: Allowance = Allowance { burst: 10.0, refill: Duration::from_secs(6) };
const BY_ADDRESS: Allowance = Allowance { burst: 30.0, refill: Duration::from_secs(2) };

/// The attempt comes too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the next attempt is allowed in {} s", .wait.as_secs() + 1)]
pub struct TooMany {
    /// How long to wait before the next one.
    pub wait: Duration,
}

/// Counts attempts to sign in. Memory is bounded.
#[derive(Debug)]
pub(super) struct Attempts {
    accounts: Mutex<Buckets<String>>,
    addresses: Mutex<Buckets<IpAddr>>,
}

#[derive(Debug, Clone, Copy)]
struct Allowance {
    burst: f64,
    refill: Duration,
}

#[derive(Debug)]
struct Buckets<K> {
    allowance: Allowance,
    buckets: HashMap<K, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self {
            accounts: Mutex::new(Buckets::new(BY_ACCOUNT)),
            addresses: Mutex::new(Buckets::new(BY_ADDRESS)),
        }
    }

    /// Takes one attempt from the account's and the address's allowance.
    ///
    /// # Errors
    /// [`TooMany`]: one of them is used up.
    pub(super) fn take(
        &self,
        account: Option<&str>,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), TooMany> {
        if let Some(address) = address {
            locked(&self.addresses).take(network_of(address), now)?;
        }
        if let Some(account) = account {
            // An account's name is at most 63 bytes; longer ones are nobody's and share a bucket.
            let key = if account.len() <= 63 { account } else { "" };
            locked(&self.accounts).take(key.to_owned(), now)?;
        }
        Ok(())
    }

    /// Gives a good attempt back to the account: only failures count against it.
    pub(super) fn give_back(&self, account: &str) {
        let mut accounts = locked(&self.accounts);
        let burst = accounts.allowance.burst;
        if let Some(bucket) = accounts.buckets.get_mut(account) {
            bucket.left = (bucket.left + 1.0).min(burst);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One household has one IPv4 address, or a whole /64 of IPv6.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 => v4,
    }
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    fn new(allowance: Allowance) -> Self {
        Self { allowance, buckets: HashMap::new() }
    }

    fn take(&mut self, key: K, now: Instant) -> Result<(), TooMany> {
        if self.buckets.len() >= MOST_BUCKETS && !self.buckets.contains_key(&key) {
            self.make_room(now);
        }
        let allowance = self.allowance;
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: allowance.burst, at: now });
        bucket.left = allowance.level(bucket, now);
        bucket.at = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        let wait = allowance.refill.mul_f64(1.0 - bucket.left);
        Err(TooMany { wait })
    }

    fn make_room(&mut self, now: Instant) {
        let allowance = self.allowance;
        self.buckets.retain(|_, bucket| allowance.level(bucket, now) < allowance.burst);
        if self.buckets.len() < MOST_BUCKETS {
            return;
        }
        let fullest = self.buckets.iter().max_by(|(_, a), (_, b)| {
            let (a, b) = (allowance.level(a, now), allowance.level(b, now));
            a.total_cmp(&b)
        });
        if let Some(key) = fullest.map(|(key, _)| key.clone()) {
            self.buckets.remove(&key);
        }
    }
}

impl Allowance {
    fn level(&self, bucket: &Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + passed / self.refill.as_secs_f64()).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_account_is_guarded_from_wherever_the_attempts_come() {
        let (attempts, now) = (Attempts::new(), Instant::now());
        for last in 0..10 {
            let from = address(&format!("10.0.0.{last}"));
            assert_eq!(attempts.take(Some("ada"), from, now), Ok(()));
        }
        let refused = attempts.take(Some("ada"), address("10.0.1.1"), now);
        assert_eq!(refused, Err(TooMany { wait: BY_ACCOUNT.refill }));
        assert_eq!(attempts.take(Some("bob"), address("10.0.1.1"), now), Ok(()));
        let later = now + BY_ACCOUNT.refill;
        assert_eq!(attempts.take(Some("ada"), address("10.0.1.2"), later), Ok(()));
    }

    #[test]
    fn an_address_is_guarded_whatever_the_account() {
        let (attempts, now) = (Attempts::new(), Instant::now());
        for n in 0..30 {
            let from = address(&format!("2001:db8::{n:x}"));
            assert_eq!(attempts.take(None, from, now), Ok(()));
        }
        assert!(attempts.take(None, address("2001:db8::ffff"), now).is_err());
        assert_eq!(attempts.take(None, address("2001:db8:0:1::1"), now), Ok(()));
        assert_eq!(attempts.take(None, address("::ffff:10.0.0.1"), now), Ok(()));
    }

    #[test]
    fn a_good_attempt_costs_the_account_nothing() {
        let (attempts, now) = (Attempts::new(), Instant::now());
        for _ in 0..50 {
            assert_eq!(attempts.take(Some("ada"), None, now), Ok(()));
            attempts.give_back("ada");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_emptiest_bucket_stays() {
        let (mut buckets, now) = (Buckets::new(BY_ACCOUNT), Instant::now());
        for _ in 0..10 {
            buckets.take(u32::MAX, now).unwrap();
        }
        for key in 0..10_000u32 {
            buckets.take(key, now).unwrap();
        }
        assert_eq!(buckets.buckets.len(), MOST_BUCKETS);
        assert!(buckets.take(u32::MAX, now).is_err());
        buckets.take(10_001, now + BY_ACCOUNT.refill * 20).unwrap();
        assert_eq!(buckets.buckets.len(), 1);
    }
}
