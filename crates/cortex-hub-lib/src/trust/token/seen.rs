//! Tokens whose signature was already verified: the same token comes with every request.

use std::collections::HashMap;
use std::collections::VecDeque;

/// A bounded map from a token's SHA-256 to what it says; the oldest entry makes room.
///
/// It only saves verifying the signature again. Times and revocations are judged each time.
#[derive(Debug)]
pub(super) struct Seen<T> {
    claims: HashMap<[u8; 32], T>,
    order: VecDeque<[u8; 32]>,
    capacity: usize,
}

impl<T: Copy> Seen<T> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { claims: HashMap::new(), order: VecDeque::new(), capacity }
    }

    pub(super) fn get(&self, digest: &[u8; 32]) -> Option<T> {
        self.claims.get(digest).copied()
    }

    pub(super) fn put(&mut self, digest: [u8; 32], claims: T) {
        if self.claims.insert(digest, claims).is_some() {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.claims.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut seen = Seen::with_capacity(2);
        for at in [1_u8, 2, 2, 3] {
            seen.put([at; 32], at);
        }
        assert_eq!([1, 2, 3].map(|at| seen.get(&[at; 32])), [None, Some(2), Some(3)]);
        assert_eq!((seen.claims.len(), seen.order.len()), (2, 2));
    }
}
