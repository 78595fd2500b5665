//! What a queued task waits for.

use cortex_core::Result;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::id::TaskId;

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

impl Hub {
    /// Says what a task waits for; nothing where it is not queued.
    ///
    /// # Errors
    /// `NotFound`: no such task, or none that `who` may see.
    pub async fn waiting(&self, who: &Principal, id: TaskId) -> Result<Option<Waiting>> {
        let task = self.find_task(who, id, Scope::Read).await?;
        let Some((ahead, cause)) = self.inner.dispatch.standing(&task).await? else {
            return Ok(None);
        };
        Ok(Some(Waiting { ahead, code: cause.code(), message: cause.to_string() }))
    }
}
