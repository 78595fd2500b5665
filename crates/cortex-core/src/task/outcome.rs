//! How a task ended, and what that means for its state and for an exit code.

use serde::Deserialize;
use serde::Serialize;

use super::State;
use crate::receipt::Ending;
use crate::receipt::EndingKind;

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The process exited by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended the process: a crash, or a signal that somebody sent it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// A skill returned a value.
    Returned {
        /// The value.
        value: serde_json::Value,
    },
    /// It could not be started, or the skill failed.
    Broken {
        /// What went wrong, for a person.
        message: String,
    },
    /// It was ended on request.
    Cancelled {
        /// How many processes ended with it.
        processes: u32,
    },
    /// It was ended because its time limit passed.
    TimedOut {
        /// How many processes ended with it.
        processes: u32,
    },
    /// The node refused it before anything was started.
    Rejected {
        /// The policy rule or the check that refused it.
        rule: String,
        /// Why, for a person.
        reason: String,
    },
    /// Its node died or was cut off while it ran.
    Interrupted {
        /// What is known.
        reason: String,
    },
    /// Its node never said whether it started.
    Lost {
        /// What is known.
        reason: String,
    },
}

impl Outcome {
    /// The state that a task with this outcome is in.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Outcome::Exited { code: 0 } | Outcome::Returned { .. } => State::Succeeded,
            Outcome::Exited { .. } | Outcome::Signalled { .. } | Outcome::Broken { .. } => {
                State::Failed
            }
            Outcome::Cancelled { .. } => State::Cancelled,
            Outcome::TimedOut { .. } => State::TimedOut,
            Outcome::Rejected { .. } => State::Rejected,
            Outcome::Interrupted { .. } => State::Interrupted,
            Outcome::Lost { .. } => State::Lost,
        }
    }

    /// The exit code that a command passes through: the process's own, 128 + n for a signal,
    /// 255 where Cortex itself ended or refused the task.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Outcome::Returned { .. } => 0,
            Outcome::Exited { code } => u8::try_from(*code).unwrap_or(255),
            Outcome::Signalled { signal } => u8::try_from(128 + (signal & 127)).unwrap_or(255),
            _ => 255,
        }
    }

    /// One line for a person, e.g. `"cancelled, 3 processes ended"`.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Outcome::Exited { code } => format!("exited with {code}"),
            Outcome::Signalled { signal } => format!("ended by signal {signal}"),
            Outcome::Returned { .. } => "returned a value".to_owned(),
            Outcome::Broken { message } => message.clone(),
            Outcome::Cancelled { processes } => format!("cancelled, {} ended", count(*processes)),
            Outcome::TimedOut { processes } => format!("timed out, {} ended", count(*processes)),
            Outcome::Rejected { rule, reason } => format!("rejected by {rule}: {reason}"),
            Outcome::Interrupted { reason } => format!("interrupted: {reason}"),
            Outcome::Lost { reason } => format!("lost: {reason}"),
        }
    }
}

impl From<&Outcome> for Ending {
    fn from(outcome: &Outcome) -> Self {
        let counted = |kind, processes: u32| {
            Ending::new(kind, i32::try_from(processes).unwrap_or(i32::MAX), b"")
        };
        match outcome {
            Outcome::Exited { code } => Ending::new(EndingKind::Exited, *code, b""),
            Outcome::Signalled { signal } => Ending::new(EndingKind::Signalled, *signal, b""),
            Outcome::Returned { value } => {
                Ending::new(EndingKind::Returned, 0, value.to_string().as_bytes())
            }
            Outcome::Broken { message } => Ending::new(EndingKind::Broken, 0, message.as_bytes()),
            Outcome::Cancelled { processes } => counted(EndingKind::Cancelled, *processes),
            Outcome::TimedOut { processes } => counted(EndingKind::TimedOut, *processes),
            Outcome::Rejected { rule, reason } => Ending::refusal(rule, reason),
            Outcome::Interrupted { reason } | Outcome::Lost { reason } => {
                Ending::new(EndingKind::Interrupted, 0, reason.as_bytes())
            }
        }
    }
}

fn count(processes: u32) -> String {
    if processes == 1 { "1 process".to_owned() } else { format!("{processes} processes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_pass_through() {
        assert_eq!(Outcome::Exited { code: 7 }.exit_code(), 7);
        assert_eq!(Outcome::Signalled { signal: 9 }.exit_code(), 137);
        assert_eq!(Outcome::Lost { reason: String::new() }.exit_code(), 255);
        assert_eq!(Outcome::Exited { code: -1 }.exit_code(), 255);
    }

    #[test]
    fn json_names_the_kind() {
        let json = serde_json::to_string(&Outcome::Cancelled { processes: 3 }).unwrap();
        assert_eq!(json, r#"{"kind":"cancelled","processes":3}"#);
        assert_eq!(Outcome::Cancelled { processes: 3 }.summary(), "cancelled, 3 processes ended");
    }
}
