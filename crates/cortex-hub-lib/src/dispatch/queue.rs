//! The tasks that wait for a node, by what they need, and the seats that are kept for them.
//!
//! Without a lock and without a clock. A task with a seat is out of its line until it gets the seat
//! (it then leaves the queue) or loses it (it is back in its old place).

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::task::Target;
use cortex_core::task::Task;
use cortex_core::task::Work;
use cortex_core::timestamp::Timestamp;

/// What tasks share that stand in one line: the same nodes can take them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Need {
    pub(super) session: SessionId,
    pub(super) user: UserId,
    pub(super) target: Target,
    pub(super) skill: Option<String>,
    /// They wait for as long as it takes.
    pub(super) queue: bool,
}

/// A slot of a node that is kept for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) node: NodeId,
    /// The stream on which it was offered.
    pub(super) epoch: u64,
    /// Since when.
    pub(super) at: Instant,
    /// It is given: all that is missing is that this is stored.
    pub(super) claimed: bool,
}

/// The first of a line.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) need: Arc<Need>,
    /// Priority and id, the next one first.
    pub(super) tasks: Vec<(u8, TaskId)>,
}

type Place = (Reverse<u8>, TaskId);

#[derive(Debug)]
struct Entry {
    need: Arc<Need>,
    place: Place,
    since: Instant,
    deadline: Option<Timestamp>,
    seat: Option<Seat>,
}

/// All tasks that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: HashMap<TaskId, Entry>,
    lines: HashMap<Arc<Need>, BTreeSet<Place>>,
    deadlines: BTreeSet<(Timestamp, TaskId)>,
    /// Seats that were offered, the oldest first.
    offers: BTreeSet<(Instant, TaskId)>,
    by_node: HashMap<NodeId, u32>,
    by_user: HashMap<UserId, u32>,
}

impl Need {
    fn of(task: &Task) -> Self {
        let skill = match &task.spec.work {
            Work::Skill { name, .. } => Some(name.clone()),
            _ => None,
        };
        let target = task.spec.target.clone();
        Self { session: task.session, user: task.by, target, skill, queue: task.spec.queue }
    }
}

impl Queue {
    /// Lines a task up, in the place that its priority and age give it.
    pub(super) fn insert(&mut self, task: &Task, since: Instant) {
        let need = Need::of(task);
        let need = match self.lines.get_key_value(&need) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::new(need),
        };
        let place = (Reverse(task.spec.delivery.priority), task.id);
        let deadline = task.spec.delivery.deadline;
        self.lines.entry(Arc::clone(&need)).or_default().insert(place);
        self.deadlines.extend(deadline.map(|deadline| (deadline, task.id)));
        self.entries.insert(task.id, Entry { need, place, since, deadline, seat: None });
    }

    /// Takes a task out, with the seat that was kept for it.
    pub(super) fn remove(&mut self, task: TaskId) {
        self.release(task);
        let Some(entry) = self.entries.remove(&task) else { return };
        self.leave_line(&entry.need, entry.place);
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, task));
        }
    }

    /// How many tasks wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether some task waits for which no seat is kept.
    pub(super) fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    /// At most the first `most` of each line.
    pub(super) fn heads(&self, most: usize) -> Vec<Head> {
        let head = |(need, line): (&Arc<Need>, &BTreeSet<Place>)| {
            let tasks = line.iter().take(most).map(|(priority, task)| (priority.0, *task));
            Head { need: Arc::clone(need), tasks: tasks.collect() }
        };
        self.lines.iter().map(head).collect()
    }

    /// The tasks of a line.
    pub(super) fn line(&self, need: &Need) -> Vec<TaskId> {
        self.lines.get(need).into_iter().flatten().map(|(_, task)| *task).collect()
    }

    /// Keeps a seat for a task that waits and has none; whether it does.
    pub(super) fn seat(&mut self, task: TaskId, seat: Seat) -> bool {
        let Some(entry) = self.entries.get_mut(&task).filter(|entry| entry.seat.is_none()) else {
            return false;
        };
        entry.seat = Some(seat);
        let (need, place) = (Arc::clone(&entry.need), entry.place);
        if !seat.claimed {
            self.offers.insert((seat.at, task));
        }
        self.leave_line(&need, place);
        self.hold(seat.node, need.user);
        true
    }

    /// A node claims what it was offered on this stream; whether that still stands.
    pub(super) fn claim(&mut self, task: TaskId, node: NodeId, epoch: u64) -> bool {
        let seat = self.entries.get_mut(&task).and_then(|entry| entry.seat.as_mut());
        let is_open = |seat: &&mut Seat| !seat.claimed && (seat.node, seat.epoch) == (node, epoch);
        let Some(seat) = seat.filter(is_open) else { return false };
        seat.claimed = true;
        let at = seat.at;
        self.offers.remove(&(at, task));
        true
    }

    /// Puts a task back into its line. Says whose seat it had.
    pub(super) fn release(&mut self, task: TaskId) -> Option<Seat> {
        let entry = self.entries.get_mut(&task)?;
        let seat = entry.seat.take()?;
        let (need, place) = (Arc::clone(&entry.need), entry.place);
        self.offers.remove(&(seat.at, task));
        self.unhold(seat.node, need.user);
        self.lines.entry(need).or_default().insert(place);
        Some(seat)
    }

    /// The seat of a task, and since when the task waits.
    pub(super) fn seat_of(&self, task: TaskId) -> Option<(Seat, Instant)> {
        let entry = self.entries.get(&task)?;
        Some((entry.seat?, entry.since))
    }

    /// The oldest offer that is open: since when.
    pub(super) fn oldest_offer(&self) -> Option<Instant> {
        self.offers.first().map(|(at, _)| *at)
    }

    /// Takes back the offers that were made until `at`.
    pub(super) fn expire(&mut self, at: Instant) -> Vec<(TaskId, Seat)> {
        let mut expired = Vec::new();
        while let Some((offered, task)) = self.offers.first().copied()
            && offered <= at
        {
            expired.extend(self.release(task).map(|seat| (task, seat)));
        }
        expired
    }

    /// Takes back all offers to a node.
    pub(super) fn withdraw(&mut self, node: NodeId) -> Vec<TaskId> {
        let is_on = |task: &TaskId| {
            let seat = self.entries.get(task).and_then(|entry| entry.seat);
            seat.is_some_and(|seat| seat.node == node)
        };
        let open: Vec<_> = self.offers.iter().map(|(_, task)| *task).filter(is_on).collect();
        for task in &open {
            self.release(*task);
        }
        open
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The tasks whose deadline has passed.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<TaskId> {
        let overdue = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        overdue.map(|(_, task)| *task).collect()
    }

    /// How many tasks of its user stand before a task, and whether a seat is kept for it.
    pub(super) fn standing(&self, task: TaskId) -> Option<(usize, bool)> {
        let entry = self.entries.get(&task)?;
        let own = self.lines.iter().filter(|(need, _)| need.user == entry.need.user);
        let before = own.map(|(_, line)| line.range(..entry.place).count()).sum();
        Some((before, entry.seat.is_some()))
    }

    /// Slots of a node that are kept.
    pub(super) fn held_on(&self, node: NodeId) -> u32 {
        self.by_node.get(&node).copied().unwrap_or(0)
    }

    /// Slots that are kept for a user.
    pub(super) fn held_by(&self, user: UserId) -> u32 {
        self.by_user.get(&user).copied().unwrap_or(0)
    }

    /// Keeps a slot of a node for a user.
    pub(super) fn hold(&mut self, node: NodeId, user: UserId) {
        *self.by_node.entry(node).or_default() += 1;
        *self.by_user.entry(user).or_default() += 1;
    }

    /// Gives it back.
    pub(super) fn unhold(&mut self, node: NodeId, user: UserId) {
        down(&mut self.by_node, node);
        down(&mut self.by_user, user);
    }

    fn leave_line(&mut self, need: &Arc<Need>, place: Place) {
        if let Some(line) = self.lines.get_mut(need) {
            line.remove(&place);
            if line.is_empty() {
                self.lines.remove(need);
            }
        }
    }
}

fn down<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: K) {
    if let std::collections::hash_map::Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests;
