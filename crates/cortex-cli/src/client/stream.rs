//! Server-sent events that survive a lost connection: reopened behind the last event.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use cortex_proto::json::Problem;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::client::CallError;
use crate::client::Client;
use crate::client::call::Call;
use crate::client::connection::Connection;
use crate::client::connection::Lost;
use crate::client::retry;
use crate::client::retry::Retry;
use crate::client::sse::Event;
use crate::client::sse::Parser;
use crate::exit::Failure;
use crate::exit::Result;

/// The hub says that it is alive every 15 s; a stream silent for longer than this is dead.
const SILENCE_LIMIT: Duration = Duration::from_secs(40);

/// A stream of events. It has no end of its own: the reader knows which event is the last.
#[derive(Debug)]
pub(crate) struct Stream {
    client: Client,
    call: Call,
    last_id: Option<String>,
    open: Option<Open>,
    ready: VecDeque<Event>,
    retry: Retry,
    not_before: Option<Instant>,
    was_open: bool,
}

/// What comes out of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// An event.
    Event(Event),
    /// The connection was lost; the next item comes from a new one.
    Lost(String),
}

#[derive(Debug)]
struct Open {
    body: Incoming,
    parser: Parser,
    /// Moves the body's bytes as long as it lives.
    _connection: Option<Connection>,
}

impl Stream {
    /// Makes a stream of the events that answer `call`, behind the event `last_id`.
    ///
    /// `call` must be one that can be repeated: it is, when its answer is lost.
    pub(crate) fn new(client: Client, call: Call, last_id: Option<String>) -> Self {
        Self {
            client,
            call: call.into_events(),
            last_id,
            open: None,
            ready: VecDeque::new(),
            retry: Retry::default(),
            not_before: None,
            was_open: false,
        }
    }

    /// After the next lost connection, goes on with the answer to `call`.
    pub(crate) fn go_on_with(&mut self, call: Call) {
        self.call = call.into_events();
    }

    /// The client that it reads with.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the next item.
    ///
    /// # Errors
    /// The hub refuses the call; it cannot be reached at the beginning; or it was lost and not
    /// reached again for five minutes.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Item> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                match event.name.as_str() {
                    "problem" => self.end_with(&event)?,
                    _ => return Ok(Item::Event(event)),
                }
            }
            match &mut self.open {
                Some(open) => {
                    if let Err(reason) = read(open, &mut self.ready).await {
                        // Nothing waits any more, so this is the id of what was handed out last. A
                        // new connection's first events may have none: then the old one holds.
                        if let Some(id) = open.parser.last_id() {
                            self.last_id = Some(id.to_owned());
                        }
                        self.open = None;
                        let lost = CallError::Lost(Lost::Broken(reason.clone()));
                        self.pause_after(lost)?;
                        return Ok(Item::Lost(reason));
                    }
                    // Only what comes through shows that the hub is well.
                    self.retry.succeeded();
                }
                None => self.reopen().await?,
            }
        }
    }

    /// Takes the hub's last words on a stream: what may pass is waited out, the rest is told.
    fn end_with(&self, event: &Event) -> Result<()> {
        let problem = serde_json::from_slice::<Problem>(&event.data);
        match problem.map(Failure::of_problem) {
            Ok(failure) if !is_passing(&failure) => Err(failure),
            // The stream ends after this, and is opened again.
            _ => Ok(()),
        }
    }

    async fn reopen(&mut self) -> Result<()> {
        if let Some(at) = self.not_before {
            tokio::time::sleep_until(at.into()).await;
        }
        let mut call = self.call.clone();
        if let Some(id) = &self.last_id {
            call = call.header("last-event-id", id);
        }
        match self.client.send(&call).await {
            Ok(response) => {
                self.open = Some(Open {
                    body: response.into_body(),
                    parser: Parser::default(),
                    _connection: self.client.take_connection(),
                });
                self.was_open = true;
                Ok(())
            }
            Err(error) if self.was_open && may_pass(&error) => self.pause_after(error),
            Err(error) => Err(self.client.told(error)),
        }
    }

    /// Sets when the next try may be, or gives up with what went wrong.
    fn pause_after(&mut self, error: CallError) -> Result<()> {
        let now = Instant::now();
        match self.retry.failed(now, retry::random()) {
            Some(pause) => {
                self.not_before = Some(now + pause);
                Ok(())
            }
            None => Err(self.client.told(error)),
        }
    }
}

/// Reads until there is an event, or at least a sign of life.
async fn read(open: &mut Open, ready: &mut VecDeque<Event>) -> Result<(), String> {
    let frame = match tokio::time::timeout(SILENCE_LIMIT, open.body.frame()).await {
        Err(_) => return Err(format!("nothing came for {} s", SILENCE_LIMIT.as_secs())),
        Ok(None) => return Err("the hub ended the stream".to_owned()),
        Ok(Some(Err(error))) => return Err(error.to_string()),
        Ok(Some(Ok(frame))) => frame,
    };
    if let Some(data) = frame.data_ref() {
        let mut events = Vec::new();
        open.parser.feed(data, &mut events).map_err(|_| "an event was too long".to_owned())?;
        ready.extend(events);
    }
    Ok(())
}

/// Whether a later try may do better.
pub(crate) fn may_pass(error: &CallError) -> bool {
    match error {
        CallError::Lost(Lost::Connect(_) | Lost::Broken(_)) => true,
        CallError::Lost(Lost::Tls(_)) => false,
        CallError::Refused(failure) => is_passing(failure),
    }
}

fn is_passing(failure: &Failure) -> bool {
    matches!(failure.status(), 429 | 502 | 503 | 504)
}
