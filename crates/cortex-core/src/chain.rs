//! Hash chains: one digest that stands for a whole list and its order.
//!
//! Each link is hashed together with its number and with the digest before it, so the digest at the
//! end changes with every link that is changed, dropped, swapped or put in. Whoever noted an end
//! once can show later that the list still begins with what it was made of then.

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use crate::digest::Digest;

/// Begins what is hashed for a link; a new layout gets a new one.
const DOMAIN: &[u8; 16] = b"cortex/chain/v1\0";

/// The end of a chain: how many links it has, and the digest that stands for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// How many links there are.
    pub count: u64,
    /// Stands for all of them in their order.
    pub digest: Digest,
}

impl Head {
    /// An empty chain. `purpose` says of what, `of` says whose; both tell it apart from others.
    #[must_use]
    pub fn begin(purpose: &str, of: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(0u64.to_be_bytes());
        hash.update((purpose.len() as u64).to_be_bytes());
        hash.update(purpose);
        hash.update(of);
        Self { count: 0, digest: Digest::from_bytes(hash.finalize().into()) }
    }

    /// The chain with one more link.
    #[must_use]
    pub fn extend(self, link: &[u8]) -> Self {
        let count = self.count + 1;
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(count.to_be_bytes());
        hash.update(self.digest.as_bytes());
        hash.update(link);
        Self { count, digest: Digest::from_bytes(hash.finalize().into()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head_of(links: &[Vec<u8>]) -> Head {
        links.iter().fold(Head::begin("test", b""), |head, link| head.extend(link))
    }

    fn links() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 1..12)
    }

    proptest! {
        #[test]
        fn every_change_of_the_list_changes_its_end(
            links in links(),
            at in any::<prop::sample::Index>(),
            other in any::<prop::sample::Index>(),
            link in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let head = head_of(&links);
            let (at, other) = (at.index(links.len()), other.index(links.len()));
            let mut dropped = links.clone();
            dropped.remove(at);
            prop_assert_ne!(head_of(&dropped), head);
            let mut inserted = links.clone();
            inserted.insert(at, link.clone());
            prop_assert_ne!(head_of(&inserted), head);
            let mut changed = links.clone();
            changed[at] = link;
            prop_assert_eq!(head_of(&changed) == head, changed == links);
            let mut swapped = links.clone();
            swapped.swap(at, other);
            prop_assert_eq!(head_of(&swapped) == head, swapped == links);
        }
    }

    #[test]
    fn chains_of_different_things_begin_differently() {
        let heads = [
            Head::begin("a", b"bc"),
            Head::begin("ab", b"c"),
            Head::begin("a", b"bd"),
            Head::begin("a", b"bc").extend(b""),
        ];
        for (at, head) in heads.iter().enumerate() {
            assert!(heads[at + 1..].iter().all(|other| other.digest != head.digest));
        }
    }
}
