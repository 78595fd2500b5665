//! Seam errors as gRPC statuses, and back.
//!
//! The kind maps to the code; the stable word and the hint travel in the metadata
//! `cortex-code` and `cortex-hint`.

use cortex_core::Error;
use cortex_core::ErrorKind;
use tonic::Code;
use tonic::Status;
use tonic::metadata::MetadataValue;

const CODE_KEY: &str = "cortex-code";
const HINT_KEY: &str = "cortex-hint";

/// The gRPC status of a seam error. The cause stays on this side.
#[must_use]
pub fn to_status(error: &Error) -> Status {
    let mut status = Status::new(to_code(error.kind()), error.message());
    let words = [(CODE_KEY, Some(error.code())), (HINT_KEY, error.hint())];
    for (key, word) in words {
        if let Some(value) = word.and_then(|word| MetadataValue::try_from(word).ok()) {
            status.metadata_mut().insert(key, value);
        }
    }
    status
}

/// The seam error of a gRPC status that answered `operation`.
#[must_use]
pub fn from_status(operation: &'static str, status: &Status) -> Error {
    let word = status.metadata().get(CODE_KEY).and_then(|value| value.to_str().ok());
    let message = match word {
        Some(word) => format!("{} ({word})", status.message()),
        None => status.message().to_owned(),
    };
    let error = Error::new(from_code(status.code()), operation, message);
    match status.metadata().get(HINT_KEY).and_then(|value| value.to_str().ok()) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The stable word that came with a status, e.g. `"invite_expired"`.
#[must_use]
pub fn code_word(status: &Status) -> Option<&str> {
    status.metadata().get(CODE_KEY).and_then(|value| value.to_str().ok())
}

/// The gRPC code of a kind of error.
#[must_use]
pub fn to_code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::Denied => Code::PermissionDenied,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::Exists => Code::AlreadyExists,
        ErrorKind::Precondition => Code::FailedPrecondition,
        ErrorKind::Exhausted => Code::ResourceExhausted,
        ErrorKind::Timeout => Code::DeadlineExceeded,
        ErrorKind::Unavailable => Code::Unavailable,
        _ => Code::Internal,
    }
}

/// The kind of error of a gRPC code.
#[must_use]
pub fn from_code(code: Code) -> ErrorKind {
    match code {
        Code::InvalidArgument | Code::OutOfRange => ErrorKind::Invalid,
        Code::Unauthenticated => ErrorKind::Unauthenticated,
        Code::PermissionDenied => ErrorKind::Denied,
        Code::NotFound => ErrorKind::NotFound,
        Code::Aborted => ErrorKind::Conflict,
        Code::AlreadyExists => ErrorKind::Exists,
        Code::FailedPrecondition => ErrorKind::Precondition,
        Code::ResourceExhausted => ErrorKind::Exhausted,
        Code::DeadlineExceeded | Code::Cancelled => ErrorKind::Timeout,
        Code::Unavailable => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_word_and_hint_survive_the_way() {
        let error = Error::new(ErrorKind::Denied, "enrol", "the invite expired")
            .with_code("invite_expired")
            .with_hint("make a new one");
        let status = to_status(&error);
        assert_eq!(code_word(&status), Some("invite_expired"));
        let back = from_status("enrol", &status);
        assert_eq!(back.kind(), ErrorKind::Denied);
        assert_eq!(back.hint(), Some("make a new one"));
    }

    #[test]
    fn every_kind_but_defects_round_trips() {
        for kind in [
            ErrorKind::Invalid,
            ErrorKind::Unauthenticated,
            ErrorKind::Denied,
            ErrorKind::NotFound,
            ErrorKind::Conflict,
            ErrorKind::Exists,
            ErrorKind::Precondition,
            ErrorKind::Exhausted,
            ErrorKind::Timeout,
            ErrorKind::Unavailable,
            ErrorKind::Internal,
        ] {
            assert_eq!(from_code(to_code(kind)), kind);
        }
    }
}
