//! What happens because time passes.

use cortex_core::id::NodeId;
use cortex_core::id::UserId;
use cortex_core::task::Outcome;
use cortex_core::task::State;
use cortex_core::task::Task;
use cortex_core::timestamp::Timestamp;

use super::Dispatch;
use crate::clock;

/// How a task ends that its node will not bring to an end; `why` says what became of the node.
fn fate(task: &Task, why: &str) -> Outcome {
    if task.started_at.is_some() {
        let reason = format!("{why}; how far the task came is unknown");
        return Outcome::Interrupted { reason };
    }
    let reason = format!("{why} and never said that it started");
    match task.state {
        State::Cancelling | State::Assigned => Outcome::Lost { reason },
        _ => Outcome::Interrupted { reason },
    }
}

impl Dispatch {
    /// Ends the tasks of nodes that stayed away, or queues them again, and those that wait in vain.
    pub(crate) async fn sweep(&self, now: Timestamp) {
        for node in self.open.take_overdue(now) {
            if self.links.get(node).is_none() {
                self.end_all(node, "the node was away for too long", now).await;
            }
        }
        for (node, by) in self.pool.take_drained(now) {
            self.empty(node, by).await;
        }
        self.send_waiting_inputs();
        self.pool.forget_known();
        self.review(now).await;
        self.count_slots();
        // Nothing hangs on this ring: it is there should another one ever be missing.
        self.ring();
    }

    /// What a node has until `until` may end; what it then still has is cancelled for `by`.
    pub(crate) fn drain_until(&self, node: NodeId, by: UserId, until: Timestamp) {
        self.pool.drain(node, Some((until, by)));
    }

    async fn empty(&self, node: NodeId, by: UserId) {
        for task in self.open.on_node(node) {
            if let Err(error) = self.cancel(task.id, Some(by), "its node is drained").await {
                tracing::warn!(task = %task.id, %error, "cannot cancel task of drained node");
            }
        }
    }

    /// The node may work no more: what it was doing ends now.
    pub(crate) async fn node_revoked(&self, node: NodeId, why: &str) {
        self.end_all(node, why, clock::now()).await;
    }

    async fn end_all(&self, node: NodeId, why: &str, now: Timestamp) {
        for task in self.open.on_node(node) {
            let event = task.after(fate(&task, why));
            if let Err(error) = self.append_event(&task, event).await {
                // The node's own word may have been faster.
                tracing::warn!(task = %task.id, %error, "cannot end task of lost node");
                // Once more at the next sweep.
                self.open.await_node(node, now);
            }
        }
    }

    /// How many slots the nodes have that are there, and how many are taken or kept.
    pub(crate) fn slots(&self) -> (u64, u64) {
        let (mut slots, mut taken) = (0, 0);
        let now = clock::now();
        for link in self.links.all().into_iter().filter(|link| link.is_live(now)) {
            let node = link.node();
            slots += u64::from(node.slots());
            taken += u64::from(self.open.load_of(node.id));
        }
        (slots, taken)
    }

    /// Shows how many slots there are, and how many are taken.
    fn count_slots(&self) {
        let (slots, taken) = self.slots();
        self.metrics.slots.set(i64::try_from(slots).unwrap_or(i64::MAX));
        self.metrics.slots_taken.set(i64::try_from(taken).unwrap_or(i64::MAX));
    }
}
