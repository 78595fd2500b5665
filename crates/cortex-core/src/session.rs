//! A session: who owns it, which nodes are attached, and the log of everything that happened in it.

mod batch;
mod event;
pub mod refusal;
mod store;

use serde::Deserialize;
use serde::Serialize;

pub use batch::Batch;
pub use batch::Moved;
pub use event::Entry;
pub use event::Happening;
pub use event::Seq;
pub use store::Appended;
pub use store::OutputPart;
pub use store::SessionStore;
pub use store::TaskFilter;

use crate::chain::Head;
use crate::id::NodeId;
use crate::id::SessionId;
use crate::id::UserId;
use crate::receipt;
use crate::task::TaskEvent;
use crate::timestamp::Timestamp;

/// A conversation's hold on nodes: its tasks run on the nodes that are attached to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name on the wire.
    pub id: SessionId,
    /// Who may use it.
    pub owner: UserId,
    /// Its name for people.
    pub name: String,
    /// Whether it takes tasks.
    pub status: SessionStatus,
    /// The attached nodes, in the order of their attachment.
    pub nodes: Vec<NodeId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The chain of the receipts in its log.
    pub receipts: Head,
}

/// Whether a session takes tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionStatus {
    /// It does.
    Open,
    /// It is kept for reading.
    Closed,
}

/// Why something cannot happen in a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// It is closed: no attaching, no new tasks.
    #[error("the session is closed")]
    Closed,
    /// The node is attached already.
    #[error("the node is attached already")]
    Attached,
    /// The node is not attached.
    #[error("the node is not attached to this session")]
    NotAttached,
}

impl Session {
    /// A new, open session without nodes.
    #[must_use]
    pub fn new(id: SessionId, owner: UserId, name: impl Into<String>, now: Timestamp) -> Self {
        Self {
            id,
            owner,
            name: name.into(),
            status: SessionStatus::Open,
            nodes: Vec::new(),
            created_at: now,
            closed_at: None,
            receipts: receipt::chain_of(id),
        }
    }

    /// Moves the session by what happens to it; every backend calls this before it stores.
    ///
    /// Tasks already submitted may still end in a closed session.
    ///
    /// # Errors
    /// [`SessionError`]: it does not fit; the session is left as it was.
    pub fn apply(&mut self, what: &Happening, now: Timestamp) -> Result<(), SessionError> {
        let is_closed = self.status == SessionStatus::Closed;
        match what {
            Happening::Attached { .. } | Happening::Closed if is_closed => {
                return Err(SessionError::Closed);
            }
            Happening::Attached { node } if self.nodes.contains(node) => {
                return Err(SessionError::Attached);
            }
            Happening::Attached { node } => self.nodes.push(*node),
            Happening::Detached { node } => {
                let at = self.nodes.iter().position(|attached| attached == node);
                self.nodes.remove(at.ok_or(SessionError::NotAttached)?);
            }
            Happening::Closed => {
                self.status = SessionStatus::Closed;
                self.closed_at = Some(now);
            }
            Happening::Task { event, .. } => {
                if is_closed && matches!(event, TaskEvent::Submitted { .. }) {
                    return Err(SessionError::Closed);
                }
                if let TaskEvent::Ended { receipt: Some(receipt), .. } = event {
                    self.receipts = receipt.extend(self.receipts);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_session_takes_no_nodes_but_lets_them_go() {
        let now = Timestamp::from_millis(1);
        let node = NodeId::from_bytes([1; 16]);
        let owner = UserId::from_bytes([2; 16]);
        let mut session = Session::new(SessionId::from_bytes([3; 16]), owner, "talk", now);
        session.apply(&Happening::Attached { node }, now).unwrap();
        assert_eq!(session.apply(&Happening::Attached { node }, now), Err(SessionError::Attached));
        session.apply(&Happening::Closed, now).unwrap();
        assert_eq!(session.apply(&Happening::Closed, now), Err(SessionError::Closed));
        session.apply(&Happening::Detached { node }, now).unwrap();
        let again = session.apply(&Happening::Detached { node }, now);
        assert_eq!(again, Err(SessionError::NotAttached));
    }
}
