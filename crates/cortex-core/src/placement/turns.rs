//! Whose turn it is: fair between users, by priority among one's own tasks.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::BinaryHeap;
use std::collections::HashMap;

use crate::id::UserId;

/// What users have had so far, from plan to plan: the state of *start-time fair queueing* (Goyal,
/// Vin and Cheng, 1996) with tasks as packets of one length and users of equal weight.
///
/// Each user has a time, which a turn moves on by one; the turn goes to the user whose time is
/// least. The common time is that of the last turn; who comes, or comes back, starts at it, so
/// nobody saves up turns by staying away. Nobody is ever more than one turn ahead of it, so that
/// each other user gets two turns at most before a user for whose task there is room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares {
    pub(super) now: u64,
    /// Only of users who are ahead of the common time.
    pub(super) times: BTreeMap<UserId, u64>,
}

/// A task in the queue, as far as turns go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) user: UserId,
    pub(super) need: usize,
    pub(super) priority: u8,
}

/// The users who have tasks left, and whose turn it is.
#[derive(Debug)]
pub(super) struct Turns {
    now: u64,
    /// The times of users who are not here, too.
    times: BTreeMap<UserId, u64>,
    users: Vec<User>,
    /// Time, place of the next task in the queue, user; the least is next.
    order: BTreeSet<(u64, usize, usize)>,
    /// The users that have tasks of a need.
    by_need: Vec<Vec<usize>>,
    out: Vec<bool>,
}

#[derive(Debug)]
struct User {
    id: UserId,
    time: u64,
    /// How many more turns the user may have.
    left: u32,
    /// The first task of each line; the greatest is next.
    heads: BinaryHeap<(u8, Reverse<usize>, usize)>,
    lines: Vec<Line>,
}

/// Tasks of one user with one need, the last one first.
#[derive(Debug)]
struct Line {
    need: usize,
    tasks: Vec<(u8, Reverse<usize>)>,
}

impl Turns {
    /// Makes the turns of a queue in which `needs` different needs occur.
    pub(super) fn new(
        queue: &[Entry],
        needs: usize,
        shares: &Shares,
        quotas: &BTreeMap<UserId, u32>,
    ) -> Self {
        let mut users: Vec<User> = Vec::new();
        let mut places: HashMap<UserId, usize> = HashMap::new();
        let mut lines: HashMap<(usize, usize), usize> = HashMap::new();
        let mut by_need = vec![Vec::new(); needs];
        for (position, entry) in queue.iter().enumerate() {
            let user = *places.entry(entry.user).or_insert_with(|| {
                let time = shares.times.get(&entry.user).copied().unwrap_or(shares.now);
                let left = quotas.get(&entry.user).copied().unwrap_or(u32::MAX);
                let (heads, lines) = (BinaryHeap::new(), Vec::new());
                users.push(User { id: entry.user, time, left, heads, lines });
                users.len() - 1
            });
            let own = &mut users[user].lines;
            let line = *lines.entry((user, entry.need)).or_insert_with(|| {
                by_need[entry.need].push(user);
                own.push(Line { need: entry.need, tasks: Vec::new() });
                own.len() - 1
            });
            own[line].tasks.push((entry.priority, Reverse(position)));
        }
        let mut turns = Self {
            now: shares.now,
            times: shares.times.clone(),
            out: vec![false; needs],
            order: BTreeSet::new(),
            users,
            by_need,
        };
        for user in 0..turns.users.len() {
            let User { heads, lines, .. } = &mut turns.users[user];
            for (index, line) in lines.iter_mut().enumerate() {
                line.tasks.sort_unstable();
                heads.extend(line.tasks.pop().map(|(priority, place)| (priority, place, index)));
            }
            turns.line_up(user);
        }
        turns
    }

    /// The next task by its place in the queue, with its need.
    pub(super) fn next(&self) -> Option<(usize, usize)> {
        let (_, position, user) = self.order.first()?;
        let user = &self.users[*user];
        let (_, _, line) = user.heads.peek()?;
        Some((*position, user.lines[*line].need))
    }

    /// The next task was placed.
    pub(super) fn placed(&mut self) {
        let Some((time, _, index)) = self.order.pop_first() else { return };
        self.now = self.now.max(time);
        let user = &mut self.users[index];
        user.time += 1;
        user.left = user.left.saturating_sub(1);
        if let Some((_, _, line)) = user.heads.pop() {
            let next = user.lines[line].tasks.pop();
            user.heads.extend(next.map(|(priority, place)| (priority, place, line)));
        }
        self.line_up(index);
    }

    /// There is no room left for a need: its tasks are passed over.
    pub(super) fn pass_over(&mut self, need: usize) {
        self.out[need] = true;
        for user in std::mem::take(&mut self.by_need[need]) {
            if let Some((_, Reverse(position), _)) = self.users[user].heads.peek() {
                self.order.remove(&(self.users[user].time, *position, user));
                self.line_up(user);
            }
        }
    }

    /// What users have had then.
    pub(super) fn shares(self) -> Shares {
        let mut times = self.times;
        times.extend(self.users.iter().map(|user| (user.id, user.time)));
        times.retain(|_, time| *time > self.now);
        Shares { now: self.now, times }
    }

    /// Enters a user with their next task for which there may be room, if there is one.
    fn line_up(&mut self, index: usize) {
        let user = &mut self.users[index];
        if user.left == 0 {
            return;
        }
        while let Some((_, Reverse(position), line)) = user.heads.peek() {
            if !self.out[user.lines[*line].need] {
                self.order.insert((user.time, *position, index));
                return;
            }
            user.heads.pop();
        }
    }
}
