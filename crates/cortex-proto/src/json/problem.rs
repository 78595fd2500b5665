//! Errors as problem documents (RFC 9457).

use cortex_core::Error;
use serde::Deserialize;
use serde::Serialize;

/// An error, with the media type `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for a person.
    pub detail: String,
    /// What happened, for a program: a stable word in snake case.
    pub code: String,
    /// What can be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Names this request in the hub's log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
}

impl Problem {
    /// The problem document of a seam error; the request id is the caller's to fill in.
    ///
    /// The detail of an internal error stays in the hub's log.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let status = error.kind().http_status();
        let detail = match error.kind() {
            cortex_core::ErrorKind::Internal => "the hub failed; its log has the reason".to_owned(),
            _ => error.message().to_owned(),
        };
        Self {
            kind: "about:blank".to_owned(),
            title: title_of(status).to_owned(),
            status,
            detail,
            code: error.code().to_owned(),
            hint: error.hint().map(ToOwned::to_owned),
            request_id: String::new(),
        }
    }
}

fn title_of(status: u16) -> &'static str {
    tonic::codegen::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Error")
}

#[cfg(test)]
mod tests {
    use cortex_core::ErrorKind;

    use super::*;

    #[test]
    fn a_problem_says_what_to_do() {
        let error = Error::new(ErrorKind::NotFound, "read session", "no session \"x\"")
            .with_hint("cortex-cli session list");
        let problem = Problem::of(&error);
        assert_eq!((problem.status, problem.title.as_str()), (404, "Not Found"));
        assert_eq!(problem.hint.as_deref(), Some("cortex-cli session list"));
    }

    #[test]
    fn the_detail_of_a_defect_stays_inside() {
        let error = Error::new(ErrorKind::Internal, "read", "password is hunter2");
        assert!(!Problem::of(&error).detail.contains("hunter2"));
    }
}
