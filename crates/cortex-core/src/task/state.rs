//! Where a task is in its life, in words.

use serde::Deserialize;
use serde::Serialize;

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Stored and waiting for a node.
    Queued,
    /// A node was chosen; it has not said that it started.
    Assigned,
    /// The node said that it started.
    Running,
    /// Somebody asked for its end; the node has not confirmed it.
    Cancelling,
    /// Ended: exit code 0, or a skill's value.
    Succeeded,
    /// Ended: another exit code, a signal, or it could not be started.
    Failed,
    /// Ended: on request.
    Cancelled,
    /// Ended: its time limit passed.
    TimedOut,
    /// Ended: the node's policy refused it; nothing was started.
    Rejected,
    /// Ended: it was running when its node died or was cut off; how far it came is unknown.
    Interrupted,
    /// Ended: it was handed to a node that never said whether it started.
    Lost,
}

impl State {
    /// All ends.
    pub const ENDS: [State; 7] = [
        State::Succeeded,
        State::Failed,
        State::Cancelled,
        State::TimedOut,
        State::Rejected,
        State::Interrupted,
        State::Lost,
    ];

    /// Whether the task can never move again.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, State::Queued | State::Assigned | State::Running | State::Cancelling)
    }

    /// The word of the wire and of the command line, e.g. `"timed_out"`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Assigned => "assigned",
            State::Running => "running",
            State::Cancelling => "cancelling",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::TimedOut => "timed_out",
            State::Rejected => "rejected",
            State::Interrupted => "interrupted",
            State::Lost => "lost",
        }
    }
}
