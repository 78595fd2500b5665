//! Knows the hub by the public keys of its authorities, before a byte of ours is sent.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::bundle::Bundle;
use cortex_core::timestamp::Timestamp;
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

use super::Destination;

/// The authorities that may have signed the hub's certificate.
#[derive(Debug)]
pub(super) struct Roots {
    pins: Vec<[u8; 32]>,
    known: Vec<CertificateDer<'static>>,
}

/// Takes a certificate chain only if it leads to an authority with a pinned key.
///
/// The authorities' certificates come with the chain, from the configuration, or from a bundle;
/// those that are pinned are then the only roots for the ordinary checks of chain, name and time.
#[derive(Debug)]
pub(super) struct PinnedVerifier {
    roots: Roots,
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

impl Roots {
    /// Those of the configuration, until there is a bundle.
    ///
    /// # Errors
    /// `Invalid`: `ca_pem` is no list of PEM certificates.
    pub(super) fn configured(to: &Destination) -> Result<Self> {
        let known = CertificateDer::pem_slice_iter(to.ca_pem.as_deref().unwrap_or("").as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| {
                let message = format!("hub.ca_pem holds no PEM certificates: {error}");
                Error::new(ErrorKind::Invalid, "dial hub", message).with_code("bad_config")
            })?;
        Ok(Self { pins: to.pins.clone(), known })
    }

    /// Those of the bundle if there is one, and what is configured otherwise.
    ///
    /// # Errors
    /// As [`Roots::configured`].
    pub(super) fn of(bundle: Option<&Bundle>, to: &Destination, now: Timestamp) -> Result<Self> {
        match bundle {
            Some(bundle) => Ok(Self::bundled(bundle, now)),
            None => Self::configured(to),
        }
    }

    /// Those of a bundle that are accepted at `now`; what is configured counts no more.
    pub(super) fn bundled(bundle: &Bundle, now: Timestamp) -> Self {
        let known: Vec<_> = bundle
            .accepted_authorities(now)
            .map(|certificate| CertificateDer::from(certificate.to_vec()))
            .collect();
        Self { pins: known.iter().filter_map(key_digest).collect(), known }
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        key_digest(certificate).is_some_and(|digest| self.pins.contains(&digest))
    }
}

impl PinnedVerifier {
    pub(super) fn new(roots: Roots, provider: Arc<CryptoProvider>) -> Self {
        Self { roots, provider }
    }

    fn pinned_roots(
        &self,
        end_entity: &CertificateDer<'_>,
        presented: &[CertificateDer<'_>],
    ) -> Result<RootCertStore, rustls::Error> {
        let mut store = RootCertStore::empty();
        for candidate in presented.iter().chain(&self.roots.known) {
            if self.roots.is_pinned(candidate) {
                store.add(candidate.clone().into_owned())?;
            }
        }
        if store.is_empty() { Err(self.mismatch(end_entity, presented)) } else { Ok(store) }
    }

    fn mismatch(
        &self,
        end_entity: &CertificateDer<'_>,
        presented: &[CertificateDer<'_>],
    ) -> rustls::Error {
        let seen = std::iter::once(end_entity).chain(presented).filter_map(key_digest);
        let mismatch = PinMismatch { presented: seen.collect(), pinned: self.roots.pins.clone() };
        rustls::Error::Other(OtherError(Arc::new(mismatch)))
    }
}

/// The pins of the authorities that a bundle accepts at `now`.
pub(crate) fn pins_of(bundle: &Bundle, now: Timestamp) -> Vec<[u8; 32]> {
    Roots::bundled(bundle, now).pins
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
        let roots = self.pinned_roots(end_entity, intermediates)?;
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| match error {
                // The pinned keys are known, and none of them signed what was presented.
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
