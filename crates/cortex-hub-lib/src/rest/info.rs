//! What the hub is, whether it works, what it counts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use cortex_proto::json::HubInfo;

use super::Api;
use super::failure::Answer;

/// Says what this hub is.
#[utoipa::path(
    get, path = "/api/info", operation_id = "get_info", tag = "hub",
    responses((status = 200, description = "Id and version", body = HubInfo))
)]
pub(super) async fn info(State(api): State<Arc<Api>>) -> Json<HubInfo> {
    Json(HubInfo { id: api.hub.id().to_string(), version: api.hub.version().to_owned() })
}

/// Says that the process runs. Asks nothing else, so that a slow database restarts nobody.
#[utoipa::path(
    get, path = "/healthz", operation_id = "check_health", tag = "hub",
    responses((status = 200, description = "It runs", body = String, content_type = "text/plain"))
)]
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Says whether the hub can work: its database answers, and it does not shut down.
#[utoipa::path(
    get, path = "/readyz", operation_id = "check_readiness", tag = "hub",
    responses((status = 200, description = "It can work", body = String, content_type = "text/plain"))
)]
pub(super) async fn readiness(State(api): State<Arc<Api>>) -> Answer<&'static str> {
    api.hub.ready().await?;
    Ok("ok\n")
}

/// Shows the hub's counters in the text format of `OpenMetrics`.
///
/// For whoever has a credential that may read: give the scraper a token with the scope `read`.
#[utoipa::path(
    get, path = "/metrics", operation_id = "get_metrics", tag = "hub",
    responses((status = 200, description = "Counters", body = String,
        content_type = "application/openmetrics-text"))
)]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], api.hub.metrics().encode())
}
