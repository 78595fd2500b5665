//! Which task ids are surely not stored yet, without asking the database.

use std::collections::HashSet;

use cortex_core::id::TaskId;

/// Ids above the line that are remembered before the line moves up.
const CAPACITY: usize = 16 * 1024;

/// New ids are UUIDv7 and so lie above nearly all stored ones: above a line, every stored id is
/// remembered; what lies at or below it must be looked up.
#[derive(Debug, Default)]
pub(super) struct KnownIds {
    line: Option<TaskId>,
    above: HashSet<TaskId>,
}

impl KnownIds {
    /// Starts with a store whose largest id is `largest`.
    pub(super) fn new(largest: Option<TaskId>) -> Self {
        Self { line: largest, above: HashSet::new() }
    }

    /// Whether `id` is surely not stored.
    pub(super) fn lacks(&self, id: TaskId) -> bool {
        self.line.is_none_or(|line| id > line) && !self.above.contains(&id)
    }

    /// Remembers a stored id.
    pub(super) fn add(&mut self, id: TaskId) {
        if self.line.is_none_or(|line| id > line) {
            self.above.insert(id);
        }
        if self.above.len() > CAPACITY {
            self.raise();
        }
    }

    /// Moves the line up to the median, so that ids that come a little late stay above it.
    fn raise(&mut self) {
        let mut ids: Vec<_> = self.above.iter().copied().collect();
        let middle = ids.len() / 2;
        let (_, median, _) = ids.select_nth_unstable(middle);
        let median = *median;
        self.line = Some(median);
        self.above.retain(|id| *id > median);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u32) -> TaskId {
        TaskId::from_bytes(u128::from(number).to_be_bytes())
    }

    proptest! {
        #[test]
        fn a_stored_id_is_never_called_absent(
            before in proptest::collection::btree_set(0u32..64, 0..8),
            added in proptest::collection::vec(0u32..64, 0..64),
        ) {
            let mut stored: BTreeSet<_> = before.iter().copied().map(id).collect();
            let mut known = KnownIds::new(stored.last().copied());
            for number in added {
                known.add(id(number));
                stored.insert(id(number));
                if number % 7 == 0 && !known.above.is_empty() {
                    known.raise();
                }
                for stored in &stored {
                    prop_assert!(!known.lacks(*stored));
                }
            }
            prop_assert!(known.lacks(id(64)));
        }
    }

    #[test]
    fn memory_is_bounded_and_new_ids_need_no_look_up() {
        let mut known = KnownIds::new(None);
        for number in 0..100_000 {
            assert!(known.lacks(id(number)));
            known.add(id(number));
        }
        assert!(known.above.len() <= CAPACITY);
        assert!(!known.lacks(id(99_999)));
    }
}
