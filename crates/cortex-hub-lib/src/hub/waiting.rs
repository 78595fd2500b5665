//! What a queued task waits for.

use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::id::TaskId;
use cortex_core::task::Task;

use super::Hub;

/// What a queued task waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// How many tasks of its user are to go before it. Between users, turns are taken.
    pub ahead: usize,
    /// A stable word for programs: `slot`, `quota`, `claim`, or the code of the reason why no node
    /// could take it.
    pub code: &'static str,
    /// The same in a sentence.
    pub message: String,
}

/// What nodes have room for, and what waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolState {
    /// Tasks that wait for a node.
    pub queued: usize,
    /// Slots of the nodes that are online.
    pub slots: u64,
    /// Those of them that are taken, or kept for a task on its way.
    pub taken: u64,
}

impl Hub {
    /// What nodes have room for now, and what waits for them, of all users.
    #[must_use]
    pub fn pool(&self) -> PoolState {
        let (slots, taken) = self.inner.dispatch.slots();
        PoolState { queued: self.inner.dispatch.queued(), slots, taken }
    }

    /// What a task waits for that its reader may see.
    pub(super) async fn waiting_of(&self, task: &Task) -> Result<Option<Waiting>> {
        let standing = self.inner.dispatch.standing(task).await?;
        Ok(standing.map(|(ahead, cause)| Waiting {
            ahead,
            code: cause.code(),
            message: cause.to_string(),
        }))
    }

    /// Says what a task waits for; nothing where it is not queued.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see.
    pub async fn waiting(&self, who: &Principal, id: TaskId) -> Result<Option<Waiting>> {
        let task = self.find_task(who, id, Scope::Read).await?;
        self.waiting_of(&task).await
    }
}
