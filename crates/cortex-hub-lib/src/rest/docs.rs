//! The API's description, and the page that shows it; everything is in the binary.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;
use utoipa_swagger_ui::Config;

use super::Api;
use super::extract::InPath;
use super::failure::Answer;
use super::failure::Failure;
use super::output::Octets;

/// The page's own styles are inline; nothing is loaded from elsewhere.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
    object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Describes this API.
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "get_openapi", tag = "hub",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object))
)]
pub(super) async fn openapi(State(api): State<Arc<Api>>) -> Response {
    let mut response = Response::new(Body::from(api.openapi.clone()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Leads to the page that shows the description.
#[utoipa::path(
    get, path = "/api/docs", operation_id = "get_docs", tag = "hub",
    responses((status = 307, description = "The page is at `docs/`, relative to this path"))
)]
pub(super) async fn docs() -> Response {
    // Relative, so that it is right below any path prefix.
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "docs/")]).into_response()
}

/// Shows the description as a page.
#[utoipa::path(
    get, path = "/api/docs/", operation_id = "get_docs_page", tag = "hub",
    responses((status = 200, description = "The page", body = String, content_type = "text/html"))
)]
pub(super) async fn page() -> Answer<Response> {
    file("index.html")
}

/// A file that the page needs.
#[utoipa::path(
    get, path = "/api/docs/{file}", operation_id = "get_docs_file", tag = "hub",
    params(("file" = String, Path, description = "Its name")),
    responses((status = 200, description = "The file", body = Octets, content_type = "application/octet-stream"))
)]
pub(super) async fn part(InPath(name): InPath<String>) -> Answer<Response> {
    file(&name)
}

fn file(name: &str) -> Answer<Response> {
    let missing = || Failure::not_found(format!("no file \"{name}\""));
    // Relative to api/docs/, so that it is right below any path prefix.
    let config = Arc::new(Config::from("../openapi.json"));
    let file = utoipa_swagger_ui::serve(name, config).map_err(|_| missing())?;
    let file = file.ok_or_else(missing)?;
    let mut response = Response::new(Body::from(file.bytes.into_owned()));
    let headers = response.headers_mut();
    let kind = HeaderValue::try_from(file.content_type);
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(octets));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
