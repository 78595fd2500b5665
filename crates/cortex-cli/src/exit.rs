//! How a command ends: its exit code, and the failure that is told on standard error.

use std::borrow::Cow;
use std::fmt;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_proto::json::Problem;

/// Result of everything that a command does.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    /// Done.
    pub(crate) const OK: Exit = Exit(0);
    /// Something went wrong that has no code of its own.
    pub(crate) const FAILED: Exit = Exit(1);
    /// The command line or the input cannot be right.
    pub(crate) const USAGE: Exit = Exit(2);
    /// The user interrupted it.
    pub(crate) const INTERRUPTED: Exit = Exit(130);
    /// The reader of standard output went away: 128 + SIGPIPE.
    pub(crate) const PIPE_CLOSED: Exit = Exit(141);
    /// `exec` and `task wait`: Cortex itself failed, the exit code is not the remote one.
    pub(crate) const NOT_REMOTE: Exit = Exit(255);
}

/// Why a command failed, for people and for programs.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    inner: Box<Inner>,
}

#[derive(Debug, Clone)]
struct Inner {
    exit: Exit,
    status: u16,
    code: Cow<'static, str>,
    message: String,
    hint: Option<String>,
    request_id: String,
    is_silent: bool,
}

impl Failure {
    /// Makes a failure of `kind`; `message` reads after "error: ".
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                exit: Exit(kind.exit_code()),
                status: kind.http_status(),
                code: Cow::Borrowed(kind.code()),
                message: message.into(),
                hint: None,
                request_id: String::new(),
                is_silent: false,
            }),
        }
    }

    /// The command line or the input cannot be right.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The user interrupted it.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        let mut failure = Self::new(ErrorKind::Internal, message);
        failure.inner.exit = Exit::INTERRUPTED;
        failure.inner.code = Cow::Borrowed("interrupted");
        failure
    }

    /// Nobody reads standard output any more: ends without a word.
    pub(crate) fn pipe_closed() -> Self {
        let mut failure = Self::new(ErrorKind::Internal, "standard output was closed");
        failure.inner.exit = Exit::PIPE_CLOSED;
        failure.inner.is_silent = true;
        failure
    }

    /// What was tried could not be done with the local file `path`.
    pub(crate) fn file(verb: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            std::io::ErrorKind::AlreadyExists => ErrorKind::Exists,
            _ => ErrorKind::Internal,
        };
        Self::new(kind, format!("cannot {verb} {}: {error}", path.display()))
    }

    /// The failure that a problem document of the hub tells.
    pub(crate) fn of_problem(problem: Problem) -> Self {
        Self {
            inner: Box::new(Inner {
                exit: exit_of_status(problem.status),
                status: problem.status,
                code: Cow::Owned(problem.code),
                message: problem.detail,
                hint: problem.hint,
                request_id: problem.request_id,
                is_silent: false,
            }),
        }
    }

    /// Adds what the reader can do about it, unless something says so already.
    #[must_use]
    pub(crate) fn or_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Replaces the stable word for programs.
    #[must_use]
    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        self.inner.code = Cow::Borrowed(code);
        self
    }

    /// Replaces the exit code, but never that of an interrupt or a closed pipe.
    #[must_use]
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        if !matches!(self.inner.exit, Exit::INTERRUPTED | Exit::PIPE_CLOSED) {
            self.inner.exit = exit;
        }
        self
    }

    /// Says in front what was tried.
    #[must_use]
    pub(crate) fn context(mut self, tried: impl fmt::Display) -> Self {
        self.inner.message = format!("{tried}: {}", self.inner.message);
        self
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.inner.exit
    }

    /// The stable word for programs.
    pub(crate) fn code(&self) -> &str {
        &self.inner.code
    }

    /// What happened.
    pub(crate) fn message(&self) -> &str {
        &self.inner.message
    }

    /// What the reader can do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// The HTTP status that stands for it.
    pub(crate) fn status(&self) -> u16 {
        self.inner.status
    }

    /// Whether nothing is to be said about it.
    pub(crate) fn is_silent(&self) -> bool {
        self.inner.is_silent
    }

    /// The same as a problem document.
    pub(crate) fn to_problem(&self) -> Problem {
        let title = http::StatusCode::from_u16(self.inner.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Error");
        Problem {
            kind: "about:blank".to_owned(),
            title: title.to_owned(),
            status: self.inner.status,
            detail: self.inner.message.clone(),
            code: self.inner.code.clone().into_owned(),
            hint: self.inner.hint.clone(),
            request_id: self.inner.request_id.clone(),
        }
    }
}

/// The exit code that an HTTP status of the hub stands for.
fn exit_of_status(status: u16) -> Exit {
    Exit(match status {
        400 | 405 | 406 | 413 | 415 | 422 => 2,
        401 | 403 => 3,
        404 | 410 => 4,
        409 | 412 => 5,
        502 | 503 => 6,
        408 | 504 => 7,
        _ => 1,
    })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut message = error.message().to_owned();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            message.push_str(": ");
            message.push_str(&source.to_string());
            cause = source.source();
        }
        let mut failure = Self::new(error.kind(), message);
        failure.inner.code = Cow::Borrowed(error.code());
        failure.inner.hint = error.hint().map(ToOwned::to_owned);
        failure
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [(ErrorKind, u8); 11] = [
        (ErrorKind::Invalid, 2),
        (ErrorKind::Unauthenticated, 3),
        (ErrorKind::Denied, 3),
        (ErrorKind::NotFound, 4),
        (ErrorKind::Conflict, 5),
        (ErrorKind::Exists, 5),
        (ErrorKind::Precondition, 5),
        (ErrorKind::Exhausted, 1),
        (ErrorKind::Timeout, 7),
        (ErrorKind::Unavailable, 6),
        (ErrorKind::Internal, 1),
    ];

    #[test]
    fn a_problem_exits_as_the_error_behind_it() {
        for (kind, exit) in KINDS {
            let error = Error::new(kind, "try", "it failed").with_hint("do this");
            assert_eq!(Failure::from(error).exit(), Exit(exit), "{kind:?}");
            let error = Error::new(kind, "try", "it failed").with_hint("do this");
            let failure = Failure::of_problem(Problem::of(&error));
            assert_eq!(failure.exit(), Exit(exit), "{kind:?}");
            assert_eq!(failure.hint(), Some("do this"));
        }
    }

    #[test]
    fn a_failure_keeps_its_words_as_a_problem() {
        let problem = Problem {
            kind: "about:blank".into(),
            title: "Service Unavailable".into(),
            status: 503,
            detail: "node \"lab-7\" is offline".into(),
            code: "node_offline".into(),
            hint: Some("cortex-cli task list --node lab-7".into()),
            request_id: "req_1".into(),
        };
        assert_eq!(Failure::of_problem(problem.clone()).to_problem(), problem);
    }

    #[test]
    fn the_causes_of_an_error_are_told() {
        let error = Error::new(ErrorKind::Internal, "open", "cannot open the database")
            .with_source(std::io::Error::other("disk full"));
        assert_eq!(Failure::from(error).message(), "cannot open the database: disk full");
    }

    #[test]
    fn an_interrupt_stays_one() {
        let failure = Failure::interrupted("interrupted").with_exit(Exit::NOT_REMOTE);
        assert_eq!(failure.exit(), Exit::INTERRUPTED);
        let failure = Failure::usage("wrong").with_exit(Exit::NOT_REMOTE);
        assert_eq!(failure.exit(), Exit::NOT_REMOTE);
    }
}
