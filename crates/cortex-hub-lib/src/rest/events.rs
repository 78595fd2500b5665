//! The hub's changes as they happen: as server-sent events, or over a WebSocket.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::extract::State;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::CloseFrame;
use axum::extract::ws::Message;
use axum::extract::ws::Utf8Bytes;
use axum::extract::ws::WebSocket;
use axum::extract::ws::close_code;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use cortex_proto::json::HubEvent;
use futures::SinkExt as _;
use futures::StreamExt as _;
use futures::stream::SplitSink;
use serde::Deserialize;
use tokio::time::timeout;

use super::Api;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use super::ring::Piece;
use super::ring::Reader;
use super::sse;

/// The WebSocket protocol that is spoken; the token's protocol is never echoed.
pub(super) const PROTOCOL: &str = "cortex.v1";

/// What a client may send: it only answers pings.
const MAX_INCOMING: usize = 4 << 10;

/// Where to resume.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Resume {
    /// The id of the last event that is known already; from now on if absent.
    cursor: Option<String>,
}

/// A WebSocket, if the request asks for one.
pub(super) struct Upgrade(pub(super) Option<Result<WebSocketUpgrade, Failure>>);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        if !is_upgrade(parts) {
            return Ok(Self(None));
        }
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
        Ok(Self(Some(
            upgrade
                .map_err(|error| Failure::of_http(error.status(), "websocket", error.body_text())),
        )))
    }
}

/// Follows changes of nodes and tasks: `node.status`, `task.state`, and `reset` where some were lost.
///
/// As server-sent events, or over a WebSocket with the subprotocol `cortex.v1`, one JSON document a
/// message. Browsers give the token as a second subprotocol, `cortex.bearer.<token in base64url>`.
/// Nothing is replayed except after `Last-Event-ID`; read lists first, or after a `reset`.
#[utoipa::path(
    get, path = "/api/events", operation_id = "follow_changes", tag = "events",
    params(
        Resume,
        ("Last-Event-ID" = Option<String>, Header, description = "Resumes a stream; wins over `cursor`"),
    ),
    responses(
        (status = 200, description = "Events", body = HubEvent, content_type = "text/event-stream"),
        (status = 101, description = "The WebSocket is open"),
    )
)]
pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(resume): Params<Resume>,
    wish: sse::Wish,
    Upgrade(upgrade): Upgrade,
) -> Answer<Response> {
    let last = wish.last_event_id.as_deref().or(resume.cursor.as_deref());
    let reader = api.ring.read(&api.hub, &caller, last);
    match upgrade {
        None => {
            let over = caller.over(&api);
            Ok(sse::response(events(api, reader), over))
        }
        Some(upgrade) => {
            let upgrade = upgrade?.protocols([PROTOCOL]).max_message_size(MAX_INCOMING);
            let over = caller.over(&api);
            Ok(upgrade.on_upgrade(move |socket| serve(reader, socket, over)))
        }
    }
}

fn events(api: Arc<Api>, reader: Reader) -> impl futures::Stream<Item = Bytes> + Send {
    // An id without data sets where to resume and is no event: a client that is cut off before the
    // first change misses none.
    let hello = Bytes::from(format!(": hello\nid: {}\n\n", reader.id()));
    let hello = futures::stream::once(std::future::ready(hello));
    hello.chain(futures::stream::unfold((api, reader), |(api, mut reader)| async move {
        let piece = reader.next().await?;
        Some((text_of(&api, &piece), (api, reader)))
    }))
}

fn text_of(api: &Api, piece: &Piece) -> Bytes {
    let id = api.ring.id_of(piece.position);
    let head = format!("id: {id}\nevent: {}\ndata: ", piece.name);
    let mut text = Vec::with_capacity(head.len() + piece.json.len() + 2);
    text.extend_from_slice(head.as_bytes());
    text.extend_from_slice(&piece.json);
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// Sends changes until the client goes away, or `over` is ready.
async fn serve(mut reader: Reader, socket: WebSocket, over: impl Future<Output = ()> + Send) {
    let mut over = pin!(over);
    let (mut sink, mut incoming) = socket.split();
    loop {
        let message = tokio::select! {
            () = &mut over => break,
            piece = timeout(sse::KEEP_ALIVE, reader.next()) => match piece {
                Ok(Some(piece)) => message_of(&piece),
                Ok(None) => break,
                Err(_) => Message::Ping(Bytes::new()),
            },
            // Pings are answered below us; anything else that comes is left unread.
            received = incoming.next() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        // A client that takes nothing for so long is gone.
        if !matches!(timeout(sse::KEEP_ALIVE, sink.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
    say_goodbye(&mut sink).await;
}

async fn say_goodbye(sink: &mut SplitSink<WebSocket, Message>) {
    let frame = CloseFrame {
        code: close_code::AWAY,
        reason: Utf8Bytes::from_static("the hub shuts down, or the credential has ended"),
    };
    // The connection ends with or without this.
    let _ =
        timeout(std::time::Duration::from_secs(1), sink.send(Message::Close(Some(frame)))).await;
}

fn message_of(piece: &Piece) -> Message {
    // serde_json writes UTF-8.
    match Utf8Bytes::try_from(piece.json.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(piece.json.clone()),
    }
}

fn is_upgrade(parts: &Parts) -> bool {
    let upgrade = parts.headers.get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
