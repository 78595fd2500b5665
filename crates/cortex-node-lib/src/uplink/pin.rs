//! Knows the hub by the public key of its authority, before a byte of ours is sent.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use rustls::CertificateError;
use rustls::DigitallySignedStruct;
use rustls::OtherError;
use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use rustls::pki_types::pem::PemObject as _;
use sha2::Digest as _;
use sha2::Sha256;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::X509Certificate;

/// Takes a certificate chain only if it leads to an authority with a pinned key.
///
/// The authority's certificate comes with the chain or from the configuration; it is then the only
/// root for the ordinary checks of chain, name and time.
#[derive(Debug)]
pub(super) struct PinnedVerifier {
    pins: Vec<[u8; 32]>,
    known: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

/// None of the presented certificates has a pinned key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("presented {}, pinned {}", shown(.presented), shown(.pinned))]
pub(super) struct PinMismatch {
    /// Digests of the keys that were presented.
    pub(super) presented: Vec<[u8; 32]>,
    /// Digests of the keys that are taken.
    pub(super) pinned: Vec<[u8; 32]>,
}

impl PinnedVerifier {
    /// # Errors
    /// `Invalid`: `ca_pem` is no list of PEM certificates.
    pub(super) fn new(
        pins: Vec<[u8; 32]>,
        ca_pem: Option<&str>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self> {
        let known = CertificateDer::pem_slice_iter(ca_pem.unwrap_or_default().as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| {
                let message = format!("hub.ca_pem holds no PEM certificates: {error}");
                Error::new(ErrorKind::Invalid, "dial hub", message).with_code("bad_config")
            })?;
        Ok(Self { pins, known, provider })
    }

    fn pinned_root(
        &self,
        end_entity: &CertificateDer<'_>,
        presented: &[CertificateDer<'_>],
    ) -> Result<CertificateDer<'static>, rustls::Error> {
        for candidate in presented.iter().chain(&self.known) {
            let digest = key_digest(candidate);
            if digest.is_some_and(|digest| self.pins.contains(&digest)) {
                return Ok(candidate.clone().into_owned());
            }
        }
        Err(self.mismatch(end_entity, presented))
    }

    fn mismatch(
        &self,
        end_entity: &CertificateDer<'_>,
        presented: &[CertificateDer<'_>],
    ) -> rustls::Error {
        let seen = std::iter::once(end_entity).chain(presented).filter_map(key_digest);
        let mismatch = PinMismatch { presented: seen.collect(), pinned: self.pins.clone() };
        rustls::Error::Other(OtherError(Arc::new(mismatch)))
    }
}

/// SHA-256 of the certificate's `SubjectPublicKeyInfo`, or `None` where it is no certificate.
fn key_digest(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(Sha256::digest(parsed.public_key().raw).into())
}

fn shown(digests: &[[u8; 32]]) -> String {
    let texts: Vec<String> = digests.iter().map(hex::encode).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(" and ") }
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.pinned_root(end_entity, intermediates)?)?;
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| match error {
                // The pinned key is the configured one, and it did not sign what was presented.
                rustls::Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::BadSignature,
                ) => self.mismatch(end_entity, intermediates),
                other => other,
            })
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
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
