//! What happens because time passes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::session::Session;
use cortex_core::task::Outcome;
use cortex_core::task::State;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
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
    /// Ends the tasks of nodes that stayed away, and places queued ones.
    pub(crate) async fn sweep(&self, now: Timestamp) {
        for node in self.open.take_overdue(now) {
            if self.links.get(node).is_none() {
                self.end_all(node, "the node was away for too long", now).await;
            }
        }
        self.send_waiting_inputs();
        self.place_all_queued().await;
    }

    /// The node may work no more: what it was doing ends now.
    pub(crate) async fn node_revoked(&self, node: NodeId, why: &str) {
        self.end_all(node, why, clock::now()).await;
    }

    async fn end_all(&self, node: NodeId, why: &str, now: Timestamp) {
        for task in self.open.on_node(node) {
            let event = TaskEvent::ended(task.attempt, fate(&task, why));
            if let Err(error) = self.append_event(&task, event).await {
                // The node's own word may have been faster.
                tracing::warn!(task = %task.id, %error, "cannot end task of lost node");
                // Once more at the next sweep.
                self.open.await_node(node, now);
            }
        }
    }

    /// Hands out all queued tasks for which a node is there.
    pub(super) async fn place_all_queued(&self) {
        let mut sessions: BTreeMap<SessionId, Session> = BTreeMap::new();
        for task in self.open.queued() {
            let session = match sessions.entry(task.session) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(empty) => match self.store.get(task.session).await {
                    Ok(session) => empty.insert(session),
                    Err(error) => {
                        tracing::warn!(session = %task.session, %error, "cannot read session");
                        continue;
                    }
                },
            };
            self.place_queued(session, &task, clock::now()).await;
        }
    }
}
