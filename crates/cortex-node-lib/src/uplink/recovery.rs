//! Asks for the node's trust bundle on a connection that proves nothing.
//!
//! A node that was away while the hub replaced its authority meets a certificate that it cannot
//! verify. The bundle it then asks for carries its own proof, and nothing secret goes either way:
//! no token, no invite, no report. The connection is used for this one question and dropped.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::NodeId;
use cortex_proto::limits;
use cortex_proto::v1;
use cortex_proto::v1::trust_service_client::TrustServiceClient;
use rustls::DigitallySignedStruct;
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use tonic::transport::Channel;

use super::Destination;
use super::SealedBundle;
use super::calls;
use super::connect;
use super::connect::Door;

const OPERATION: &str = "get trust bundle";

/// Asks whoever answers for the bundle of `node`; nothing about the answer is verified.
///
/// # Errors
/// `Unavailable`, `Timeout`: nobody answers. Others: who answers is no hub.
pub(crate) async fn fetch(to: &Destination, node: NodeId) -> Result<SealedBundle> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let anybody = Arc::new(Anybody(Arc::clone(&provider)));
    fetch_over(connect::dial_by(to, Door::Enrolment, provider, anybody).await?, node).await
}

/// Asks for the bundle of `node` on a connection that there is; nothing about the answer is verified.
///
/// # Errors
/// As [`fetch`].
pub(super) async fn fetch_over(channel: Channel, node: NodeId) -> Result<SealedBundle> {
    let mut client =
        TrustServiceClient::new(channel).max_decoding_message_size(limits::MAX_MESSAGE_BYTES);
    let asked = client.get_bundle(v1::GetBundleRequest { node_id: node.to_string() });
    let answer = calls::limited(OPERATION, asked).await?;
    let answer = answer.map_err(|status| calls::call_error(OPERATION, &status))?.into_inner();
    answer.bundle.map(SealedBundle::from).ok_or_else(|| {
        Error::new(ErrorKind::Internal, OPERATION, "the hub sent none").with_code("bad_answer")
    })
}

/// Lets every certificate pass, as long as its key signs the handshake.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
