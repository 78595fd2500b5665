//! A terminal over the hub's WebSocket, as a program uses it.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use bytes::Bytes;
use cortex_proto::json::TerminalEvent;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::WebSocket;
use tokio_tungstenite::tungstenite::client;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::echo::Typist;
use crate::rest::Api;

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection, read and written by one thread.
pub(crate) struct Socket {
    wire: WebSocket<TcpStream>,
}

impl Socket {
    /// Joins a terminal at its start: all that it ever shows comes.
    pub(crate) fn join(api: &Api, task: &str, types: bool) -> Result<Self> {
        let mode = if types { "type" } else { "watch" };
        let address = api.address();
        let url = format!("ws://{address}/api/tasks/{task}/terminal?mode={mode}&offset=0&all=true");
        let mut request = url.into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {}", api.token()).parse()?);
        headers.insert("sec-websocket-protocol", "cortex.v1".parse()?);
        let stream = TcpStream::connect(address).context("cannot connect to the hub")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (wire, _) = client(request, stream).context("cannot join the terminal")?;
        Ok(Self { wire })
    }

    /// Waits for what is shown next; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.wire.read()? {
                Message::Binary(data) => return Ok(Some(data)),
                Message::Text(text) => match serde_json::from_str(&text)? {
                    TerminalEvent::Exit { .. } => return Ok(None),
                    TerminalEvent::Problem { problem } => bail!("{problem:?}"),
                    _ => {}
                },
                Message::Close(_) => bail!("the hub ended the connection"),
                _ => {}
            }
        }
    }
}

impl Typist for Socket {
    fn send(&mut self, keys: &[u8]) -> Result<()> {
        Ok(self.wire.send(Message::Binary(Bytes::copy_from_slice(keys)))?)
    }

    fn shown(&mut self) -> Result<Vec<u8>> {
        let shown = self.next()?.context("the program has ended")?;
        Ok(shown.to_vec())
    }
}
