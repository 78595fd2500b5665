//! The tasks that have not ended, the slots that they take, and the nodes that they wait for.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Instant;

use bytes::Bytes;
use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::timestamp::Timestamp;

use crate::dispatch::queue::Queue;
use crate::dispatch::queue::Seat;
use crate::feed::TaskTopic;

/// Ended tasks whose output stays in memory: who waited for the end asks for it at once.
const ENDED: usize = 256;

/// The most output of such a task, in bytes.
const ENDED_BYTES: usize = 4 << 10;

/// What is open. Every method takes the lock for a moment and never waits.
#[derive(Debug, Default)]
pub(super) struct Open {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tasks: HashMap<TaskId, Arc<TaskTopic>>,
    by_node: HashMap<NodeId, BTreeSet<TaskId>>,
    by_user: HashMap<UserId, Count>,
    queue: Queue,
    /// Tasks that ended last, oldest first.
    ended: VecDeque<(TaskId, Arc<TaskTopic>)>,
    /// Nodes that are away, and until when their tasks wait for them.
    awaited: BTreeMap<NodeId, Timestamp>,
}

/// Tasks of a user.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    open: u32,
    /// Those that a node has.
    placed: u32,
}

/// What bounds who gets a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How many tasks the node takes at once.
    pub(super) slots: u32,
    /// How many tasks the user may have on nodes.
    pub(super) quota: u32,
}

/// A slot that is kept for a task on its way into the store; given back when this is dropped.
#[derive(Debug)]
pub(super) struct Hold<'a> {
    open: &'a Open,
    pub(super) node: NodeId,
    user: UserId,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.open.lock().queue.unhold(self.node, self.user);
    }
}

impl Open {
    /// Enters a task. Its topic is there before the task is told to anybody.
    pub(super) fn insert(&self, task: &Arc<Task>) {
        let mut inner = self.lock();
        let topic = TaskTopic::new(task.clone());
        if inner.tasks.insert(task.id, topic).is_none() {
            inner.by_user.entry(task.by).or_default().open += 1;
        }
        inner.place(task);
    }

    /// Takes in where a task stands; takes it out when it has ended.
    pub(super) fn update(&self, task: &Arc<Task>) {
        let mut inner = self.lock();
        let Some(topic) = inner.tasks.get(&task.id).cloned() else { return };
        let before = topic.task();
        if before.revision >= task.revision {
            return;
        }
        inner.displace(&before);
        if task.state.is_end() {
            inner.tasks.remove(&task.id);
            inner.forget_user(task.by);
            if topic.kept_bytes() <= ENDED_BYTES {
                inner.ended.push_back((task.id, Arc::clone(&topic)));
                if inner.ended.len() > ENDED {
                    inner.ended.pop_front();
                }
            }
        } else {
            inner.place(task);
        }
        // Under the lock, so that nobody sees a topic behind the index.
        topic.moved(task);
    }

    /// The topic of a task that has not ended.
    pub(super) fn topic(&self, task: TaskId) -> Option<Arc<TaskTopic>> {
        self.lock().tasks.get(&task).cloned()
    }

    /// A task that has not ended.
    pub(super) fn task(&self, task: TaskId) -> Option<Arc<Task>> {
        self.topic(task).map(|topic| topic.task())
    }

    /// Output of a task that has not ended, or ended just now, if it is in memory.
    pub(super) fn output(&self, task: TaskId, stream: Stream, offset: u64) -> Option<Bytes> {
        let inner = self.lock();
        let ended = || inner.ended.iter().rev().find(|(id, _)| *id == task).map(|(_, topic)| topic);
        let topic = inner.tasks.get(&task).or_else(ended)?;
        topic.recent(stream, offset)
    }

    /// All tasks that have not ended.
    pub(super) fn all(&self) -> Vec<Arc<Task>> {
        self.lock().tasks.values().map(|topic| topic.task()).collect()
    }

    /// The tasks that were handed to a node, oldest first.
    pub(super) fn on_node(&self, node: NodeId) -> Vec<Arc<Task>> {
        let inner = self.lock();
        let ids = inner.by_node.get(&node).into_iter().flatten();
        ids.filter_map(|id| inner.tasks.get(id)).map(|topic| topic.task()).collect()
    }

    /// Looks at the tasks that wait, or moves them.
    pub(super) fn queue<T>(&self, look: impl FnOnce(&mut Queue) -> T) -> T {
        look(&mut self.lock().queue)
    }

    /// How many slots of a node are taken or kept.
    pub(super) fn load_of(&self, node: NodeId) -> u32 {
        self.lock().load_of(node)
    }

    /// How many open tasks a user has.
    pub(super) fn count_of(&self, user: UserId) -> u32 {
        self.lock().by_user.get(&user).map_or(0, |count| count.open)
    }

    /// How many slots a user has: of tasks that nodes have, and those that are kept.
    pub(super) fn slots_of(&self, user: UserId) -> u32 {
        self.lock().slots_of(user)
    }

    /// Keeps a slot for a task that is not entered yet, if one is free.
    pub(super) fn hold(&self, node: NodeId, user: UserId, bounds: Bounds) -> Option<Hold<'_>> {
        let mut inner = self.lock();
        inner.has_room(node, user, bounds).then(|| {
            inner.queue.hold(node, user);
            Hold { open: self, node, user }
        })
    }

    /// Keeps a seat for a task that waits, if a slot is free; whether it does.
    pub(super) fn seat(&self, task: TaskId, user: UserId, seat: Seat, bounds: Bounds) -> bool {
        let mut inner = self.lock();
        inner.has_room(seat.node, user, bounds) && inner.queue.seat(task, seat)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().tasks.len()
    }

    /// Tasks of `node` wait for it until `deadline`.
    pub(super) fn await_node(&self, node: NodeId, deadline: Timestamp) {
        self.lock().awaited.insert(node, deadline);
    }

    /// The node is back.
    pub(super) fn node_returned(&self, node: NodeId) {
        self.lock().awaited.remove(&node);
    }

    /// Takes out the nodes whose time is over at `now`.
    pub(super) fn take_overdue(&self, now: Timestamp) -> Vec<NodeId> {
        let mut inner = self.lock();
        let overdue: Vec<_> = inner
            .awaited
            .iter()
            .filter(|(_, deadline)| **deadline <= now)
            .map(|(node, _)| *node)
            .collect();
        for node in &overdue {
            inner.awaited.remove(node);
        }
        overdue
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds this lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn load_of(&self, node: NodeId) -> u32 {
        let count = self.by_node.get(&node).map_or(0, BTreeSet::len);
        u32::try_from(count).unwrap_or(u32::MAX).saturating_add(self.queue.held_on(node))
    }

    fn slots_of(&self, user: UserId) -> u32 {
        let placed = self.by_user.get(&user).map_or(0, |count| count.placed);
        placed.saturating_add(self.queue.held_by(user))
    }

    fn has_room(&self, node: NodeId, user: UserId, bounds: Bounds) -> bool {
        self.load_of(node) < bounds.slots && self.slots_of(user) < bounds.quota
    }

    fn place(&mut self, task: &Task) {
        match task.node {
            Some(node) if task.state != State::Queued => {
                self.by_node.entry(node).or_default().insert(task.id);
                self.by_user.entry(task.by).or_default().placed += 1;
            }
            _ => self.queue.insert(task, Instant::now()),
        }
    }

    fn displace(&mut self, task: &Task) {
        let Some(node) = task.node.filter(|_| task.state != State::Queued) else {
            self.queue.remove(task.id);
            return;
        };
        if let Some(count) = self.by_user.get_mut(&task.by) {
            count.placed -= 1;
        }
        if let Some(tasks) = self.by_node.get_mut(&node) {
            tasks.remove(&task.id);
            if tasks.is_empty() {
                self.by_node.remove(&node);
            }
        }
    }

    fn forget_user(&mut self, user: UserId) {
        if let Some(count) = self.by_user.get_mut(&user) {
            count.open -= 1;
            if count.open == 0 {
                self.by_user.remove(&user);
            }
        }
    }
}
