//! Which keys a TLS server presents. The handshake is broken off before anything is sent on it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use rustls::ClientConfig;
use rustls::DigitallySignedStruct;
use rustls::Error as TlsError;
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::parse_x509_certificate;

/// What a server presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Presented {
    /// SHA-256 of the public key of each certificate.
    pub(super) keys: Vec<[u8; 32]>,
}

/// Connects and returns what the server presents.
///
/// # Errors
/// A sentence: it cannot be reached, or speaks no TLS.
pub(super) async fn presented(
    host: &str,
    port: u16,
    server_name: &str,
) -> Result<Presented, String> {
    let tcp = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| format!("\"{server_name}\" is no name for TLS"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let seen = Arc::new(Looker { provider: Arc::clone(&provider), chain: Mutex::default() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as _)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Always an error: the looker lets nobody pass.
    let refused = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.err();
    let chain = std::mem::take(&mut *seen.chain.lock().unwrap_or_else(PoisonError::into_inner));
    match (chain.is_empty(), refused) {
        (true, Some(error)) => Err(format!("it speaks no TLS: {error}")),
        (true, None) => Err("it presents no certificate".to_owned()),
        (false, _) => Ok(Presented { keys: chain.iter().filter_map(key_of).collect() }),
    }
}

fn key_of(certificate: &CertificateDer<'static>) -> Option<[u8; 32]> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    Some(Sha256::digest(parsed.public_key().raw).into())
}

/// Looks at the certificates and refuses them.
#[derive(Debug)]
struct Looker {
    provider: Arc<CryptoProvider>,
    chain: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Looker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let all = std::iter::once(end_entity).chain(intermediates);
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        *chain = all.map(|certificate| certificate.clone().into_owned()).collect();
        Err(TlsError::General("seen enough".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(TlsError::General("seen enough".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(TlsError::General("seen enough".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_speaks_no_tls_is_told_so() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answering = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut tcp, b"HTTP/1.1 400 no\r\n\r\n")
                .await
                .unwrap();
        };
        let (result, ()) = tokio::join!(presented("127.0.0.1", port, "hub.internal"), answering);
        assert!(result.unwrap_err().contains("no TLS"));
    }
}
