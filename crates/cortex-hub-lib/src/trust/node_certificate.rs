//! The certificates with which nodes prove to TLS who they are.
//!
//! Of a signing request only the public key is used: what a certificate says is for the hub alone
//! to decide. A request that asks to be an authority, or for another node's name, gets neither.

use std::time::Duration;

use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::timestamp::Timestamp;
use rcgen::PublicKeyData as _;
use rcgen::SubjectPublicKeyInfo;
use rustls::pki_types::CertificateDer;
use sha2::Digest as _;
use sha2::Sha256;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::Authority;
use super::certificate;

/// The longest signing request that is looked at, in bytes.
pub const MAX_REQUEST: usize = 4 << 10;

/// The public half of a TLS key, possession of which its owner has proved.
#[derive(Debug, Clone)]
pub struct TlsPublicKey {
    info: SubjectPublicKeyInfo,
    digest: [u8; 32],
}

/// A node's certificate.
#[derive(Debug, Clone)]
pub struct NodeCertificate {
    /// The node's own first, then the authority that signed it.
    pub chain: Vec<CertificateDer<'static>>,
    /// How long it is good from now on.
    pub life: Duration,
}

impl NodeCertificate {
    /// The chain as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.chain.iter().map(|one| certificate::pem("CERTIFICATE", one).to_string()).collect()
    }
}

impl TlsPublicKey {
    /// Takes the public key out of a signing request (PKCS#10, DER), whatever else that asks for.
    ///
    /// # Errors
    /// `Invalid`, code `bad_csr`: it is none, is too long, is not signed by its own key, or that is
    /// no P-256 key.
    pub fn from_request(der: &[u8]) -> Result<Self> {
        if der.len() > MAX_REQUEST {
            return Err(unusable("is longer than 4 KiB"));
        }
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|_| unusable("cannot be read"))?;
        if !rest.is_empty() {
            return Err(unusable("has bytes behind it"));
        }
        request.verify_signature().map_err(|_| unusable("is not signed by its own key"))?;
        let raw = request.certification_request_info.subject_pki.raw;
        let info = SubjectPublicKeyInfo::from_der(raw).ok();
        let info = info.filter(|info| *info.algorithm() == rcgen::PKCS_ECDSA_P256_SHA256);
        let info = info.ok_or_else(|| unusable("is not for a P-256 key"))?;
        if info.subject_public_key_info() != raw {
            // One key would have several digests.
            return Err(unusable("has its key in a form of its own"));
        }
        Ok(Self { info, digest: Sha256::digest(raw).into() })
    }

    /// SHA-256 of the key, as it stands in a certificate.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// Issues a certificate that makes the owner of `key` known as a node.
///
/// # Errors
/// `Internal`: the cryptographic library failed.
pub fn issue(
    authority: &Authority,
    (hub, node): (HubId, NodeId),
    key: &TlsPublicKey,
    life: Duration,
    now: Timestamp,
) -> Result<NodeCertificate> {
    let issuer = authority.issuer();
    let signer = (&issuer.key.certificate, &issuer.key.key);
    let leaf = certificate::node(&name_of(hub, node), &key.info, signer, life, now)?;
    Ok(NodeCertificate { chain: vec![leaf, issuer.key.certificate.clone()], life })
}

/// The node of this hub whose certificate this is; that it is a good one is for TLS to say.
#[must_use]
pub fn node_of(certificate: &CertificateDer<'_>, hub: HubId) -> Option<NodeId> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else { return None };
    let node = uri.rsplit('/').next()?.parse().ok()?;
    (*uri == name_of(hub, node)).then_some(node)
}

/// The name in a node's certificate, as SPIFFE writes such names.
fn name_of(hub: HubId, node: NodeId) -> String {
    format!("spiffe://{hub}/node/{node}")
}

fn unusable(reason: &str) -> Error {
    let message = format!("the certificate signing request {reason}");
    Error::new(Kind::Invalid, "read signing request", message).with_code("bad_csr")
}

#[cfg(test)]
mod tests;
