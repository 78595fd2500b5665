//! A task's output: bytes by offset, or events as they come.

mod bytes;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
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
use super::frames::Frames;
use super::guard::Caller;
use super::sse;
use super::tasks::read_id;
use crate::hub::Follow;
use crate::hub::OutputCursor;
use crate::hub::OutputFollower;

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
    /// As bytes: goes on with what comes until the task has ended. A reader that falls so far behind
    /// that what it would read next is left out loses the connection.
    #[serde(default)]
    follow: bool,
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
        let events = follow(&api, follower, wish.request);
        return Ok(sse::response(events, caller.over(&api)));
    }
    bytes::answer(api, caller, id, &range).await
}

/// The events of a task's output to its end.
pub(super) fn follow(
    api: &Arc<Api>,
    follower: OutputFollower,
    request: RequestId,
) -> impl futures::Stream<Item = Bytes> + Send + use<> {
    let frames = Arc::clone(&api.frames);
    futures::stream::unfold((Some(follower), request), move |(follower, request)| {
        let frames = Arc::clone(&frames);
        async move { next_event(&frames, follower?, request).await }
    })
}

async fn next_event(
    frames: &Frames,
    mut follower: OutputFollower,
    request: RequestId,
) -> Option<(Bytes, (Option<OutputFollower>, RequestId))> {
    match follower.next().await {
        Ok(Some(Follow::Output { stream, offset, data, cursor })) => {
            let encode = || output_event(stream, offset, &data, cursor);
            let bytes = match follower.is_crowded() {
                true => frames.encoded((follower.task(), stream, offset, cursor), encode),
                false => encode(),
            };
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
    /// Which stream.
    fn stream(&self) -> Answer<Stream> {
        match self.stream.as_deref() {
            None | Some("stdout") => Ok(Stream::Stdout),
            Some("stderr") => Ok(Stream::Stderr),
            Some(other) => {
                let message = format!("stream: \"{other}\" is neither \"stdout\" nor \"stderr\"");
                Err(Failure::invalid("stream", message))
            }
        }
    }

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
