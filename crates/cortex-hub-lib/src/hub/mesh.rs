//! The whole mesh at a glance: nodes, tasks, rates, the hub itself.
//!
//! However many ask, the nodes are looked through once a second: what is shown is that old at most.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::id::NodeId;
use cortex_core::id::UserId;
use cortex_core::node::Node;
use cortex_core::node::Status;
use cortex_core::registry::NodeFilter;
use cortex_core::task::State;
use cortex_core::task::Task;
use cortex_core::timestamp::Timestamp;

use super::Hub;
use super::check_scope;
use crate::clock;
use crate::dispatch::Beats;

/// How old what is shown may be.
const FRESH: Duration = Duration::from_secs(1);

/// The two spans that rates are told of, in seconds.
const SPANS: [usize; 2] = [10, 60];

/// The mesh as somebody sees it.
#[derive(Debug)]
pub(crate) struct Mesh {
    /// When it was looked at.
    pub(crate) at: Timestamp,
    /// How long the hub has been up.
    pub(crate) uptime: Duration,
    /// Memory of the hub's process, in bytes, where the system tells.
    pub(crate) memory: Option<u64>,
    /// Nodes by status.
    pub(crate) nodes: NodeCounts,
    /// Slots of the nodes that are online.
    pub(crate) slots: SlotCounts,
    /// Tasks that have not ended.
    pub(crate) tasks: TaskCounts,
    /// What happened in the last ten seconds and the last minute.
    pub(crate) beats: [Beats; 2],
    /// The first nodes in the order that was asked for.
    pub(crate) rows: Vec<Row>,
}

/// A node and what runs there.
#[derive(Debug)]
pub(crate) struct Row {
    /// The node.
    pub(crate) node: Arc<Node>,
    /// What people see of its state.
    pub(crate) status: Status,
    /// Tasks that the hub has on it.
    pub(crate) tasks: u32,
    /// How many of its slots are taken, or kept for a task on its way.
    pub(crate) taken: u32,
}

/// How many nodes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NodeCounts {
    pub(crate) total: u32,
    pub(crate) online: u32,
    pub(crate) offline: u32,
    pub(crate) pending: u32,
    pub(crate) revoked: u32,
    pub(crate) cordoned: u32,
}

/// How many slots there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SlotCounts {
    pub(crate) total: u64,
    /// Taken, or kept for a task on its way.
    pub(crate) taken: u64,
}

/// How many tasks have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TaskCounts {
    pub(crate) queued: u32,
    pub(crate) assigned: u32,
    pub(crate) running: u32,
    pub(crate) cancelling: u32,
}

/// What comes first in the list of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    /// Names, those of nodes that are online first.
    #[default]
    Name,
    /// Busy processors.
    Cpu,
    /// Full memories.
    Memory,
    /// Long run queues.
    Load,
    /// Many tasks.
    Tasks,
}

/// Remembers the last look.
#[derive(Debug)]
pub(crate) struct Looks {
    born: Instant,
    last: Mutex<Option<Arc<Look>>>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    nodes: Vec<Arc<Node>>,
    /// Tasks by their user, and by their node.
    by_user: HashMap<UserId, TaskCounts>,
    by_node: HashMap<NodeId, u32>,
}

impl Default for Looks {
    fn default() -> Self {
        Self { born: Instant::now(), last: Mutex::default() }
    }
}

impl Looks {
    fn fresh(&self) -> Option<Arc<Look>> {
        self.lock().clone().filter(|look| look.at.elapsed() < FRESH)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Look>>> {
        // No code panics while it holds this lock.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskCounts {
    fn add(&mut self, state: State) {
        match state {
            State::Queued => self.queued += 1,
            State::Assigned => self.assigned += 1,
            State::Running => self.running += 1,
            State::Cancelling => self.cancelling += 1,
            _ => {}
        }
    }

    fn plus(self, more: Self) -> Self {
        Self {
            queued: self.queued + more.queued,
            assigned: self.assigned + more.assigned,
            running: self.running + more.running,
            cancelling: self.cancelling + more.cancelling,
        }
    }
}

impl NodeCounts {
    fn add(&mut self, node: &Node, status: Status) {
        self.total += 1;
        self.cordoned += u32::from(node.cordoned);
        match status {
            Status::Online => self.online += 1,
            Status::Pending => self.pending += 1,
            Status::Revoked => self.revoked += 1,
            _ => self.offline += 1,
        }
    }
}

impl Hub {
    /// The mesh as `who` may see it: their nodes and those shared with them, their tasks; an admin
    /// sees all. At most `limit` nodes are listed.
    ///
    /// # Errors
    /// `Denied`: the credential may not read.
    pub(crate) async fn mesh(&self, who: &Principal, order: Order, limit: usize) -> Result<Mesh> {
        check_scope(who, Scope::Read)?;
        let look = match self.inner.looks.fresh() {
            Some(look) => look,
            None => self.look().await?,
        };
        let now = clock::now();
        let (mut nodes, mut slots) = (NodeCounts::default(), SlotCounts::default());
        let mut rows = Vec::new();
        for node in look.nodes.iter().filter(|node| who.hold_of(node).is_some()) {
            let status = node.status(now);
            nodes.add(node, status);
            let tasks = look.by_node.get(&node.id).copied().unwrap_or(0);
            let taken = self.inner.dispatch.load_of(node.id);
            if status == Status::Online {
                slots.total += u64::from(node.slots());
                slots.taken += u64::from(taken);
            }
            rows.push(Row { node: Arc::clone(node), status, tasks, taken });
        }
        sort(&mut rows, order);
        rows.truncate(limit);
        let of = who.visible_owner();
        let tasks = match of {
            Some(user) => look.by_user.get(&user).copied().unwrap_or_default(),
            None => look.by_user.values().fold(TaskCounts::default(), |sum, one| sum.plus(*one)),
        };
        Ok(Mesh {
            at: now,
            uptime: self.inner.looks.born.elapsed(),
            memory: own_memory(),
            nodes,
            slots,
            tasks,
            beats: SPANS.map(|span| self.inner.dispatch.beats(of, span, now)),
            rows,
        })
    }

    async fn look(&self) -> Result<Arc<Look>> {
        let at = Instant::now();
        let mut nodes = self.inner.registry.list(NodeFilter::default()).await?;
        for node in &mut nodes {
            self.inner.links.overlay(node);
        }
        let nodes = nodes.into_iter().map(Arc::new).collect();
        let (by_user, by_node) = count(&self.inner.dispatch.open_tasks());
        let look = Arc::new(Look { at, nodes, by_user, by_node });
        *self.inner.looks.lock() = Some(Arc::clone(&look));
        Ok(look)
    }
}

fn count(tasks: &[Arc<Task>]) -> (HashMap<UserId, TaskCounts>, HashMap<NodeId, u32>) {
    let mut by_user: HashMap<UserId, TaskCounts> = HashMap::new();
    let mut by_node: HashMap<NodeId, u32> = HashMap::new();
    for task in tasks {
        by_user.entry(task.by).or_default().add(task.state);
        if let Some(node) = task.node.filter(|_| task.state != State::Queued) {
            *by_node.entry(node).or_default() += 1;
        }
    }
    (by_user, by_node)
}

/// Puts the highest first; of equals, and by name, those that are online and then the first name.
fn sort(rows: &mut [Row], order: Order) {
    let share = |row: &Row| -> f64 {
        let Some(health) = row.node.presence.health.as_ref() else { return 0.0 };
        match order {
            Order::Name => 0.0,
            Order::Tasks => row.tasks.into(),
            _ if row.status != Status::Online => 0.0,
            Order::Cpu => health.cpu_percent.into(),
            Order::Load => health.load_one.into(),
            #[expect(clippy::cast_precision_loss, reason = "only compared")]
            Order::Memory => health.memory_used as f64 / health.memory_total.max(1) as f64,
        }
    };
    rows.sort_by(|left, right| {
        let is_off = |row: &Row| row.status != Status::Online;
        let names = || (&left.node.name, left.node.id).cmp(&(&right.node.name, right.node.id));
        let by_share = share(right).total_cmp(&share(left));
        by_share.then_with(|| is_off(left).cmp(&is_off(right))).then_with(names)
    });
}

/// Memory of this process, in bytes.
fn own_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_this_process_is_known() {
        let memory = own_memory().unwrap();
        assert!((1 << 20..1 << 40).contains(&memory), "{memory}");
    }

    #[test]
    fn tasks_are_counted_by_state() {
        let mut counts = TaskCounts::default();
        for state in [State::Queued, State::Running, State::Running, State::Lost] {
            counts.add(state);
        }
        let twice = counts.plus(counts);
        let expected = TaskCounts { queued: 2, running: 4, ..TaskCounts::default() };
        assert_eq!(twice, expected);
    }
}
