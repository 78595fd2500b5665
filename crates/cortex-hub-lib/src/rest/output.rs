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
use cortex_core::task::Gap;
use cortex_core::task::Stream;
use cortex_proto::json::GapEvent;
use cortex_proto::json::OutputEvent;
use cortex_proto::json::Text;
use serde::Deserialize;

use super::Api;
use super::convert::gap_info;
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
const GAP: HeaderName = HeaderName::from_static("x-cortex-gap");
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
    /// Begins so many bytes before the end, in place of `offset` or `cursor`.
    tail: Option<u64>,
    /// Begins so many lines before the end; at most 64 MiB before it.
    tail_lines: Option<u32>,
}

/// Bytes as they are.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only described, never made")]
pub(super) struct Octets(Vec<u8>);

/// Reads a task's output: stored bytes of one stream, or both as server-sent events to the end.
///
/// Bytes come with `X-Cortex-Offset` (where they begin), `X-Cortex-Stored` (where the stream ends by
/// now) and `X-Cortex-Ended` (`true` if none will follow these). Of a task with more output than is
/// kept, `X-Cortex-Gap` (`<from>-<to>`) says what is left out: bytes from before it end there, and a
/// read that would begin in it begins behind it. As events (`Accept: text/event-stream`): `output`
/// with its bytes and the `id` `<stdout>-<stderr>` to resume after it, `gap` where some are left out,
/// `progress` when the task says how far it has come, then `end` with the task.
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
        ("X-Cortex-Stored" = u64, description = "Where the stream ends by now"),
        ("X-Cortex-Gap" = String, description = "What is left out of the stream, `<from>-<to>`; if anything is"),
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
        let from = match wish.last_event_id.as_deref().or(range.cursor.as_deref()) {
            Some(from) => read_cursor(from)?,
            None => OutputCursor {
                stdout: range.begin(&api, &caller, id, Stream::Stdout).await?,
                stderr: range.begin(&api, &caller, id, Stream::Stderr).await?,
            },
        };
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
            Ok(Some(Follow::Gap { stream, gap, cursor })) => {
                Some((gap_event(stream, gap, cursor), (Some(follower), request)))
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
    sse::event("output", Some(&id_of(cursor)), &event)
}

fn gap_event(stream: Stream, gap: Gap, cursor: OutputCursor) -> Bytes {
    let event = GapEvent { stream: stream_word(stream).to_owned(), gap: gap_info(gap) };
    sse::event("gap", Some(&id_of(cursor)), &event)
}

fn id_of(cursor: OutputCursor) -> String {
    format!("{}-{}", cursor.stdout, cursor.stderr)
}

impl Range {
    /// Where to begin in a stream.
    async fn begin(&self, api: &Api, who: &Caller, id: TaskId, stream: Stream) -> Answer<u64> {
        let given = [
            self.offset.is_some() || self.cursor.is_some(),
            self.tail.is_some(),
            self.tail_lines.is_some(),
        ];
        if given.into_iter().filter(|is_given| *is_given).count() > 1 {
            let message = "tail: give one of \"offset\", \"cursor\", \"tail\" and \"tail_lines\"";
            return Err(Failure::invalid("tail", message));
        }
        Ok(match (self.tail, self.tail_lines) {
            (Some(most), _) => api.hub.task(who, id).await?.output.of(stream).last(most),
            (None, Some(lines)) => api.hub.last_lines(who, id, stream, lines).await?,
            (None, None) => self.offset.unwrap_or(0),
        })
    }
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
    let mut offset = range.begin(&api, &caller, id, stream).await?;
    let wanted = range.limit.unwrap_or(u64::MAX);
    let mut first = api.hub.output(&caller, id, stream, offset, piece(wanted)).await?;
    if let Some(gap) = first.totals.gap_at(offset) {
        offset = gap.to;
        first = api.hub.output(&caller, id, stream, offset, piece(wanted)).await?;
    }
    let totals = first.totals;
    let length = totals.readable(offset).min(wanted);
    let reader = Reader { api, caller, id, stream, offset, left: length, ready: Some(first.data) };
    let mut response = Response::new(Body::from_stream(reader.pieces()));
    let headers = response.headers_mut();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(OFFSET, HeaderValue::from(offset));
    headers.insert(STORED, HeaderValue::from(totals.arrived()));
    if let Some(gap) = totals.gap() {
        let words = HeaderValue::from_str(&format!("{}-{}", gap.from, gap.to));
        headers.insert(GAP, words.expect("digits are good in a header"));
    }
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
                    "what was to be read is left out by now, for the task's cap",
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
