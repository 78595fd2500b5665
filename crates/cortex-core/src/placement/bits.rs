//! Sets of nodes, by their place in the index: one bit each.

/// A set of nodes. All sets of one index have the same number of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// The empty set among `nodes` nodes.
    pub(super) fn none(nodes: usize) -> Self {
        Self(vec![0; nodes.div_ceil(64)])
    }

    /// All of `nodes` nodes.
    pub(super) fn all(nodes: usize) -> Self {
        let mut bits = Self(vec![u64::MAX; nodes.div_ceil(64)]);
        if let Some(last) = bits.0.last_mut()
            && !nodes.is_multiple_of(64)
        {
            *last = (1 << (nodes % 64)) - 1;
        }
        bits
    }

    /// The nodes of which this is true, with one value for each node.
    pub(super) fn of(values: &[u64], is_in: impl Fn(u64) -> bool) -> Self {
        let word = |values: &[u64]| {
            let bits = values.iter().enumerate();
            bits.fold(0, |word, (bit, value)| word | (u64::from(is_in(*value)) << bit))
        };
        Self(values.chunks(64).map(word).collect())
    }

    pub(super) fn set(&mut self, node: usize) {
        self.0[node / 64] |= 1 << (node % 64);
    }

    pub(super) fn clear(&mut self, node: usize) {
        self.0[node / 64] &= !(1 << (node % 64));
    }

    pub(super) fn contains(&self, node: usize) -> bool {
        self.0[node / 64] & (1 << (node % 64)) != 0
    }

    /// Leaves what is in both.
    pub(super) fn and(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own &= other);
    }

    /// Adds what is in the other.
    pub(super) fn or(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own |= other);
    }

    /// Leaves what is not in the other.
    pub(super) fn without(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own &= !other);
    }

    /// What is in both, in order, without making a set of it.
    pub(super) fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = usize> + 'a {
        self.0.iter().zip(&other.0).enumerate().flat_map(|(index, (own, other))| {
            let mut word = own & other;
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros() as usize;
                (word != 0).then(|| {
                    word &= word - 1;
                    index * 64 + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const NODES: usize = 150;

    fn bits(nodes: &BTreeSet<usize>) -> Bits {
        let mut bits = Bits::none(NODES);
        nodes.iter().for_each(|node| bits.set(*node));
        bits
    }

    fn listed(bits: &Bits) -> BTreeSet<usize> {
        bits.common(&Bits::all(NODES)).collect()
    }

    proptest! {
        #[test]
        fn they_are_sets(
            a in prop::collection::btree_set(0..NODES, 0..40),
            b in prop::collection::btree_set(0..NODES, 0..40),
        ) {
            let (x, y) = (bits(&a), bits(&b));
            let values: Vec<u64> = (0..NODES).map(|node| u64::from(a.contains(&node))).collect();
            prop_assert_eq!(&Bits::of(&values, |value| value == 1), &x);
            prop_assert_eq!(&listed(&x), &a);
            prop_assert!((0..NODES).all(|node| x.contains(node) == a.contains(&node)));
            prop_assert_eq!(x.common(&y).collect::<BTreeSet<_>>(), &a & &b);
            let with = |change: fn(&mut Bits, &Bits)| {
                let mut x = x.clone();
                change(&mut x, &y);
                listed(&x)
            };
            prop_assert_eq!(with(Bits::and), &a & &b);
            prop_assert_eq!(with(Bits::or), &a | &b);
            prop_assert_eq!(with(Bits::without), &a - &b);
        }
    }

    #[test]
    fn all_are_no_more_than_there_are() {
        for nodes in [0, 1, 63, 64, 65, 128] {
            let all = Bits::all(nodes);
            assert_eq!(all.common(&all).count(), nodes);
            let mut rest = all.clone();
            (0..nodes).for_each(|node| rest.clear(node));
            assert_eq!(rest, Bits::none(nodes));
        }
    }
}
