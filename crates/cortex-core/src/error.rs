//! The one error of every seam: what was tried, of which kind the failure is, and what caused it.

use std::error::Error as StdError;
use std::fmt;

/// Result of a seam's operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms a caller can act on.
///
/// Each kind maps to exactly one gRPC code, one HTTP status and one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The input cannot be right, whatever the state of the system.
    Invalid,
    /// Nobody proved who they are, or the proof is no longer good.
    Unauthenticated,
    /// The caller is known and may not do this.
    Denied,
    /// No such thing, or none that the caller may see.
    NotFound,
    /// Another writer was faster; reload and decide again.
    Conflict,
    /// The thing exists already.
    Exists,
    /// The system's state forbids it, e.g. a closed session; repeating does not help.
    Precondition,
    /// A limit is reached: queue full, quota used, body too large.
    Exhausted,
    /// A time limit passed.
    Timeout,
    /// Not reachable now; the same call may succeed later.
    Unavailable,
    /// A defect or a broken dependency.
    Internal,
}

/// The error that all seams share.
///
/// [`Display`](fmt::Display) prints one line that reads after "error: "; the cause is in
/// [`source`](StdError::source).
#[derive(Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: Kind,
    operation: &'static str,
    message: String,
    code: Option<&'static str>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error of `kind`; `operation` says what was tried, e.g. `"enrol node"`.
    pub fn new(kind: Kind, operation: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            inner: Box::new(Inner {
                kind,
                operation,
                message,
                code: None,
                hint: None,
                source: None,
            }),
        }
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Adds a stable word for programs, in snake case, e.g. `"node_offline"`.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.inner.code = Some(code);
        self
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Of which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// What was tried.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.inner.operation
    }

    /// What happened, without the cause.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// A stable word for programs: the one that was given, or that of the kind.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.inner.code.unwrap_or(self.kind().code())
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind(), Kind::Unavailable | Kind::Timeout | Kind::Exhausted)
    }
}

impl Kind {
    /// The stable word for programs, e.g. `"not_found"`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Unauthenticated => "unauthenticated",
            Kind::Denied => "denied",
            Kind::NotFound => "not_found",
            Kind::Conflict => "conflict",
            Kind::Exists => "exists",
            Kind::Precondition => "precondition",
            Kind::Exhausted => "exhausted",
            Kind::Timeout => "timeout",
            Kind::Unavailable => "unavailable",
            Kind::Internal => "internal",
        }
    }

    /// The HTTP status of an answer with this kind of error.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Kind::Invalid => 422,
            Kind::Unauthenticated => 401,
            Kind::Denied => 403,
            Kind::NotFound => 404,
            Kind::Conflict | Kind::Exists | Kind::Precondition => 409,
            Kind::Exhausted => 429,
            Kind::Timeout => 504,
            Kind::Unavailable => 503,
            Kind::Internal => 500,
        }
    }

    /// The exit code of a command that failed with this kind of error.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::Invalid => 2,
            Kind::Unauthenticated | Kind::Denied => 3,
            Kind::NotFound => 4,
            Kind::Conflict | Kind::Exists | Kind::Precondition => 5,
            Kind::Unavailable => 6,
            Kind::Timeout => 7,
            Kind::Exhausted | Kind::Internal => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.inner.operation, self.inner.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_tried_and_why() {
        let error = Error::new(Kind::Unavailable, "dispatch task", "node \"lab-7\" is offline")
            .with_code("node_offline")
            .with_hint("start it, or pass --queue")
            .with_source(std::io::Error::other("reset"));
        assert_eq!(error.to_string(), "dispatch task: node \"lab-7\" is offline");
        assert_eq!(error.code(), "node_offline");
        assert!(error.is_transient());
        assert_eq!(StdError::source(&error).map(ToString::to_string).as_deref(), Some("reset"));
    }
}
