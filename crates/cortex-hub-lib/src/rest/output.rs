//! A task's output: bytes by offset, or events as they come.

use std::sync::Arc;

use axum::body::Body;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::header;
use axum::response::Response;
use cortex_core::Error;
use cortex_core::id::TaskId;
use cortex_core::task::Stream;
use cortex_proto::json::OutputEvent;
use cortex_proto::json::Text;
use serde::Deserialize;

use super::Api;
use super::convert::progress_info;
use super::convert::task_info;
use super::edge::RequestId;
use super::entry::stream_word;
use super::extract::InPath;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use super::sse;
use super::tasks::read_id;
use crate::hub::Follow;
use crate::hub::OutputCursor;
use crate::hub::OutputFollower;

/// Bytes that one read takes from the store.
const PIECE_BYTES: usize = 256 << 10;

const OFFSET: HeaderName = HeaderName::from_static("x-cortex-offset");
const STORED: HeaderName = HeaderName::from_static("x-cortex-stored");
const ENDED: HeaderName = HeaderName::from_static("x-cortex-ended");

/// Which part of the output to read.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Range {
    /// `stdout` or `stderr`; `stdout` if absent. Not used for events, which have both.
    stream: Option<String>,
    /// The first byte; 0 if absent.
    offset: Option<u64>,
    /// At most this many bytes; all that are stored if absent.
    limit: Option<u64>,
    /// Where to begin with events: `<stdout>-<stderr>` in bytes.
    cursor: Option<String>,
}

/// Bytes as they are.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only described, never made")]
pub(super) struct Octets(Vec<u8>);

/// Reads a task's output: stored bytes of one stream, or both as server-sent events to the end.
///
/// Bytes come with `X-Cortex-Offset` (where they begin), `X-Cortex-Stored` (how many are stored) and
/// `X-Cortex-Ended` (`true` if none will follow these). As events (`Accept: text/event-stream`):
/// `output` with its bytes and the `id` `<stdout>-<stderr>` to resume after it, `progress` when the task
/// says how far it has come, then `end` with the task.
#[utoipa::path(
    get, path = "/api/tasks/{id}/output", operation_id = "read_task_output", tag = "tasks",
    params(
        ("id" = String, Path, description = "`tsk_…`"),
        Range,
        ("Last-Event-ID" = Option<String>, Header, description = "Resumes a stream; wins over `cursor`"),
    ),
    responses((status = 200, description = "Bytes, or events", content(
        (Octets = "application/octet-stream"),
        (OutputEvent = "text/event-stream"),
    ), headers(
        ("X-Cortex-Offset" = u64, description = "Where the bytes begin"),
        ("X-Cortex-Stored" = u64, description = "Bytes of the stream that are stored by now"),
        ("X-Cortex-Ended" = bool, description = "Whether the task has ended, so that no more follow"),
    )))
)]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Params(range): Params<Range>,
    wish: sse::Wish,
) -> Answer<Response> {
    let id = read_id(&id)?;
    if wish.is_stream {
        let from = wish.last_event_id.as_deref().or(range.cursor.as_deref());
        let from = from.map(read_cursor).transpose()?.unwrap_or_default();
        let follower = api.hub.follow(&caller, id, from).await?;
        let events = follow(follower, wish.request);
        return Ok(sse::response(events, caller.over(&api)));
    }
    bytes(api, caller, id, &range).await
}

/// The events of a task's output to its end.
pub(super) fn follow(
    follower: OutputFollower,
    request: RequestId,
) -> impl futures::Stream<Item = Bytes> + Send {
    futures::stream::unfold((Some(follower), request), |(follower, request)| async move {
        let mut follower = follower?;
        match follower.next().await {
            Ok(Some(Follow::Output { stream, offset, data, cursor })) => {
                let bytes = output_event(stream, offset, &data, cursor);
                Some((bytes, (Some(follower), request)))
            }
            Ok(Some(Follow::Progress(progress))) => {
                let bytes = sse::event("progress", None, &progress_info(&progress));
                Some((bytes, (Some(follower), request)))
            }
            Ok(Some(Follow::Ended(task))) => {
                Some((sse::event("end", None, &task_info(&task)), (None, request)))
            }
            Ok(None) => None,
            Err(error) => Some((sse::failure(&error.into(), &request.0), (None, request))),
        }
    })
}

fn output_event(stream: Stream, offset: u64, data: &[u8], cursor: OutputCursor) -> Bytes {
    let Text { data, encoding } = Text::of(data);
    let event = OutputEvent { stream: stream_word(stream).to_owned(), offset, data, encoding };
    let id = format!("{}-{}", cursor.stdout, cursor.stderr);
    sse::event("output", Some(&id), &event)
}

async fn bytes(api: Arc<Api>, caller: Caller, id: TaskId, range: &Range) -> Answer<Response> {
    let stream = match range.stream.as_deref() {
        None | Some("stdout") => Stream::Stdout,
        Some("stderr") => Stream::Stderr,
        Some(other) => {
            let message = format!("stream: \"{other}\" is neither \"stdout\" nor \"stderr\"");
            return Err(Failure::invalid("stream", message));
        }
    };
    // First whether it has ended, then what is stored: an ended task gets no more output.
    let is_ended = api.hub.task(&caller, id).await?.state.is_end();
    let offset = range.offset.unwrap_or(0);
    let wanted = range.limit.unwrap_or(u64::MAX);
    let first = api.hub.output(&caller, id, stream, offset, piece(wanted)).await?;
    let stored = first.stored;
    let length = stored.saturating_sub(offset).min(wanted);
    let reader = Reader { api, caller, id, stream, offset, left: length, ready: Some(first.data) };
    let mut response = Response::new(Body::from_stream(reader.pieces()));
    let headers = response.headers_mut();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(OFFSET, HeaderValue::from(offset));
    headers.insert(STORED, HeaderValue::from(stored));
    let word = if is_ended { "true" } else { "false" };
    headers.insert(ENDED, HeaderValue::from_static(word));
    Ok(response)
}

/// Reads a range piece by piece, so that a large one is never in memory as a whole.
struct Reader {
    api: Arc<Api>,
    caller: Caller,
    id: TaskId,
    stream: Stream,
    offset: u64,
    left: u64,
    ready: Option<Bytes>,
}

impl Reader {
    fn pieces(self) -> impl futures::Stream<Item = Result<Bytes, Error>> + Send {
        futures::stream::try_unfold(self, |mut reader| async move {
            if reader.left == 0 {
                return Ok(None);
            }
            let mut data = match reader.ready.take() {
                Some(data) => data,
                None => reader.read().await?,
            };
            if data.is_empty() {
                // Shorter than announced: the connection breaks off, so nobody takes it for whole.
                return Err(Error::new(
                    cortex_core::ErrorKind::Internal,
                    "read output",
                    "stored output ended early",
                ));
            }
            data.truncate(piece(reader.left));
            reader.offset += data.len() as u64;
            reader.left -= data.len() as u64;
            Ok(Some((data, reader)))
        })
    }

    async fn read(&self) -> Result<Bytes, Error> {
        let hub = &self.api.hub;
        let limit = piece(self.left);
        let part = hub.output(&self.caller, self.id, self.stream, self.offset, limit).await?;
        Ok(part.data)
    }
}

fn piece(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES)
}

/// Reads `<stdout>-<stderr>`.
fn read_cursor(text: &str) -> Answer<OutputCursor> {
    let parse = |text: &str| text.parse::<u64>().ok();
    let read = text.trim().split_once('-').and_then(|(out, err)| Some((parse(out)?, parse(err)?)));
    match read {
        Some((stdout, stderr)) => Ok(OutputCursor { stdout, stderr }),
        None => Err(Failure::invalid(
            "cursor",
            "cursor: must be <stdout>-<stderr>, two numbers of bytes",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_two_numbers() {
        let cursor = OutputCursor { stdout: 12, stderr: 0 };
        assert_eq!(read_cursor("12-0").unwrap(), cursor);
        for bad in ["", "12", "12-", "-1-2", "1-2-3", "a-b"] {
            assert_eq!(read_cursor(bad).unwrap_err().problem("").code, "cursor", "{bad}");
        }
    }

    #[test]
    fn an_event_has_the_cursor_after_it() {
        let cursor = OutputCursor { stdout: 3, stderr: 9 };
        let text = output_event(Stream::Stdout, 1, b"ab", cursor);
        let expected = "id: 3-9\nevent: output\ndata: \
            {\"stream\":\"stdout\",\"offset\":1,\"data\":\"ab\",\"encoding\":\"utf8\"}\n\n";
        assert_eq!(text, expected);
    }
}
