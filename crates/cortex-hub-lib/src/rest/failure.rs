//! Errors of the REST side, as problem documents.
//!
//! A handler's error travels as an extension of the response; the edge, which knows the request's
//! id, writes the document. So every error has the same shape, whoever made it.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_proto::json::Problem;

use crate::accounts::TooMany;

/// What a handler answers when it cannot do what it was asked.
pub(super) type Answer<T> = Result<T, Failure>;

/// Media type of a problem document.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// A seam error, or one of HTTP's own with its status.
#[derive(Debug)]
pub(super) struct Failure {
    error: Error,
    status: Option<StatusCode>,
}

impl Failure {
    /// The request cannot be right.
    pub(super) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Invalid, "read request", message).with_code(code).into()
    }

    /// There is no such thing.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::NotFound, "find", message).into()
    }

    /// An error that only HTTP has.
    pub(super) fn of_http(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let kind = match status.as_u16() {
            404 => ErrorKind::NotFound,
            403 | 421 => ErrorKind::Denied,
            500.. => ErrorKind::Internal,
            _ => ErrorKind::Invalid,
        };
        Self {
            error: Error::new(kind, "serve request", message).with_code(code),
            status: Some(status),
        }
    }

    /// Adds what the reader can do about it.
    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { error: self.error.with_hint(hint), ..self }
    }

    /// The failure behind a response that some layer below made by itself.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let message = match status.canonical_reason() {
            Some(reason) => reason.to_lowercase(),
            None => "the request failed".to_owned(),
        };
        Self::of_http(status, "http", message)
    }

    /// The document.
    pub(super) fn problem(&self, request_id: &str) -> Problem {
        let mut problem = Problem::of(&self.error);
        if let Some(status) = self.status {
            problem.status = status.as_u16();
            problem.title = status.canonical_reason().unwrap_or("Error").to_owned();
        }
        problem.request_id = request_id.to_owned();
        problem
    }

    /// The document, for a stream whose headers have been sent; the log has it too.
    pub(super) fn logged_problem(&self, request_id: &str) -> Problem {
        if self.error.kind() == ErrorKind::Internal {
            tracing::error!(request_id, error = chain(&self.error), "request failed");
        } else {
            let code = self.error.code();
            tracing::debug!(request_id, code, error = chain(&self.error), "request refused");
        }
        self.problem(request_id)
    }

    /// The response with the document; the log has it too.
    pub(super) fn render(&self, request_id: &str) -> Response {
        let problem = self.logged_problem(request_id);
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"cortex\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = self.wait() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        response
    }

    fn wait(&self) -> Option<Duration> {
        let source = self.error.source()?;
        Some(source.downcast_ref::<TooMany>()?.wait)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, status: None }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        // Read by whoever looks at the status before the edge has written the document.
        *response.status_mut() = StatusCode::from_u16(self.problem("").status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// An error and its causes, in one line.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_http_wins_over_the_kind() {
        let failure =
            Failure::of_http(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "too large");
        let problem = failure.problem("r1");
        assert_eq!((problem.status, problem.title.as_str()), (413, "Payload Too Large"));
        assert_eq!((problem.code.as_str(), problem.request_id.as_str()), ("body_too_large", "r1"));
    }

    #[test]
    fn the_cause_is_logged_and_not_shown() {
        let error = Error::new(ErrorKind::Internal, "read", "broken")
            .with_source(std::io::Error::other("disk on fire"));
        assert_eq!(chain(&error), "read: broken: disk on fire");
        let problem = Failure::from(error).problem("r1");
        assert_eq!(problem.status, 500);
        assert!(!problem.detail.contains("fire") && !problem.detail.contains("broken"));
    }

    #[test]
    fn who_tries_too_often_learns_when_to_come_back() {
        let wait = Duration::from_secs(5);
        let error =
            Error::new(ErrorKind::Exhausted, "log in", "too many").with_source(TooMany { wait });
        let response = Failure::from(error).render("r1");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "6");
    }
}
