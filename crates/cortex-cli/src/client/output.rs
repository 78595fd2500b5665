//! A task's output as it comes, byte for byte, over as many connections as it takes.

use bytes::Bytes;
use cortex_core::ErrorKind;
use cortex_proto::json::GapEvent;
use cortex_proto::json::OutputEvent;
use cortex_proto::json::TaskInfo;
use cortex_proto::json::Text;

use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::cursor::OutputCursor;
use crate::client::sse::Event;
use crate::client::stream::Item;
use crate::client::stream::Stream;
use crate::exit::Failure;
use crate::exit::Result;

/// Which of a task's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What happens to a task that is followed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Follow {
    /// It is there.
    Task(Box<TaskInfo>),
    /// It wrote something.
    Output {
        /// Where to.
        channel: Channel,
        /// How many bytes it had written there before.
        offset: u64,
        /// What; never empty.
        data: Bytes,
    },
    /// What it wrote there is left out, for the task's cap.
    Gap {
        /// Where it wrote to.
        channel: Channel,
        /// The first byte that is left out.
        from: u64,
        /// The first behind them that is there.
        to: u64,
    },
    /// It has ended; nothing comes after.
    End(Box<TaskInfo>),
    /// The connection was lost; reading goes on with a new one.
    Lost(String),
}

/// Follows one task.
#[derive(Debug)]
pub(crate) struct OutputReader {
    stream: Stream,
    cursor: OutputCursor,
}

impl Channel {
    /// The word of the API.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Channel::Stdout => "stdout",
            Channel::Stderr => "stderr",
        }
    }
}

impl OutputReader {
    /// Follows the task that `dispatch` submits; it must carry an idempotency key, so that
    /// repeating it is harmless.
    pub(crate) fn of_dispatch(client: Client, dispatch: Call) -> Self {
        Self { stream: Stream::new(client, dispatch, None), cursor: OutputCursor::default() }
    }

    /// Follows a task behind `since`.
    pub(crate) fn of_task(client: Client, id: &str, since: OutputCursor) -> Self {
        let last_id = (since != OutputCursor::default()).then(|| since.to_string());
        Self { stream: Stream::new(client, output_call(id), last_id), cursor: since }
    }

    /// How far it has come.
    pub(crate) fn cursor(&self) -> OutputCursor {
        self.cursor
    }

    /// The client that it reads with.
    pub(crate) fn client(&self) -> &Client {
        self.stream.client()
    }

    /// Returns what happens next.
    ///
    /// # Errors
    /// As [`Stream::next`]; a hub that leaves bytes out.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Follow> {
        loop {
            let event = match self.stream.next().await? {
                Item::Lost(reason) => return Ok(Follow::Lost(reason)),
                Item::Event(event) => event,
            };
            match event.name.as_str() {
                "task" => {
                    let task: TaskInfo = parse(&event)?;
                    self.stream.go_on_with(output_call(&task.id));
                    return Ok(Follow::Task(Box::new(task)));
                }
                "output" => {
                    if let Some(output) = self.take(parse(&event)?)? {
                        return Ok(output);
                    }
                }
                "gap" => {
                    if let Some(gap) = self.pass_over(&parse(&event)?) {
                        return Ok(gap);
                    }
                }
                "end" => return Ok(Follow::End(Box::new(parse(&event)?))),
                // What later hubs may add.
                _ => {}
            }
        }
    }

    /// Passes over what is left out and was not read before.
    fn pass_over(&mut self, event: &GapEvent) -> Option<Follow> {
        let (channel, had) = self.channel(&event.stream)?;
        let (from, to) = (*had, event.gap.to);
        if to <= from {
            return None;
        }
        *had = to;
        Some(Follow::Gap { channel, from, to })
    }

    /// One of the two streams, and how far it was read; nothing for one of a later hub.
    fn channel(&mut self, name: &str) -> Option<(Channel, &mut u64)> {
        match name {
            "stdout" => Some((Channel::Stdout, &mut self.cursor.stdout)),
            "stderr" => Some((Channel::Stderr, &mut self.cursor.stderr)),
            _ => None,
        }
    }

    /// Takes the bytes of a piece that were not there before.
    fn take(&mut self, piece: OutputEvent) -> Result<Option<Follow>> {
        let text = Text { data: piece.data, encoding: piece.encoding };
        let mut data =
            text.to_bytes().map(Bytes::from).ok_or_else(|| bad("output in an unknown encoding"))?;
        let Some((channel, had)) = self.channel(&piece.stream) else { return Ok(None) };
        let Some(known) = had.checked_sub(piece.offset) else {
            return Err(bad("a piece of the output is missing"));
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(data.len());
        data = data.slice(known..);
        if data.is_empty() {
            return Ok(None);
        }
        let offset = *had;
        *had += data.len() as u64;
        Ok(Some(Follow::Output { channel, offset, data }))
    }
}

fn output_call(id: &str) -> Call {
    Call::get(Route::new("/api/tasks").segment(id).segment("output"))
}

fn parse<T: serde::de::DeserializeOwned>(event: &Event) -> Result<T> {
    serde_json::from_slice(&event.data)
        .map_err(|error| bad(&format!("the event \"{}\": {error}", event.name)))
}

fn bad(what: &str) -> Failure {
    let message = format!("the hub does not answer as one of this version: {what}");
    Failure::new(ErrorKind::Internal, message).with_code("bad_answer")
}
