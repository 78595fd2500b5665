//! Bounds that both sides set explicitly: the defaults below us are unlimited or too generous.

use std::time::Duration;

/// The largest protobuf message either side takes or sends, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// The most bytes of output that one report carries.
pub const MAX_OUTPUT_BYTES: usize = 256 << 10;

/// The most bytes that one input of a running task carries.
pub const MAX_INPUT_BYTES: usize = 16 << 10;

/// The most input of one attempt that may wait for it, in bytes; a node takes no more.
pub const MAX_WAITING_INPUT_BYTES: usize = 256 << 10;

/// The most reports that one batch carries.
pub const MAX_BATCH_REPORTS: usize = 256;

/// The most tasks that one claim names.
pub const MAX_CLAIMS: usize = 256;

/// The most bytes of output that one batch carries.
pub const MAX_BATCH_BYTES: usize = 1 << 20;

/// HTTP/2 flow-control window of a stream, in bytes.
pub const STREAM_WINDOW_BYTES: u32 = 2 << 20;

/// HTTP/2 flow-control window of a connection, in bytes.
pub const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// HTTP/2 ping interval on an otherwise silent connection.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// A connection whose ping is not answered for this long is closed.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams that one connection may have open at once.
pub const MAX_CONCURRENT_STREAMS: u32 = 64;

/// Streams that the other side may have reset before the connection is dropped
/// (RUSTSEC-2024-0003 and its kind; tonic's own default is no limit).
pub const MAX_LOCAL_ERROR_RESETS: usize = 256;

/// Pending streams that the other side may have reset before the connection is dropped
/// (CVE-2023-44487).
pub const MAX_PENDING_RESETS: usize = 64;

/// Bytes of request or response headers.
pub const MAX_HEADER_BYTES: u32 = 16 << 10;

/// A TLS handshake that takes longer is given up.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A unary call that takes longer is given up.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// A TCP connection that is not made in this time is given up.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
