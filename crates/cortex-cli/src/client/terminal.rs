//! A terminal's WebSocket: an upgraded connection of a client.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cortex_core::ErrorKind;
use cortex_proto::json::TerminalEvent;
use cortex_proto::json::TerminalRequest;
use futures::SinkExt as _;
use futures::StreamExt as _;
use futures::stream::SplitSink;
use futures::stream::SplitStream;
use http::StatusCode;
use http::header;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::client::CallError;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::connection::Lost;
use crate::exit::Failure;

/// A hub that says nothing for so long is gone; it pings more often.
const SILENCE_LIMIT: Duration = Duration::from_secs(45);

/// How a terminal is joined.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Join {
    /// Types, too.
    pub(crate) types: bool,
    /// Bytes that were shown already; the screen if absent.
    pub(crate) offset: Option<u64>,
}

/// What comes from a terminal.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Bytes to show.
    Bytes(Bytes),
    /// Something about it.
    Event(TerminalEvent),
}

/// A terminal that was joined.
#[derive(Debug)]
pub(crate) struct Wire {
    /// What comes from it.
    pub(crate) display: Display,
    /// What goes to it.
    pub(crate) keyboard: Keyboard,
}

/// What comes from a terminal.
#[derive(Debug)]
pub(crate) struct Display {
    stream: SplitStream<WebSocketStream<TokioIo<Upgraded>>>,
}

/// What goes to a terminal; what waits for the connection is kept in order.
#[derive(Debug)]
pub(crate) struct Keyboard {
    sink: SplitSink<WebSocketStream<TokioIo<Upgraded>>, Message>,
    waiting: VecDeque<Message>,
    is_flushed: bool,
}

impl Client {
    /// Joins a terminal.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn join(&mut self, task: &str, join: Join) -> Result<Wire, CallError> {
        let key = STANDARD.encode(uuid::Uuid::new_v4().as_bytes());
        let route = Route::new("/api/tasks").segment(task).segment("terminal");
        let route = route.query("mode", if join.types { "type" } else { "watch" });
        let call = Call::get(route.maybe("offset", join.offset))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-protocol", "cortex.v1")
            .header("sec-websocket-key", &key);
        let response = self.send(&call).await?;
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        let is_accepted = accepted
            .is_some_and(|value| value.as_bytes() == derive_accept_key(key.as_bytes()).as_bytes());
        if response.status() != StatusCode::SWITCHING_PROTOCOLS || !is_accepted {
            let message = format!("{} opens no WebSocket", self.hub());
            return Err(CallError::Refused(
                Failure::new(ErrorKind::Internal, message)
                    .or_hint("a proxy in front of the hub may have to be told to pass them on"),
            ));
        }
        let upgraded =
            hyper::upgrade::on(response).await.map_err(|error| Lost::Broken(error.to_string()))?;
        // The connection is the terminal's now.
        drop(self.take_connection());
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
        let (sink, stream) = socket.split();
        Ok(Wire {
            display: Display { stream },
            keyboard: Keyboard { sink, waiting: VecDeque::new(), is_flushed: true },
        })
    }
}

impl Display {
    /// Waits for what comes next.
    ///
    /// # Errors
    /// Why nothing comes any more, in words.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Seen, String> {
        loop {
            let message = match timeout(SILENCE_LIMIT, self.stream.next()).await {
                Err(_) => return Err(format!("nothing came for {} s", SILENCE_LIMIT.as_secs())),
                Ok(None) => return Err("the hub ended the connection".to_owned()),
                Ok(Some(Err(error))) => return Err(error.to_string()),
                Ok(Some(Ok(message))) => message,
            };
            match message {
                Message::Binary(data) => return Ok(Seen::Bytes(data)),
                Message::Text(text) => match serde_json::from_str(&text) {
                    Ok(event) => return Ok(Seen::Event(event)),
                    // Of a newer hub.
                    Err(error) => tracing::debug!(%error, "an unknown message"),
                },
                Message::Close(frame) => {
                    return Err(match frame {
                        Some(frame) if !frame.reason.is_empty() => frame.reason.to_string(),
                        _ => "the hub ended the connection".to_owned(),
                    });
                }
                _ => {}
            }
        }
    }
}

impl Keyboard {
    /// Bytes that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.iter().map(Message::len).sum()
    }

    /// Types bytes.
    pub(crate) fn keys(&mut self, keys: Vec<u8>) {
        if !keys.is_empty() {
            self.waiting.push_back(Message::Binary(keys.into()));
        }
    }

    /// Asks for something.
    pub(crate) fn ask(&mut self, request: TerminalRequest) {
        // These shapes can always be written.
        let text = serde_json::to_string(&request).unwrap_or_default();
        self.waiting.push_back(Message::Text(text.into()));
    }

    /// Sends what waits, and then waits for ever.
    ///
    /// # Errors
    /// Why the connection takes nothing any more, in words.
    ///
    /// # Cancel safety
    /// Nothing is lost or sent twice where the future is dropped.
    pub(crate) async fn send(&mut self) -> Result<std::convert::Infallible, String> {
        let broken = |error: tokio_tungstenite::tungstenite::Error| error.to_string();
        while !self.waiting.is_empty() {
            poll_fn(|cx| self.sink.poll_ready_unpin(cx)).await.map_err(broken)?;
            if let Some(message) = self.waiting.pop_front() {
                self.is_flushed = false;
                self.sink.start_send_unpin(message).map_err(broken)?;
            }
        }
        if !self.is_flushed {
            self.sink.flush().await.map_err(broken)?;
            self.is_flushed = true;
        }
        std::future::pending().await
    }

    /// Says goodbye, if the connection still takes it.
    pub(crate) async fn close(&mut self) {
        // The hub sees the end of the connection in any case.
        let _ = timeout(Duration::from_millis(200), self.sink.close()).await;
    }
}
