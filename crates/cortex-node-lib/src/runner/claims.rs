//! What the node is offered, and what of it it claims.
//!
//! No clock and no chance: the same offers, withdrawals and ends in the same order make the same
//! claims.

use std::collections::BTreeSet;
use std::collections::VecDeque;

use cortex_core::id::TaskId;

use super::Runner;

/// Offers that a node keeps in mind; a hub that makes more of them has them claimed by others.
const MOST_OFFERS: usize = 8_192;

/// The offers of a stream, and the claims that were not answered yet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    /// In the order in which they are to be tried.
    offered: VecDeque<TaskId>,
    claimed: BTreeSet<TaskId>,
}

impl Claims {
    /// A new stream: what an earlier one offered or promised counts no more.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes in what changes in what is offered.
    pub(super) fn change(&mut self, offered: Vec<TaskId>, withdrawn: &[TaskId]) {
        if !withdrawn.is_empty() {
            self.offered.retain(|task| !withdrawn.contains(task));
            self.claimed.retain(|task| !withdrawn.contains(task));
        }
        let room = MOST_OFFERS.saturating_sub(self.offered.len());
        self.offered.extend(offered.into_iter().take(room));
    }

    /// A task has come, be it claimed or not: what takes its place is counted elsewhere.
    pub(super) fn came(&mut self, task: TaskId) {
        self.claimed.remove(&task);
    }

    /// Claims as many as there are places, the first ones first; `free` are the places that no task
    /// has which came.
    pub(super) fn claim(&mut self, free: usize) -> Vec<TaskId> {
        let mut claims = Vec::new();
        while self.claimed.len() < free
            && let Some(task) = self.offered.pop_front()
        {
            if self.claimed.insert(task) {
                claims.push(task);
            }
        }
        claims
    }
}

impl Runner {
    /// Claims what there is room for; a node that leaves claims nothing.
    pub(super) fn claim(&mut self) {
        if self.leaving {
            return;
        }
        let claimed = self.claims.claim(self.places.available_permits());
        if !claimed.is_empty() {
            self.floor.outbox.claim(claimed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn task(id: u8) -> TaskId {
        TaskId::from_bytes([id; 16])
    }

    /// What can happen to a node.
    #[derive(Debug, Clone)]
    enum Event {
        Offer(Vec<u8>),
        Withdraw(u8),
        /// The oldest claim is answered with its task.
        Come,
        /// The oldest task ends.
        End,
        Reopen,
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..6).prop_map(Event::Offer),
            2 => any::<u8>().prop_map(Event::Withdraw),
            4 => Just(Event::Come),
            4 => Just(Event::End),
            1 => Just(Event::Reopen),
        ]
    }

    /// Plays events on a node with so many places; returns its claims, event by event.
    fn play(events: &[Event], places: usize) -> Vec<Vec<TaskId>> {
        let (mut claims, mut waiting, mut running) = (Claims::default(), VecDeque::new(), 0);
        let mut all = Vec::new();
        for event in events {
            match event {
                Event::Offer(ids) => claims.change(ids.iter().map(|id| task(*id)).collect(), &[]),
                Event::Withdraw(id) => {
                    claims.change(Vec::new(), &[task(*id)]);
                    waiting.retain(|waiting| *waiting != task(*id));
                }
                Event::Come => {
                    if let Some(task) = waiting.pop_front() {
                        claims.came(task);
                        running += 1;
                    }
                }
                Event::End => running = usize::saturating_sub(running, 1),
                Event::Reopen => {
                    claims.reset();
                    waiting.clear();
                }
            }
            let claimed = claims.claim(places.saturating_sub(running));
            waiting.extend(&claimed);
            assert!(waiting.len() + running <= places, "more is claimed than there is room for");
            let is_left = !claims.offered.is_empty();
            assert!(!is_left || waiting.len() + running == places, "a place stays empty");
            all.push(claimed);
        }
        all
    }

    proptest! {
        #[test]
        fn a_replay_makes_the_same_claims_and_never_too_many(
            events in prop::collection::vec(any_event(), 0..80),
            places in 0_usize..5,
        ) {
            prop_assert_eq!(play(&events, places), play(&events, places));
        }
    }

    #[test]
    fn the_order_of_the_offers_is_the_order_of_the_claims() {
        let mut claims = Claims::default();
        claims.change([3, 1, 2].map(task).into(), &[]);
        assert_eq!(claims.claim(2), [task(3), task(1)]);
        assert_eq!(claims.claim(2), []);
        claims.came(task(3));
        // It runs: there is one place less, and one claim less.
        assert_eq!(claims.claim(1), []);
        assert_eq!(claims.claim(2), [task(2)]);
        claims.change(Vec::new(), &[task(2), task(1)]);
        assert_eq!(claims, Claims::default());
    }
}
