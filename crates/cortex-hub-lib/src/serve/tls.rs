//! The TLS side of the node port: accepts connections and hands out those that finished their
//! handshake, so that nobody who stalls keeps others waiting.

mod connection;
mod pending;

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use cortex_proto::limits::HANDSHAKE_TIMEOUT;
use futures::Stream;
use futures::StreamExt as _;
use rustls::server::Acceptor;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::Sleep;
use tokio_rustls::LazyConfigAcceptor;

use crate::clock;
use crate::trust::Doors;
use crate::trust::door::Peer;

use pending::Pending;

pub(crate) use connection::TlsConnection;

/// The first pause after the system refused to accept; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause after the system refused to accept.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connections that are accepted in one go before somebody else gets the thread.
const ACCEPTS_IN_A_ROW: usize = 32;

/// Limits of handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandshakeLimits {
    /// Handshakes under way at once. When they are so many, further connections wait.
    pub(crate) pending: usize,
    /// Handshakes under way at once from one address (IPv6: one /64 network); further connections
    /// from there are closed. Loopback is exempt: whoever comes through a proxy on this machine
    /// shares that address.
    pub(crate) pending_per_source: usize,
    /// Time that a handshake gets.
    pub(crate) timeout: Duration,
    /// Time that a handshake gets while others wait because `pending` is reached: after that the
    /// oldest makes room.
    pub(crate) crowded_timeout: Duration,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            pending: 512,
            pending_per_source: 128,
            timeout: HANDSHAKE_TIMEOUT,
            crowded_timeout: Duration::from_secs(2),
        }
    }
}

impl HandshakeLimits {
    /// Whether a connection from `peer` may begin its handshake beside `from_there` others.
    fn admit(&self, peer: IpAddr, from_there: usize) -> bool {
        from_there < self.pending_per_source || peer.to_canonical().is_loopback()
    }
}

/// Connections that finished their handshake. Never ends; dropping it closes the listener and
/// gives up the handshakes under way.
#[derive(Debug)]
pub(crate) struct Incoming {
    listener: TcpListener,
    doors: Arc<Doors>,
    limits: HandshakeLimits,
    pending: Pending,
    /// Accepted, and waits for room.
    waiting: Option<(TcpStream, SocketAddr)>,
    pause: Option<Pin<Box<Sleep>>>,
    next_pause: Duration,
    eviction: Option<Pin<Box<Sleep>>>,
}

/// Accepts TCP connections from `listener`, runs their TLS handshakes side by side, and yields
/// those that succeed.
///
/// A handshake that fails or stalls is dropped and logged at debug level; it neither ends the
/// stream nor appears in it. Where the system refuses to accept (no file descriptors left), it is
/// tried again after a growing pause. The stream's items are always `Ok`; their type is what a
/// gRPC server takes.
#[must_use]
pub(crate) fn incoming(
    listener: TcpListener,
    doors: Arc<Doors>,
    limits: HandshakeLimits,
) -> Incoming {
    Incoming {
        listener,
        doors,
        limits,
        pending: Pending::default(),
        waiting: None,
        pause: None,
        next_pause: FIRST_PAUSE,
        eviction: None,
    }
}

impl Incoming {
    /// Accepts what is there, as far as the limits and the system let it. Asks to be woken by
    /// whatever it stops at.
    fn poll_accept(&mut self, cx: &mut Context<'_>) {
        for _ in 0..ACCEPTS_IN_A_ROW {
            if self.pause.as_mut().is_some_and(|pause| pause.as_mut().poll(cx).is_pending()) {
                return;
            }
            self.pause = None;
            if self.waiting.is_none() && self.poll_listener(cx).is_pending() {
                return;
            }
            if self.waiting.is_some() && self.poll_room(cx).is_pending() {
                return;
            }
            if let Some((stream, peer)) = self.waiting.take() {
                self.start(stream, peer);
            }
        }
        // Enough for now, and there may be more.
        cx.waker().wake_by_ref();
    }

    /// Asks the listener once; what it gives and the limits admit is in `waiting` then.
    fn poll_listener(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(self.listener.poll_accept(cx)) {
            Ok((stream, peer)) => {
                self.next_pause = FIRST_PAUSE;
                if self.limits.admit(peer.ip(), self.pending.len_from(peer.ip())) {
                    self.waiting = Some((stream, peer));
                } else {
                    tracing::debug!(%peer, "closed: too many handshakes from this address");
                }
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, pause = ?self.next_pause, "cannot accept connections");
                self.pause = Some(Box::pin(tokio::time::sleep(self.next_pause)));
                self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
            }
        }
        Poll::Ready(())
    }

    /// Ready when there is room for one more handshake, made if need be by giving up one that had
    /// its time.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.pending.len() >= self.limits.pending {
            if self.pending.give_up_oldest(self.limits.crowded_timeout) {
                break;
            }
            let Some(oldest) = self.pending.oldest() else { break };
            let due = oldest + self.limits.crowded_timeout;
            let timer =
                self.eviction.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
        }
        self.eviction = None;
        Poll::Ready(())
    }

    fn start(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "closed: the connection is gone already");
            return;
        }
        let doors = Arc::clone(&self.doors);
        self.pending.start(peer.ip(), handshake(doors, stream, peer, self.limits.timeout));
    }
}

impl Stream for Incoming {
    type Item = io::Result<TlsConnection>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        // Those who are done make room for those who wait. The second look asks to be woken by
        // handshakes that were started in between.
        if let Poll::Ready(connection) = this.pending.poll_done(cx) {
            return Poll::Ready(Some(Ok(connection)));
        }
        this.poll_accept(cx);
        this.pending.poll_done(cx).map(|connection| Some(Ok(connection)))
    }
}

/// Serves HTTP too: `axum::serve` takes its connections from here.
impl axum::serve::Listener for Incoming {
    type Io = TlsConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TlsConnection, SocketAddr) {
        match self.next().await {
            Some(Ok(connection)) => {
                let address = connection.peer().address;
                (connection, address)
            }
            // The stream neither ends nor fails; if it did, nobody would come any more.
            _ => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn handshake(
    doors: Arc<Doors>,
    stream: TcpStream,
    peer: SocketAddr,
    limit: Duration,
) -> Option<TlsConnection> {
    let started = Instant::now();
    match tokio::time::timeout_at(started + limit, accept(&doors, stream, peer)).await {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(%peer, ?limit, "TLS handshake took too long");
            None
        }
    }
}

async fn accept(
    doors: &Doors,
    stream: TcpStream,
    address: SocketAddr,
) -> io::Result<TlsConnection> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let chosen = doors.choose(start.client_hello().server_name(), clock::now());
    let (door, config) = chosen.map_err(io::Error::other)?;
    let stream = start.into_stream(config).await?;
    let shown = stream.get_ref().1.peer_certificates();
    let (node, distrusted) = (doors.node_of(shown), doors.until_distrusted(shown, clock::now()));
    Ok(TlsConnection::new(stream, Peer { address, door, node }, distrusted))
}

/// Whether an error of `accept` concerns the connection that was to be accepted, not the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
