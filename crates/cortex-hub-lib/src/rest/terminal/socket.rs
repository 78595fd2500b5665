//! One WebSocket of one terminal, from its first message to its last.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::CloseFrame;
use axum::extract::ws::Message;
use axum::extract::ws::Utf8Bytes;
use axum::extract::ws::WebSocket;
use axum::extract::ws::close_code;
use cortex_core::id::TaskId;
use cortex_core::task::Input;
use cortex_core::task::Window;
use cortex_proto::json::TerminalEvent;
use cortex_proto::json::TerminalRequest;
use futures::SinkExt as _;
use futures::StreamExt as _;
use futures::stream::SplitSink;
use futures::stream::SplitStream;
use tokio::time::timeout;

use super::super::Api;
use super::super::convert::task_info;
use super::super::edge::RequestId;
use super::super::failure::Failure;
use super::super::guard::Caller;
use super::super::sse::KEEP_ALIVE;
use crate::hub::Attached;
use crate::hub::Keyboard;
use crate::hub::TerminalReader;
use crate::hub::TerminalStep;

/// Bytes that a reader may be behind before it gets the screen instead of them.
const MOST_BEHIND: u64 = 1 << 20;

/// How long a client has to take the last message.
const FAREWELL: Duration = Duration::from_secs(1);

type Sink = SplitSink<WebSocket, Message>;

/// What a terminal's WebSocket is about.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) api: Arc<Api>,
    pub(super) caller: Caller,
    pub(super) task: TaskId,
    /// Nothing for those who only watch.
    pub(super) keyboard: Option<Keyboard>,
    /// Never skips what was missed.
    pub(super) all: bool,
    pub(super) request: RequestId,
}

/// Where a client begins to read.
#[derive(Debug)]
pub(super) enum Start {
    /// With the screen.
    Screen(Box<Attached>),
    /// Behind what it has shown.
    Offset(TerminalReader),
}

/// Why a WebSocket ends.
enum End {
    /// The client is gone, or takes nothing any more.
    Gone,
    /// The program has ended, and the client was told.
    Done,
    /// The hub shuts down, or the client's credential is no longer good.
    Over,
    /// Something is wrong.
    Wrong(Failure),
}

impl Socket {
    /// Serves it until one side ends it, or `over` is ready.
    pub(super) async fn serve(
        self,
        stream: WebSocket,
        start: Start,
        over: impl Future<Output = ()> + Send,
    ) {
        let (mut sink, incoming) = stream.split();
        let over = pin!(over);
        let end = tokio::select! {
            biased;
            () = over => End::Over,
            end = self.tell(&mut sink, start) => end,
            end = self.hear(incoming) => end,
        };
        let (code, reason) = match end {
            End::Gone => return,
            End::Done => (close_code::NORMAL, "the program has ended"),
            End::Over => (close_code::AWAY, "the hub shuts down, or the credential has ended"),
            End::Wrong(failure) => {
                let problem = failure.logged_problem(&self.request.0);
                let event = TerminalEvent::Problem { problem };
                let told = say(&mut sink, &event);
                // The close says as much as a client needs that does not take this.
                let _ = timeout(FAREWELL, told).await;
                (close_code::POLICY, "see the problem before this")
            }
        };
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // The connection ends with or without this.
        let _ = timeout(FAREWELL, sink.send(Message::Close(Some(frame)))).await;
    }

    /// Tells what the terminal shows, to its end.
    async fn tell(&self, sink: &mut Sink, start: Start) -> End {
        let begun = match start {
            Start::Screen(attached) => draw(sink, *attached).await,
            Start::Offset(reader) => resume(sink, reader).await,
        };
        let mut reader = match begun {
            Ok(reader) => reader,
            Err(end) => return end,
        };
        loop {
            if !self.all && reader.behind() > MOST_BEHIND {
                match self.draw_again(sink).await {
                    Ok(newer) => reader = newer,
                    Err(end) => return end,
                }
            }
            let told = match timeout(KEEP_ALIVE, reader.next()).await {
                Err(_) => send(sink, Message::Ping(Bytes::new())).await,
                Ok(Ok(Some(TerminalStep::Output(data)))) => send(sink, Message::Binary(data)).await,
                Ok(Ok(Some(TerminalStep::Cut))) => match self.draw_again(sink).await {
                    Ok(newer) => {
                        reader = newer;
                        Some(())
                    }
                    Err(end) => return end,
                },
                Ok(Ok(Some(TerminalStep::Size(window)))) => {
                    let (cols, rows) = (window.cols(), window.rows());
                    say(sink, &TerminalEvent::Size { cols, rows }).await
                }
                Ok(Ok(Some(TerminalStep::Ended(task)))) => {
                    let task = Box::new(task_info(&task));
                    let told = say(sink, &TerminalEvent::Exit { task }).await;
                    return told.map_or(End::Gone, |()| End::Done);
                }
                Ok(Ok(None)) => return End::Over,
                Ok(Err(error)) => return End::Wrong(error.into()),
            };
            if told.is_none() {
                return End::Gone;
            }
        }
    }

    /// Sends the screen as it is now, for a reader that cannot go on where it is.
    async fn draw_again(&self, sink: &mut Sink) -> Result<TerminalReader, End> {
        match self.api.hub.join_terminal(&self.caller, self.task).await {
            Ok(attached) => draw(sink, attached).await,
            Err(error) => Err(End::Wrong(error.into())),
        }
    }

    /// Takes what the client sends. While the task does not take it, nothing is read: the client
    /// has to wait.
    async fn hear(&self, mut incoming: SplitStream<WebSocket>) -> End {
        loop {
            let taken = match incoming.next().await {
                Some(Ok(Message::Binary(data))) => self.put(Input::Data(data)).await,
                Some(Ok(Message::Text(text))) => match read(&text) {
                    Ok(input) => self.put(input).await,
                    Err(failure) => Err(failure),
                },
                // Pings are answered below us.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
            };
            if let Err(failure) = taken {
                return End::Wrong(failure);
            }
        }
    }

    async fn put(&self, input: Input) -> Result<(), Failure> {
        let Some(keyboard) = &self.keyboard else {
            let message = "you only watch this terminal";
            return Err(Failure::invalid("read_only", message).with_hint("join it with mode=type"));
        };
        match keyboard.put(input).await {
            // Its end is told with the rest of its output.
            Err(error) if error.code() == "task_ended" => std::future::pending().await,
            put => Ok(put?),
        }
    }
}

/// Sends a screen; its reader goes on where it ends.
async fn draw(sink: &mut Sink, attached: Attached) -> Result<TerminalReader, End> {
    let Attached { window, offset, drawing, reader } = attached;
    let screen = TerminalEvent::Screen { cols: window.cols(), rows: window.rows(), offset };
    say(sink, &screen).await.ok_or(End::Gone)?;
    send(sink, Message::Binary(drawing)).await.ok_or(End::Gone)?;
    Ok(reader)
}

/// Says that what follows is what the client has not shown.
async fn resume(sink: &mut Sink, reader: TerminalReader) -> Result<TerminalReader, End> {
    let offset = reader.offset();
    say(sink, &TerminalEvent::Resume { offset }).await.ok_or(End::Gone)?;
    Ok(reader)
}

fn read(text: &str) -> Result<Input, Failure> {
    let request: TerminalRequest = serde_json::from_str(text)
        .map_err(|error| Failure::invalid("message", format!("no message: {error}")))?;
    match request {
        TerminalRequest::Resize { cols, rows } => Window::new(cols, rows)
            .map(Input::Resize)
            .map_err(|error| Failure::invalid("window", error.to_string())),
        TerminalRequest::Close => Ok(Input::Close),
    }
}

async fn say(sink: &mut Sink, event: &TerminalEvent) -> Option<()> {
    let text = serde_json::to_string(event).ok()?;
    send(sink, Message::Text(text.into())).await
}

/// Sends; nothing where the client takes nothing for so long that it is gone.
async fn send(sink: &mut Sink, message: Message) -> Option<()> {
    timeout(KEEP_ALIVE, sink.send(message)).await.ok()?.ok()
}
