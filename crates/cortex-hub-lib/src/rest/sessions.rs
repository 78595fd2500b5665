//! Sessions and their logs.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use cortex_core::session::Seq;
use cortex_proto::json::EventInfo;
use cortex_proto::json::Page;
use cortex_proto::json::SessionInfo;
use cortex_proto::json::SessionRequest;
use futures::Stream;
use serde::Deserialize;

use super::Api;
use super::convert::session_info;
use super::edge::RequestId;
use super::entry::event_info;
use super::entry::to_sse;
use super::extract::BodyOrDefault;
use super::extract::InPath;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use super::sse;
use crate::hub::LogReader;

/// Events that one turn of a stream takes at most.
const BATCH: usize = 256;
const DEFAULT_PAGE: usize = 500;
const MAX_PAGE: usize = 2_000;

/// Which part of a log to read.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Cursor {
    /// Number of the last event that is known already; 0 or absent for all.
    cursor: Option<u64>,
    /// At most this many; 500 if absent, 2,000 at most.
    limit: Option<usize>,
}

/// Makes a session.
#[utoipa::path(
    post, path = "/api/sessions", operation_id = "create_session", tag = "sessions",
    request_body = SessionRequest,
    responses((status = 201, description = "The session", body = SessionInfo))
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    BodyOrDefault(request): BodyOrDefault<SessionRequest>,
) -> Answer<impl IntoResponse> {
    let session = api.hub.create_session(&caller, request.name, &request.nodes).await?;
    // Relative, so that it is right below any path prefix.
    let place = format!("sessions/{}", session.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(session_info(&session))))
}

/// Lists sessions, newest first.
#[utoipa::path(
    get, path = "/api/sessions", operation_id = "list_sessions", tag = "sessions",
    responses((status = 200, description = "All sessions that the caller may see", body = Page<SessionInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Answer<Json<Page<SessionInfo>>> {
    let sessions = api.hub.sessions(&caller).await?;
    Ok(Json(Page { items: sessions.iter().map(session_info).collect(), next_cursor: None }))
}

/// Shows a session.
#[utoipa::path(
    get, path = "/api/sessions/{id}", operation_id = "get_session", tag = "sessions",
    params(("id" = String, Path, description = "`ses_…`, or `default` for the caller's own")),
    responses((status = 200, description = "The session", body = SessionInfo))
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(key): InPath<String>,
) -> Answer<Json<SessionInfo>> {
    Ok(Json(session_info(&api.hub.session(&caller, &key).await?)))
}

/// Closes a session. Its log stays readable, running tasks finish.
#[utoipa::path(
    delete, path = "/api/sessions/{id}", operation_id = "close_session", tag = "sessions",
    params(("id" = String, Path, description = "`ses_…`, or `default` for the caller's own")),
    responses((status = 200, description = "The session as it now is", body = SessionInfo))
)]
pub(super) async fn close(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(key): InPath<String>,
) -> Answer<Json<SessionInfo>> {
    Ok(Json(session_info(&api.hub.close_session(&caller, &key).await?)))
}

/// Attaches a node; one that is attached stays so.
#[utoipa::path(
    put, path = "/api/sessions/{id}/nodes/{node}", operation_id = "attach_node", tag = "sessions",
    params(
        ("id" = String, Path, description = "`ses_…`, or `default` for the caller's own"),
        ("node" = String, Path, description = "`nod_…`, or its name"),
    ),
    responses((status = 200, description = "The session as it now is", body = SessionInfo))
)]
pub(super) async fn attach(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath((key, node)): InPath<(String, String)>,
) -> Answer<Json<SessionInfo>> {
    Ok(Json(session_info(&api.hub.attach(&caller, &key, &node).await?)))
}

/// Detaches a node. Its running tasks finish.
#[utoipa::path(
    delete, path = "/api/sessions/{id}/nodes/{node}", operation_id = "detach_node", tag = "sessions",
    params(
        ("id" = String, Path, description = "`ses_…`, or `default` for the caller's own"),
        ("node" = String, Path, description = "`nod_…`, or its name"),
    ),
    responses((status = 200, description = "The session as it now is", body = SessionInfo))
)]
pub(super) async fn detach(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath((key, node)): InPath<(String, String)>,
) -> Answer<Json<SessionInfo>> {
    Ok(Json(session_info(&api.hub.detach(&caller, &key, &node).await?)))
}

/// Reads a session's log: a page as JSON, or all of it and what follows as server-sent events.
///
/// As events (`Accept: text/event-stream`), `id` is the event's number and `event` its type;
/// `Last-Event-ID` resumes after it.
#[utoipa::path(
    get, path = "/api/sessions/{id}/events", operation_id = "read_session_events", tag = "sessions",
    params(
        ("id" = String, Path, description = "`ses_…`, or `default` for the caller's own"),
        Cursor,
        ("Last-Event-ID" = Option<u64>, Header, description = "Resumes a stream; wins over `cursor`"),
    ),
    responses((status = 200, description = "Events in the log's order", content(
        (Page<EventInfo> = "application/json"),
        (String = "text/event-stream"),
    )))
)]
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(key): InPath<String>,
    Params(params): Params<Cursor>,
    wish: sse::Wish,
) -> Answer<Response> {
    let resumed = wish.last_event_id.as_deref().filter(|_| wish.is_stream);
    let after = match resumed {
        Some(text) => text.trim().parse().map_err(|_| {
            Failure::invalid("last_event_id", "Last-Event-ID must be the number of an event")
        })?,
        None => params.cursor.unwrap_or(0),
    };
    let mut reader = api.hub.log(&caller, &key, Seq(after)).await?;
    if wish.is_stream {
        return Ok(sse::response(follow(reader, wish.request), caller.over(&api)));
    }
    let limit = params.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let frames = reader.ready_batch(limit).await?;
    let items: Vec<_> =
        frames.iter().map(|frame| event_info(frame.session, &frame.entry)).collect();
    // A full page may be the last one: the next is then empty and says so.
    let next_cursor =
        (items.len() == limit).then(|| items.last().map(|last| last.seq.to_string())).flatten();
    Ok(Json(Page { items, next_cursor }).into_response())
}

fn follow(reader: LogReader, request: RequestId) -> impl Stream<Item = Bytes> + Send {
    futures::stream::unfold((Some(reader), request), |(reader, request)| async move {
        let mut reader = reader?;
        match reader.next_batch(BATCH).await {
            Ok(Some(frames)) => {
                let mut texts = frames.iter().map(|frame| frame.encoded(to_sse));
                let first = texts.next().unwrap_or_default();
                let rest: Vec<_> = texts.collect();
                let bytes = if rest.is_empty() { first } else { joined(&first, &rest) };
                Some((bytes, (Some(reader), request)))
            }
            Ok(None) => None,
            Err(error) => Some((sse::failure(&error.into(), &request.0), (None, request))),
        }
    })
}

fn joined(first: &Bytes, rest: &[Bytes]) -> Bytes {
    let mut all = Vec::with_capacity(first.len() + rest.iter().map(Bytes::len).sum::<usize>());
    all.extend_from_slice(first);
    for text in rest {
        all.extend_from_slice(text);
    }
    all.into()
}
