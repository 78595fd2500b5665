//! The two listeners: HTTP for people and programs, gRPC over TLS for nodes.

mod stalled;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_proto::limits;
use futures::TryStreamExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::grpc;
use crate::hub::Hub;
use crate::serve::tls::HandshakeLimits;
use crate::trust::Doors;

/// Serves nodes until `shutdown`, then lets open calls end for a moment.
pub(crate) async fn serve_grpc(
    hub: Hub,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<()> {
    let routes = grpc::routes(&hub).await?;
    let doors = Doors::for_nodes(hub.id(), hub.trust().authority(), hub.config().tls.nodes);
    let incoming = tls::incoming(listener, Arc::new(doors), HandshakeLimits::default());
    // Whoever takes nothing cannot even be asked whether they are there.
    let patience = limits::KEEPALIVE_INTERVAL + limits::KEEPALIVE_TIMEOUT;
    let incoming = incoming.inspect_ok(move |connection| {
        stalled::limit(connection.socket(), patience);
    });
    Server::builder()
        .max_frame_size(1 << 20)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits::MAX_CONCURRENT_STREAMS)
        .http2_keepalive_interval(Some(limits::KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(limits::KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(limits::MAX_HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(limits::MAX_PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(limits::MAX_LOCAL_ERROR_RESETS))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned())
        .await
        .map_err(|error| failed("serve nodes", error))
}

/// Serves HTTP until `shutdown`, over TLS where there is a certificate from outside. Streams end by
/// the hub's own token, so nothing holds this up.
pub(crate) async fn serve_http(
    hub: Hub,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<()> {
    let app =
        crate::rest::router(&hub).into_make_service_with_connect_info::<std::net::SocketAddr>();
    let patience = hub.config().limits.stalled_reader();
    if let Some(outside) = hub.trust().authority().outside() {
        let doors = Doors::single(hub.id(), outside.http_config()?);
        let incoming = tls::incoming(listener, Arc::new(doors), HandshakeLimits::default());
        // Only what has gone through `tap_io` tells the address of its peer.
        let incoming = axum::serve::ListenerExt::tap_io(incoming, move |connection| {
            stalled::limit(connection.socket(), patience);
        });
        return axum::serve(incoming, app)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
            .map_err(|error| failed("serve HTTPS", error));
    }
    let listener = axum::serve::ListenerExt::tap_io(listener, move |stream| {
        stalled::limit(stream, patience);
        // Small answers must not wait for the peer's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY not set");
        }
    });
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .map_err(|error| failed("serve HTTP", error))
}

fn failed(operation: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, operation, "the listener failed").with_source(error)
}

/// How long listeners may take to end after the shutdown was asked for.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_secs(10);
