//! The errors of a [`SessionStore`](super::SessionStore), worded once for all backends.

use super::Seq;
use super::SessionError;
use crate::error::Error;
use crate::error::Kind;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::task::TransitionError;

/// `NotFound`, code `session_not_found`: no session has this id.
#[must_use]
pub fn session_not_found(id: SessionId) -> Error {
    let message = format!("there is no session {id}");
    Error::new(Kind::NotFound, "find session", message).with_code("session_not_found")
}

/// `Exists`, code `session_exists`: a session of this id is stored.
#[must_use]
pub fn session_exists(id: SessionId) -> Error {
    let message = format!("the id {id} is used already");
    Error::new(Kind::Exists, "create session", message).with_code("session_exists")
}

/// `NotFound`, code `task_not_found`: no task has this id, or none of this session.
#[must_use]
pub fn task_not_found(id: TaskId) -> Error {
    let message = format!("there is no task {id}");
    Error::new(Kind::NotFound, "find task", message).with_code("task_not_found")
}

/// `Exists`, code `task_exists`: a task of this id was submitted before.
#[must_use]
pub fn task_exists(id: TaskId) -> Error {
    let message = format!("the id {id} is used already");
    Error::new(Kind::Exists, "submit task", message).with_code("task_exists")
}

/// `Conflict`, code `log_moved`: the log ends at `head`, where its writer expected `after`.
#[must_use]
pub fn log_moved(after: Seq, head: Seq) -> Error {
    let message = format!("the log ends at {head}, not at {after}");
    Error::new(Kind::Conflict, "append to session", message).with_code("log_moved")
}

/// `Invalid`: an entry's data is not what its event says.
#[must_use]
pub fn wrong_length(said: u32, found: usize) -> Error {
    let message = format!("an entry says that it has {said} bytes of output, it has {found}");
    Error::new(Kind::Invalid, "append to session", message)
}

/// `Precondition`; code `session_closed`, `node_attached` or `node_not_attached`.
impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        let code = match error {
            SessionError::Closed => "session_closed",
            SessionError::Attached => "node_attached",
            SessionError::NotAttached => "node_not_attached",
        };
        Error::new(Kind::Precondition, "append to session", error.to_string()).with_code(code)
    }
}

/// `Conflict`; code `task_ended`, `attempt_fenced`, `task_state` or `output_offset`.
impl From<TransitionError> for Error {
    fn from(error: TransitionError) -> Self {
        let code = match error {
            TransitionError::Ended(_) => "task_ended",
            TransitionError::Attempt { .. } => "attempt_fenced",
            TransitionError::State { .. } => "task_state",
            TransitionError::File(_) => "file_refused",
            TransitionError::Offset { .. } | TransitionError::Gap { .. } => "output_offset",
        };
        Error::new(Kind::Conflict, "append to session", error.to_string()).with_code(code)
    }
}
