//! What happens because time passes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use cortex_core::id::SessionId;
use cortex_core::session::Session;
use cortex_core::task::Outcome;
use cortex_core::task::State;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use cortex_core::timestamp::Timestamp;

use super::Dispatch;
use crate::clock;

/// How a task ends whose node stayed away.
fn fate(task: &Task) -> Outcome {
    if task.started_at.is_some() {
        let reason = "the node was away for too long; how far the task came is unknown".to_owned();
        return Outcome::Interrupted { reason };
    }
    let reason = "the node was away for too long and never said that it started".to_owned();
    match task.state {
        State::Cancelling | State::Assigned => Outcome::Lost { reason },
        _ => Outcome::Interrupted { reason },
    }
}

impl Dispatch {
    /// Ends the tasks of nodes that stayed away, and places queued ones.
    pub(crate) async fn sweep(&self, now: Timestamp) {
        for node in self.open.take_overdue(now) {
            if self.links.get(node).is_some() {
                continue;
            }
            for task in self.open.on_node(node) {
                let event = TaskEvent::Ended { attempt: task.attempt, outcome: fate(&task) };
                if let Err(error) = self.append_event(&task, event).await {
                    tracing::warn!(task = %task.id, %error, "cannot end task of lost node");
                    // Once more at the next sweep.
                    self.open.await_node(node, now);
                }
            }
        }
        self.place_all_queued().await;
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
