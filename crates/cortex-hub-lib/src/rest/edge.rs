//! What every request passes: its id, the check of the host, the log, and the form of errors.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use axum::response::Response;
use tracing::Instrument as _;

use super::Api;
use super::failure::Failure;
use super::failure::PROBLEM_JSON;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request in the hub's log and in the problems that it is answered with.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) Arc<str>);

/// Takes a request in and sees its answer out.
pub(super) async fn pass(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId(new_id().into());
    let span = tracing::debug_span!(
        "request",
        id = &*id.0,
        method = %request.method(),
        path = request.uri().path(),
    );
    let start = Instant::now();
    let is_ours = api.origins.is_ours(request.headers(), request.uri());
    request.extensions_mut().insert(id.clone());
    let response = async {
        let response =
            if is_ours { next.run(request).await } else { unknown_host().into_response() };
        let response = finish(response, &id.0);
        tracing::debug!(
            status = response.status().as_u16(),
            micros = start.elapsed().as_micros(),
            "answered"
        );
        response
    };
    response.instrument(span).await
}

/// A path that no route has.
pub(super) async fn unknown_path() -> Failure {
    Failure::of_http(StatusCode::NOT_FOUND, "unknown_path", "no such path")
        .with_hint("see /api/docs for the paths that there are")
}

/// A method that a path does not have.
pub(super) async fn unknown_method() -> Failure {
    Failure::of_http(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take that method",
    )
}

/// What a handler that panicked is answered with.
#[expect(clippy::needless_pass_by_value, reason = "the layer gives it away")]
pub(super) fn panicked(payload: Box<dyn std::any::Any + Send>) -> Response {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text");
    Failure::from(cortex_core::Error::new(
        cortex_core::ErrorKind::Internal,
        "serve request",
        format!("a handler panicked: {text}"),
    ))
    .into_response()
}

fn unknown_host() -> Failure {
    Failure::of_http(
        StatusCode::MISDIRECTED_REQUEST,
        "unknown_host",
        "this hub does not answer to that host name",
    )
    .with_hint("add the name to allowed_hosts in the hub's configuration, or set public_url")
}

/// Writes the problem document where there is a problem, and the headers that all answers have.
fn finish(mut response: Response, request_id: &str) -> Response {
    let status = response.status();
    if let Some(failure) = response.extensions_mut().remove::<Arc<Failure>>() {
        response = with_headers_of(&response, failure.render(request_id));
    } else if (status.is_client_error() || status.is_server_error()) && !is_document(&response) {
        let failure = Failure::of_status(status);
        response = with_headers_of(&response, failure.render(request_id));
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Keeps what a layer below has said besides its body, e.g. `Allow` and `Set-Cookie`.
fn with_headers_of(old: &Response, mut new: Response) -> Response {
    for (name, value) in old.headers() {
        let is_of_body = *name == header::CONTENT_TYPE || *name == header::CONTENT_LENGTH;
        if !is_of_body {
            new.headers_mut().append(name, value.clone());
        }
    }
    new
}

/// Whether an error has a form already: a problem document, or a page that tells a person.
fn is_document(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind == PROBLEM_JSON || kind.as_bytes().starts_with(b"text/html"))
}

/// 64 random bits. It only has to be findable in a log: without random bits, the time does.
fn new_id() -> String {
    let bits = getrandom::u64()
        .unwrap_or_else(|_| u64::try_from(crate::clock::now().as_millis()).unwrap_or_default());
    format!("{bits:016x}")
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use cortex_proto::json::Problem;

    use super::*;

    async fn problem_of(response: Response) -> (StatusCode, Problem) {
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        assert_eq!(response.headers()["x-request-id"], "r1");
        let status = response.status();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn errors_of_the_layers_below_get_the_same_form() {
        let plain = (StatusCode::UPGRADE_REQUIRED, "who wrote this").into_response();
        let (status, problem) = problem_of(finish(plain, "r1")).await;
        assert_eq!((status.as_u16(), problem.status), (426, 426));
        assert_eq!(problem.request_id, "r1");
        assert!(!problem.detail.contains("who wrote this"));
    }

    #[tokio::test]
    async fn headers_of_an_error_stay() {
        let mut response = unknown_method().await.into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        let response = finish(response, "r1");
        assert_eq!(response.headers()[header::ALLOW], "GET");
        assert_eq!(problem_of(response).await.1.code, "method_not_allowed");
    }

    #[tokio::test]
    async fn a_panic_is_a_defect_without_its_text() {
        let response = panicked(Box::new("secret text"));
        let (status, problem) = problem_of(finish(response, "r1")).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.detail.contains("secret"));
    }

    #[test]
    fn ids_differ() {
        assert_ne!(new_id(), new_id());
        assert_eq!(new_id().len(), 16);
    }
}
