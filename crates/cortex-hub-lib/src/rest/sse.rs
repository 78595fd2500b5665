//! Server-sent events: their text, and a response that stays alive and ends with the hub.

use std::convert::Infallible;
use std::fmt::Display;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use futures::Stream;
use serde::Serialize;
use tokio::time::Instant;
use tokio::time::Sleep;

use super::edge::RequestId;
use super::failure::Failure;

/// A silent stream says that it is alive this often.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The text of one event. `data` is written as JSON, which has no line breaks.
pub(super) fn event(name: &str, id: Option<&dyn Display>, data: &impl Serialize) -> Bytes {
    let mut text = Vec::with_capacity(256);
    push(&mut text, name, id, data);
    text.into()
}

/// Appends the text of one event.
pub(super) fn push(
    text: &mut Vec<u8>,
    name: &str,
    id: Option<&dyn Display>,
    data: &impl Serialize,
) {
    let mut head = String::with_capacity(64);
    if let Some(id) = id {
        // Writing to a String cannot fail.
        let _ = writeln!(head, "id: {id}");
    }
    let _ = write!(head, "event: {name}\ndata: ");
    text.extend_from_slice(head.as_bytes());
    let before = text.len();
    if serde_json::to_writer(&mut *text, data).is_err() {
        // Only a map with keys that are no texts fails, and our shapes have none.
        text.truncate(before);
        text.extend_from_slice(b"null");
    }
    text.extend_from_slice(b"\n\n");
}

/// The last event of a stream that fails on its way.
pub(super) fn failure(failure: &Failure, request_id: &str) -> Bytes {
    event("problem", None, &failure.logged_problem(request_id))
}

/// What a request says about events.
#[derive(Debug)]
pub(super) struct Wish {
    /// The client asks for events rather than for a document.
    pub(super) is_stream: bool,
    /// The id of the last event that a reconnecting client has seen.
    pub(super) last_event_id: Option<String>,
    /// The request's id, for what goes wrong on the way.
    pub(super) request: RequestId,
}

impl<S: Send + Sync> FromRequestParts<S> for Wish {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let last = parts.headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
        let request = parts.extensions.get::<RequestId>().cloned();
        Ok(Self {
            is_stream: is_wanted(&parts.headers),
            last_event_id: last.map(ToOwned::to_owned),
            request: request.unwrap_or_else(|| RequestId("".into())),
        })
    }
}

/// A response of events. It ends with `events`, or when `over` is ready.
pub(super) fn response(
    events: impl Stream<Item = Bytes> + Send + 'static,
    over: impl Future<Output = ()> + Send + 'static,
) -> Response {
    let now = Instant::now();
    let live = Live {
        events: Box::pin(events),
        last: now,
        tick: Box::pin(tokio::time::sleep_until(now + KEEP_ALIVE)),
        over: Box::pin(over),
    };
    let mut response = Response::new(Body::from_stream(live));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies of nginx's kind hold events back without this.
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

fn is_wanted(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|media| media.split(';').next().unwrap_or_default().trim() == EVENT_STREAM)
}

/// Events with a comment in between where they are silent.
struct Live {
    events: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    last: Instant,
    tick: Pin<Box<Sleep>>,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Stream for Live {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        match self.events.as_mut().poll_next(context) {
            Poll::Ready(Some(bytes)) => {
                self.last = Instant::now();
                return Poll::Ready(Some(Ok(bytes)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        // The timer is moved when it fires, not at each event: busy streams never touch it.
        while self.tick.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let is_silent = now.duration_since(self.last) >= KEEP_ALIVE;
            if is_silent {
                self.last = now;
            }
            let next = self.last + KEEP_ALIVE;
            self.tick.as_mut().reset(next);
            if is_silent {
                return Poll::Ready(Some(Ok(Bytes::from_static(b": keep-alive\n\n"))));
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures::StreamExt as _;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[test]
    fn an_event_is_one_line_of_data() {
        let data = serde_json::json!({"text": "a\nb"});
        let text = event("task.output", Some(&7), &data);
        assert_eq!(text, "id: 7\nevent: task.output\ndata: {\"text\":\"a\\nb\"}\n\n");
        assert_eq!(event("end", None, &1), "event: end\ndata: 1\n\n");
    }

    #[test]
    fn events_are_sent_to_who_accepts_them() {
        let accept = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(value));
            is_wanted(&headers)
        };
        assert!(accept("text/event-stream") && accept("application/json, text/event-stream;q=0.5"));
        assert!(!accept("*/*") && !accept("application/json") && !is_wanted(&HeaderMap::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_that_it_is_alive_and_ends_with_the_hub() {
        let shutdown = CancellationToken::new();
        let first = futures::stream::iter([Bytes::from_static(b"data: 1\n\n")]);
        let events = first.chain(futures::stream::pending());
        let response = response(events, shutdown.clone().cancelled_owned());
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut body = response.into_body().into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "data: 1\n\n");
        let start = Instant::now();
        assert_eq!(body.next().await.unwrap().unwrap(), ": keep-alive\n\n");
        assert_eq!(start.elapsed().as_secs(), KEEP_ALIVE.as_secs());
        assert_eq!(body.next().await.unwrap().unwrap(), ": keep-alive\n\n");
        shutdown.cancel();
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stream_that_ends_ends_the_response() {
        let events = futures::stream::iter([Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
        let response = response(events, std::future::pending());
        assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), "ab");
    }
}
