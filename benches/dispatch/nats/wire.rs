//! The little of the NATS client protocol that a benchmark needs.

use std::net::SocketAddr;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use bytes::Buf as _;
use bytes::Bytes;
use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

/// Frames that may wait to be written; who writes more waits.
const QUEUE: usize = 256;

const HELLO: &[u8] =
    b"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\"version\":\"0\"}\r\nPING\r\n";

/// What the server sends.
#[derive(Debug)]
pub(super) enum Frame {
    /// Asks for a sign of life.
    Ping,
    /// Gives a sign of life: all that was sent before has been taken.
    Pong,
    /// A message for one of the subscriptions.
    Message(Message),
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    /// What it was published to.
    pub(super) subject: String,
    /// Where an answer goes.
    pub(super) reply: Option<String>,
    /// The bytes.
    pub(super) payload: Bytes,
}

/// The receiving half of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    stream: OwnedReadHalf,
    buffer: BytesMut,
}

/// Connects; what is put into the sender goes out as it is.
///
/// The second future writes; it ends when all senders are gone or the connection breaks.
pub(super) async fn connect(
    address: SocketAddr,
) -> Result<(Reader, mpsc::Sender<Bytes>, impl Future<Output = ()> + Send)> {
    let stream = TcpStream::connect(address).await.context("cannot connect to nats-server")?;
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut reader = Reader { stream: read, buffer: BytesMut::with_capacity(64 << 10) };
    write.write_all(HELLO).await?;
    match reader.next().await? {
        Frame::Pong => {}
        other => bail!("nats-server greeted with {other:?}"),
    }
    let (sender, frames) = mpsc::channel(QUEUE);
    Ok((reader, sender, write_all(write, frames)))
}

/// The frame that publishes a message.
pub(super) fn publish(subject: &str, reply: Option<&str>, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(subject.len() + payload.len() + 64);
    frame.extend_from_slice(b"PUB ");
    frame.extend_from_slice(subject.as_bytes());
    if let Some(reply) = reply {
        frame.push(b' ');
        frame.extend_from_slice(reply.as_bytes());
    }
    frame.extend_from_slice(format!(" {}\r\n", payload.len()).as_bytes());
    frame.extend_from_slice(payload);
    frame.extend_from_slice(b"\r\n");
    frame.into()
}

/// Writes what has come together in one go, as the usual clients do.
async fn write_all(mut stream: OwnedWriteHalf, mut frames: mpsc::Receiver<Bytes>) {
    let (mut taken, mut joined) = (Vec::with_capacity(QUEUE), Vec::new());
    while frames.recv_many(&mut taken, QUEUE).await > 0 {
        joined.clear();
        for frame in taken.drain(..) {
            joined.extend_from_slice(&frame);
        }
        if stream.write_all(&joined).await.is_err() {
            // The reader sees the same, and says it.
            return;
        }
    }
}

impl Reader {
    /// Waits for the next frame.
    ///
    /// # Errors
    /// The connection broke, the server said an error, or something that this does not know.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: a frame leaves the buffer as a whole.
    pub(super) async fn next(&mut self) -> Result<Frame> {
        loop {
            if let Some(frame) = take_frame(&mut self.buffer)? {
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("nats-server closed the connection");
            }
        }
    }
}

/// Takes the first frame that means something out of the buffer, once all of it is there.
fn take_frame(buffer: &mut BytesMut) -> Result<Option<Frame>> {
    while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(&buffer[..end])?.trim_end();
        let words: Vec<&str> = line.split(' ').collect();
        let (subject, reply, length) = match words[..] {
            ["MSG", subject, _, length] => (subject, None, length),
            ["MSG", subject, _, reply, length] => (subject, Some(reply.to_owned()), length),
            ["PING"] => return Ok(skip(buffer, end + 1, Frame::Ping)),
            ["PONG"] => return Ok(skip(buffer, end + 1, Frame::Pong)),
            ["INFO", ..] => {
                buffer.advance(end + 1);
                continue;
            }
            _ => bail!("nats-server said {line:?}"),
        };
        let (subject, length) = (subject.to_owned(), length.parse::<usize>()?);
        if buffer.len() < end + 1 + length + 2 {
            return Ok(None);
        }
        buffer.advance(end + 1);
        let payload = buffer.split_to(length).freeze();
        return Ok(skip(buffer, 2, Frame::Message(Message { subject, reply, payload })));
    }
    Ok(None)
}

fn skip(buffer: &mut BytesMut, count: usize, frame: Frame) -> Option<Frame> {
    buffer.advance(count);
    Some(frame)
}
