//! Claims of nodes, and how a slot that was given away becomes an assignment: stored, then sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::session::Happening;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use futures::future::join_all;

use super::Dispatch;
use super::queue::Seat;
use crate::link::Down;
use crate::link::Link;

/// Tasks that one append assigns.
const MOST_AT_ONCE: usize = 256;

/// A task that gets a slot.
#[derive(Debug)]
struct Grant {
    task: Arc<Task>,
    seat: Seat,
    since: Instant,
}

impl Grant {
    fn happening(&self) -> Happening {
        let (attempt, node) = (self.task.attempt + 1, self.seat.node);
        Happening::task(self.task.id, TaskEvent::Assigned { attempt, node })
    }
}

impl Dispatch {
    /// A node claims tasks on its stream. Returns what is to be told of those that it does not get.
    pub(crate) fn claim(&self, link: &Link, tasks: Vec<TaskId>) -> Option<Down> {
        let node = link.node().id;
        self.pool.note_hearing(node);
        let (claimed, withdrawn): (Vec<_>, Vec<_>) = self.open.queue(|queue| {
            tasks.into_iter().partition(|task| queue.claim(*task, node, link.epoch))
        });
        self.pool.grant(claimed);
        (!withdrawn.is_empty()).then(|| Down::Pool { offered: Vec::new(), withdrawn })
    }

    /// Stores all assignments that were decided on, an append or few a session, and sends the tasks.
    pub(super) async fn grant_claimed(&self) {
        let mut sessions: BTreeMap<SessionId, Vec<Grant>> = BTreeMap::new();
        for id in self.pool.take_granted() {
            let seat = self.open.queue(|queue| queue.seat_of(id));
            let (Some(task), Some((seat, since))) = (self.open.task(id), seat) else { continue };
            let is_there = self.links.get(seat.node).is_some_and(|link| link.epoch == seat.epoch);
            if is_there {
                sessions.entry(task.session).or_default().push(Grant { task, seat, since });
            } else {
                self.give_back(id);
            }
        }
        let mut appends = Vec::new();
        for (session, mut grants) in sessions {
            while !grants.is_empty() {
                let rest = grants.split_off(grants.len().min(MOST_AT_ONCE));
                appends.push(self.assign(session, std::mem::replace(&mut grants, rest)));
            }
        }
        // At once, so that they share a commit.
        join_all(appends).await;
    }

    async fn assign(&self, session: SessionId, grants: Vec<Grant>) {
        let what = grants.iter().map(Grant::happening).collect();
        if self.append(session, what).await.is_ok() {
            for grant in grants {
                self.send_granted(&grant).await;
            }
            return;
        }
        // One of them was cancelled, or its time was over: the others are not to wait for that.
        for grant in grants {
            match self.append(session, vec![grant.happening()]).await {
                Ok(_) => self.send_granted(&grant).await,
                Err(error) => {
                    tracing::info!(task = %grant.task.id, %error, "task not assigned");
                    self.give_back(grant.task.id);
                    self.tell_withdrawn(grant.seat.node, vec![grant.task.id]);
                }
            }
        }
    }

    async fn send_granted(&self, grant: &Grant) {
        self.metrics.claim_seconds.observe(grant.since.elapsed().as_secs_f64());
        // It may have ended in the same moment.
        let Some(task) = self.open.task(grant.task.id) else { return };
        let sent = match self.user_of(task.by).await {
            Ok(by) => self.hand_over_if_allowed(&task, &by, grant.seat.node).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::warn!(task = %task.id, %error, "cannot send task");
        }
    }

    /// The task waits again.
    fn give_back(&self, task: TaskId) {
        self.open.queue(|queue| queue.release(task));
        self.ring();
    }
}
