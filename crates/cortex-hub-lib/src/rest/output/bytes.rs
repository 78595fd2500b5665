//! Output as bytes: a range of what is stored, or all that comes until the task has ended.

use std::sync::Arc;

use axum::body::Body;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::header;
use axum::response::Response;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::id::TaskId;
use cortex_core::task::Stream;
use cortex_core::task::StreamTotals;
use futures::StreamExt as _;
use futures::TryStreamExt as _;

use super::Range;
use crate::hub::Follow;
use crate::hub::OutputCursor;
use crate::hub::OutputFollower;
use crate::rest::Api;
use crate::rest::failure::Answer;
use crate::rest::guard::Caller;

/// Bytes that one read takes from the store.
const PIECE_BYTES: usize = 512 << 10;

/// Pieces that are read before the reader asks for them, while it takes the ones before.
const AHEAD: usize = 2;

const OFFSET: HeaderName = HeaderName::from_static("x-cortex-offset");
const STORED: HeaderName = HeaderName::from_static("x-cortex-stored");
const GAP: HeaderName = HeaderName::from_static("x-cortex-gap");
const ENDED: HeaderName = HeaderName::from_static("x-cortex-ended");

/// Answers with bytes.
pub(super) async fn answer(
    api: Arc<Api>,
    caller: Caller,
    id: TaskId,
    range: &Range,
) -> Answer<Response> {
    let stream = range.stream()?;
    // First whether it has ended, then what is stored: an ended task gets no more output.
    let is_ended = api.hub.task(&caller, id).await?.state.is_end();
    let mut offset = range.begin(&api, &caller, id, stream).await?;
    let mut totals = api.hub.output(&caller, id, stream, offset, 0).await?.totals;
    if let Some(gap) = totals.gap_at(offset) {
        offset = gap.to;
        totals = api.hub.output(&caller, id, stream, offset, 0).await?.totals;
    }
    if range.follow {
        let from = match stream {
            Stream::Stdout => OutputCursor { stdout: offset, ..OutputCursor::default() },
            Stream::Stderr => OutputCursor { stderr: offset, ..OutputCursor::default() },
            Stream::Files => OutputCursor::default(),
        };
        let follower = api.hub.follow(&caller, id, from).await?.only(stream);
        let events = follow(follower, range.limit, caller.over(&api));
        let mut response = Response::new(Body::from_stream(events));
        describe(response.headers_mut(), offset, totals, is_ended);
        return Ok(response);
    }
    let length = totals.readable(offset).min(range.limit.unwrap_or(u64::MAX));
    let reader = Arc::new(Reader { api, caller, id, stream });
    let mut response = Response::new(Body::from_stream(reader.pieces(offset, length)));
    let headers = response.headers_mut();
    describe(headers, offset, totals, is_ended);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

fn describe(headers: &mut HeaderMap, offset: u64, totals: StreamTotals, is_ended: bool) {
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(OFFSET, HeaderValue::from(offset));
    headers.insert(STORED, HeaderValue::from(totals.arrived()));
    if let Some(gap) = totals.gap() {
        let words = HeaderValue::from_str(&format!("{}-{}", gap.from, gap.to));
        headers.insert(GAP, words.expect("digits are good in a header"));
    }
    let word = if is_ended { "true" } else { "false" };
    headers.insert(ENDED, HeaderValue::from_static(word));
}

/// What comes of one stream, to the task's end or until there were `limit` bytes. When `over` is
/// ready before that, it breaks off.
fn follow(
    follower: OutputFollower,
    limit: Option<u64>,
    over: impl Future<Output = ()> + Send,
) -> impl futures::Stream<Item = Result<Bytes, Error>> + Send {
    let state = (follower, limit.unwrap_or(u64::MAX), Box::pin(over));
    futures::stream::try_unfold(state, |(mut follower, left, mut over)| async move {
        if left == 0 {
            return Ok(None);
        }
        let step = tokio::select! {
            () = &mut over => None,
            step = next_bytes(&mut follower) => step?,
        };
        match step {
            Some(Follow::Output { mut data, .. }) => {
                data.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - data.len() as u64;
                Ok(Some((data, (follower, left, over))))
            }
            Some(Follow::Gap { .. }) => Err(left_out()),
            Some(Follow::Progress(_) | Follow::Ended(_)) => Ok(None),
            None => {
                let message = "the hub shuts down, or the credential has ended";
                Err(Error::new(ErrorKind::Unavailable, "read output", message))
            }
        }
    })
}

/// The next step that is not of the task's progress.
async fn next_bytes(follower: &mut OutputFollower) -> Result<Option<Follow>, Error> {
    loop {
        let step = follower.next().await?;
        if !matches!(step, Some(Follow::Progress(_))) {
            return Ok(step);
        }
    }
}

/// Reads a range piece by piece, so that a large one is never in memory as a whole.
struct Reader {
    api: Arc<Api>,
    caller: Caller,
    id: TaskId,
    stream: Stream,
}

impl Reader {
    fn pieces(
        self: Arc<Self>,
        offset: u64,
        length: u64,
    ) -> impl futures::Stream<Item = Result<Bytes, Error>> + Send {
        let end = offset + length;
        let pieces = (offset..end).step_by(PIECE_BYTES).map(move |at| {
            let len = usize::try_from(end - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
            Arc::clone(&self).piece(at, len)
        });
        futures::stream::iter(pieces).buffered(AHEAD).try_flatten()
    }

    /// Reads exactly these bytes, in as many parts as the store makes of them.
    async fn piece(
        self: Arc<Self>,
        offset: u64,
        len: usize,
    ) -> Result<impl futures::Stream<Item = Result<Bytes, Error>> + Send, Error> {
        let (mut parts, mut read) = (Vec::with_capacity(1), 0);
        while read < len {
            let (hub, at) = (&self.api.hub, offset + read as u64);
            let part = hub.output(&self.caller, self.id, self.stream, at, len - read).await?;
            if part.data.is_empty() {
                // The connection breaks off, so nobody takes what is shorter for whole.
                return Err(left_out());
            }
            read += part.data.len();
            parts.push(Ok(part.data));
        }
        Ok(futures::stream::iter(parts))
    }
}

fn left_out() -> Error {
    let message = "what was to be read is left out by now, for the task's cap";
    Error::new(ErrorKind::Precondition, "read output", message).with_code("output_left_out")
}
