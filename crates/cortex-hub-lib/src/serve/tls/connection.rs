//! A connection after its handshake, as a gRPC server takes it.

use std::fmt;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use futures::future::BoxFuture;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::trust::door::Peer;

/// A TLS connection, and who is at its other end.
pub(crate) struct TlsConnection {
    pub(super) stream: TlsStream<TcpStream>,
    peer: Peer,
    /// Ends with the trust in the certificate that was shown.
    distrusted: Option<BoxFuture<'static, ()>>,
}

impl TlsConnection {
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        peer: Peer,
        distrusted: Option<BoxFuture<'static, ()>>,
    ) -> Self {
        Self { stream, peer, distrusted }
    }

    /// The connection below TLS.
    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.get_ref().0
    }

    /// Who is at its other end.
    pub(crate) fn peer(&self) -> Peer {
        self.peer
    }
}

impl fmt::Debug for TlsConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Tells requests who sends them: [`Peer`] is among their extensions.
impl Connected for TlsConnection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(distrusted) = &mut self.distrusted
            && distrusted.as_mut().poll(cx).is_ready()
        {
            // Whoever asks again hears the same.
            *distrusted = Box::pin(std::future::ready(()));
            let reason = "the client's certificate ran out, or its authority is revoked";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason)));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
