//! Changes of nodes and tasks, for those who watch the whole hub.

use std::sync::Arc;

use cortex_core::account::Hold;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::node::Node;
use cortex_core::task::Task;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// A change of a node or task, as it happens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Change {
    /// A node came, went, or was changed.
    Node(Arc<Node>),
    /// A task moved.
    Task(Arc<Task>),
    /// Some changes were lost to this reader, which was too slow.
    Lost,
}

/// The changes that one principal may see.
#[derive(Debug)]
pub struct Changes {
    receiver: broadcast::Receiver<Change>,
    who: Principal,
    shutdown: CancellationToken,
}

impl Changes {
    pub(crate) fn new(
        receiver: broadcast::Receiver<Change>,
        who: Principal,
        shutdown: CancellationToken,
    ) -> Self {
        Self { receiver, who, shutdown }
    }

    /// Waits for the next change; `None` when the hub shuts down.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            let change = tokio::select! {
                () = self.shutdown.cancelled() => return None,
                change = self.receiver.recv() => change,
            };
            match change {
                Ok(change) if self.may_see(&change) => return Some(change),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Change::Lost),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn may_see(&self, change: &Change) -> bool {
        let verdict = match change {
            Change::Node(node) => self.who.may_on(node, Hold::Use, Scope::Read),
            Change::Task(task) => self.who.may(Scope::Read, task.by),
            Change::Lost => return true,
        };
        verdict.is_ok()
    }
}
