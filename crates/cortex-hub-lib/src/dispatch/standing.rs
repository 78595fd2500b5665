//! Where a queued task stands, for whoever asks.

use std::fmt;
use std::time::Instant;

use cortex_core::Result;
use cortex_core::id::NodeId;
use cortex_core::id::TaskId;
use cortex_core::task::State;
use cortex_core::task::Task;

use super::Dispatch;
use crate::placement::Unplaced;

/// What a queued task waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A slot is kept for it.
    Claim,
    /// Its user has as many tasks on nodes as one may have.
    Quota(u32),
    /// No node that is there could take it.
    Unplaced(Unplaced),
    /// All slots of the nodes that could take it are taken.
    Slot,
}

impl Cause {
    /// A stable word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Cause::Claim => "claim",
            Cause::Quota(_) => "quota",
            Cause::Unplaced(reason) => reason.code(),
            Cause::Slot => "slot",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Claim => f.write_str("a slot is kept for it, which its node has to claim"),
            Cause::Quota(most) => {
                write!(f, "{most} tasks of its user are on nodes, the most allowed")
            }
            Cause::Unplaced(reason) => write!(f, "{reason}"),
            Cause::Slot => f.write_str("all slots of the nodes that could take it are taken"),
        }
    }
}

impl Dispatch {
    /// The node of which a slot is kept for a task that waits.
    pub(crate) fn kept_for(&self, task: TaskId) -> Option<NodeId> {
        self.open.queue(|queue| queue.seat_of(task)).map(|(seat, _)| seat.node)
    }

    /// The nodes that did not claim what they were offered, and are offered nothing for a while.
    pub(crate) fn silent_nodes(&self) -> Vec<NodeId> {
        self.pool.deaf(Instant::now())
    }

    /// How many tasks of its user go before a queued task, and what it waits for.
    pub(crate) async fn standing(&self, task: &Task) -> Result<Option<(usize, Cause)>> {
        let standing = self.open.queue(|queue| queue.standing(task.id));
        let Some((ahead, has_seat)) = standing.filter(|_| task.state == State::Queued) else {
            return Ok(None);
        };
        if has_seat {
            return Ok(Some((ahead, Cause::Claim)));
        }
        let session = self.store.get(task.session).await?;
        let by = self.user_of(task.by).await?;
        let cause = match self.admit(&session, task.id, &task.spec, &by).await? {
            Err(reason) => Cause::Unplaced(reason),
            Ok(()) if self.open.slots_of(task.by) >= self.limits.running_tasks => {
                Cause::Quota(self.limits.running_tasks)
            }
            Ok(()) => Cause::Slot,
        };
        Ok(Some((ahead, cause)))
    }
}
