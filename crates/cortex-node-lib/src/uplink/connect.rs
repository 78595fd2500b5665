//! One connection: TCP, TLS 1.3 to a hub that fits a pin, HTTP/2 with explicit bounds.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_proto::limits;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Channel;
use tonic::transport::Endpoint;
use tonic::transport::Uri;

use super::Certificate;
use super::Destination;
use super::pin::PinMismatch;
use super::pin::PinnedVerifier;
use super::pin::Roots;

const OPERATION: &str = "dial hub";
/// How the internal names of hubs end.
const INTERNAL: &str = ".cortex.internal";

/// The code of the error where the hub does not take the node's certificate; a new one may help.
pub(super) const CERTIFICATE_REFUSED: &str = "certificate_refused";

/// The code of the error where another hub answers, or this one with an unknown authority.
pub(crate) const MISMATCH: &str = "hub_pin_mismatch";

const ALPN: &[u8] = b"h2";

/// A door of the hub's node port: a name to ask for, and what is shown there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Door<'a> {
    /// All services, with the certificate that counts, if the node has one.
    Main(Option<&'a Certificate>),
    /// For those who have no certificate, or no longer: enrolment, renewal and trust bundles.
    Enrolment,
}

/// Connects, and checks who answers before anything is said.
///
/// The channel lives as long as its one connection: it does not dial again by itself.
///
/// # Errors
/// `Denied`: `hub_pin_mismatch` where an authority that is not among `roots` signed for the hub,
/// `hub_certificate_refused` where chain, name or time are not right. `Unavailable`, `Timeout`:
/// nobody answers; code `certificate_refused` where the hub does not take the node's certificate. `Invalid`: the configuration cannot be used.
pub(super) async fn dial(to: &Destination, roots: Roots, door: Door<'_>) -> Result<Channel> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = PinnedVerifier::new(roots, Arc::clone(&provider));
    dial_by(to, door, provider, Arc::new(verifier)).await
}

/// Connects to whoever `verifier` lets pass.
pub(super) async fn dial_by(
    to: &Destination,
    door: Door<'_>,
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<Channel> {
    let config = tls_config(door, provider, verifier)?;
    // Boxed: a dial is seldom, and large beside the session that waits for it.
    Box::pin(async {
        let stream = tcp(to).await?;
        let mut stream = tls(to, &door.name(to), config, stream).await?;
        if matches!(door, Door::Main(_)) {
            first_word(to, &mut stream).await?;
        }
        over(to, stream).await
    })
    .await
}

impl Door<'_> {
    /// The name that the hub is asked for.
    fn name(self, to: &Destination) -> String {
        match self {
            Door::Enrolment if to.server_name.ends_with(INTERNAL) => {
                format!("enrol.{}", to.server_name)
            }
            // Another name of the hub has no such door beside it.
            Door::Enrolment | Door::Main(_) => to.server_name.clone(),
        }
    }
}

async fn tcp(to: &Destination) -> Result<TcpStream> {
    let (host, port) = (to.host.as_str(), to.port);
    let late = || {
        let span = limits::CONNECT_TIMEOUT.as_secs();
        let message = format!("no connection to {host}:{port} within {span} s");
        Error::new(ErrorKind::Timeout, OPERATION, message)
    };
    let connected = timeout(limits::CONNECT_TIMEOUT, TcpStream::connect((host, port))).await;
    let stream = connected.map_err(|_| late())?.map_err(|error| unreachable_hub(to, error))?;
    stream.set_nodelay(true).map_err(|error| unreachable_hub(to, error))?;
    Ok(stream)
}

async fn tls(
    to: &Destination,
    name: &str,
    config: ClientConfig,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).map_err(|_| {
        let message = format!("hub.server_name {:?} is no host name", to.server_name);
        Error::new(ErrorKind::Invalid, OPERATION, message).with_code("bad_config")
    })?;
    let connector = TlsConnector::from(Arc::new(config));
    let handshake = timeout(limits::HANDSHAKE_TIMEOUT, connector.connect(name, stream)).await;
    let stream = handshake
        .map_err(|_| Error::new(ErrorKind::Timeout, OPERATION, "the TLS handshake takes too long"))?
        .map_err(|error| handshake_error(to, error))?;
    if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        let message = format!("{}:{} does not speak HTTP/2", to.host, to.port);
        return Err(Error::new(ErrorKind::Unavailable, OPERATION, message));
    }
    Ok(stream)
}

fn tls_config(
    door: Door<'_>,
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has cipher suites for TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match door {
        Door::Enrolment | Door::Main(None) => config.with_no_client_auth(),
        Door::Main(Some(Certificate { chain, key, .. })) => {
            config.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(|error| {
                let message = "the node's certificate cannot be used";
                Error::new(ErrorKind::Precondition, OPERATION, message).with_source(error)
            })?
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// Waits for the hub to say something, and leaves that unread. TLS 1.3 refuses a client's
/// certificate only behind the handshake, and HTTP/2 does not pass on why a connection failed.
async fn first_word(to: &Destination, stream: &mut TlsStream<TcpStream>) -> Result<()> {
    match timeout(limits::HANDSHAKE_TIMEOUT, stream.fill_buf()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if is_certificate_refused(&error) => {
            let message = "the hub does not take this node's certificate";
            Err(Error::new(ErrorKind::Unavailable, OPERATION, message)
                .with_code(CERTIFICATE_REFUSED)
                .with_source(error))
        }
        Ok(Err(error)) => Err(unreachable_hub(to, error)),
        Err(_) => {
            let message = format!("{}:{} says nothing", to.host, to.port);
            Err(Error::new(ErrorKind::Timeout, OPERATION, message))
        }
    }
}

async fn over(to: &Destination, stream: TlsStream<TcpStream>) -> Result<Channel> {
    let bad = |error: &dyn std::fmt::Display| {
        let message = format!("hub.server_name {:?} cannot be used: {error}", to.server_name);
        Error::new(ErrorKind::Invalid, OPERATION, message).with_code("bad_config")
    };
    // The scheme of the target is http because TLS is done; the hub is told the true origin.
    let target = format!("http://{}:{}", to.server_name, to.port);
    let origin: Uri =
        format!("https://{}:{}", to.server_name, to.port).parse().map_err(|error| bad(&error))?;
    let endpoint = Endpoint::from_shared(target)
        .map_err(|error| bad(&error))?
        .origin(origin)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(limits::KEEPALIVE_INTERVAL)
        .keep_alive_timeout(limits::KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(limits::MAX_HEADER_BYTES)
        .http2_max_local_error_reset_streams(limits::MAX_LOCAL_ERROR_RESETS)
        .http2_max_concurrent_reset_streams(limits::MAX_PENDING_RESETS);
    let once = Mutex::new(Some(stream));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stream = stream.map(TokioIo::new);
        std::future::ready(stream.ok_or_else(|| io::Error::other("the connection was lost")))
    });
    endpoint.connect_with_connector(connector).await.map_err(|error| {
        Error::new(ErrorKind::Unavailable, OPERATION, format!("HTTP/2 does not start: {error}"))
            .with_source(error)
    })
}

/// Whether the hub refused the node's certificate.
fn is_certificate_refused(failure: &io::Error) -> bool {
    use rustls::AlertDescription as Alert;
    let inner = failure.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(
        inner,
        Some(rustls::Error::AlertReceived(
            Alert::CertificateRequired
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::UnknownCA
                | Alert::DecryptError
        ))
    )
}

fn unreachable_hub(to: &Destination, error: io::Error) -> Error {
    let message = format!("cannot reach {}:{}: {error}", to.host, to.port);
    Error::new(ErrorKind::Unavailable, OPERATION, message)
        .with_code("hub_unreachable")
        .with_source(error)
}

fn handshake_error(to: &Destination, error: io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let place = format!("{}:{}", to.host, to.port);
    match inner {
        Some(rustls::Error::Other(other)) if other.0.is::<PinMismatch>() => {
            let message =
                format!("{place} is not the hub that this node was made for: {}", other.0);
            Error::new(ErrorKind::Denied, OPERATION, message)
                .with_code(MISMATCH)
                .with_hint("check hub.server_host; if the hub was set up anew, make a new invite")
        }
        Some(rustls::Error::InvalidCertificate(reason)) => {
            let message = format!("the certificate of {place} is refused: {reason:?}");
            Error::new(ErrorKind::Denied, OPERATION, message)
                .with_code("hub_certificate_refused")
                .with_hint("check hub.server_name and this machine's clock")
                .with_source(error)
        }
        _ => Error::new(ErrorKind::Unavailable, OPERATION, format!("no TLS with {place}: {error}"))
            .with_code("hub_unreachable")
            .with_source(error),
    }
}
