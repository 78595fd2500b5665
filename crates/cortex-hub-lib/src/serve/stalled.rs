//! Readers that stop: what the hub has for them waits where they stopped, and their connection ends
//! after a while.
//!
//! Bodies are read from the store as fast as their readers take them, so a reader that stops costs
//! its socket and no memory of the hub. What ends it is the system: with `TCP_USER_TIMEOUT`, a
//! connection breaks off on which something has been waiting for so long, whether its other end is
//! silent or keeps its window shut. Streams are resumed by cursor, so nothing is lost.

use std::time::Duration;

use tokio::net::TcpStream;

/// Limits how long the other end of `stream` may leave unread what is sent to it.
///
/// Does nothing on systems other than Linux, which close such a connection only when the other end
/// is silent.
#[cfg(target_os = "linux")]
pub(super) fn limit(stream: &TcpStream, patience: Duration) {
    let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, millis) {
        tracing::debug!(%error, "a reader that stops keeps its connection");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn limit(_: &TcpStream, _: Duration) {}
