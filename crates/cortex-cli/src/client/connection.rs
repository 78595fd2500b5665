//! One HTTP/1.1 connection to a hub, plain or with TLS.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper::rt::Read;
use hyper::rt::Write;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::client::address::Address;

/// How long connecting may take, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no connection, or no answer on it.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The hub cannot be reached.
    Connect(String),
    /// The hub was reached and is not to be trusted, or our own TLS settings are wrong.
    Tls(String),
    /// The connection broke.
    Broken(String),
}

/// One connection. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Owns the task that moves the connection's bytes.
    _driver: JoinSet<()>,
}

impl Connection {
    /// Connects; `ca` replaces the system's authorities.
    ///
    /// # Errors
    /// [`Lost::Connect`] or [`Lost::Tls`].
    pub(crate) async fn open(address: &Address, ca: Option<&Path>) -> Result<Self, Lost> {
        let connecting = Self::connect(address, ca);
        match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(Lost::Connect(format!("no answer within {} s", CONNECT_LIMIT.as_secs()))),
        }
    }

    async fn connect(address: &Address, ca: Option<&Path>) -> Result<Self, Lost> {
        let tcp = TcpStream::connect((address.host.as_str(), address.port))
            .await
            .map_err(|error| Lost::Connect(reason(&error)))?;
        // Requests are small and each waits for its answer: nothing to gather.
        let _ = tcp.set_nodelay(true);
        if !address.is_tls {
            return Self::start(TokioIo::new(tcp)).await;
        }
        let config = tls_config(ca.map(Path::to_owned)).map_err(Lost::Tls)?;
        let name = ServerName::try_from(address.host.clone())
            .map_err(|_| Lost::Tls(format!("\"{}\" is no name for TLS", address.host)))?;
        let tls = TlsConnector::from(config)
            .connect(name, tcp)
            .await
            .map_err(|error| Lost::Tls(error.to_string()))?;
        Self::start(TokioIo::new(tls)).await
    }

    async fn start<T>(io: T) -> Result<Self, Lost>
    where
        T: Read + Write + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::handshake(io).await.map_err(|error| Lost::Broken(error.to_string()))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                // The request that waits on it gets the same error.
                tracing::debug!(%error, "connection to the hub ended");
            }
        });
        Ok(Self { sender, _driver: driver })
    }

    /// Whether another request can be sent on it now.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Sends a request and returns the head of its answer, with the body still coming.
    ///
    /// # Errors
    /// [`Lost::Broken`].
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Lost> {
        let broken = |error: hyper::Error| Lost::Broken(error.to_string());
        self.sender.ready().await.map_err(broken)?;
        self.sender.send_request(request).await.map_err(broken)
    }
}

/// What the system says of a failed connection, without its error number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        _ => error.to_string(),
    }
}

fn tls_config(ca: Option<PathBuf>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(&file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            if certificates.is_empty() {
                return Err(format!("{} holds no certificate", file.display()));
            }
            for certificate in certificates {
                roots.add(certificate).map_err(|error| format!("{}: {error}", file.display()))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err("this system has no certificate authorities".to_owned());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_no_authority() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "hello").unwrap();
        let error = tls_config(Some(file.clone())).unwrap_err();
        assert!(error.contains("holds no certificate"), "{error}");
        std::fs::remove_file(&file).unwrap();
        let error = tls_config(Some(file)).unwrap_err();
        assert!(error.contains("cannot read"), "{error}");
    }
}
