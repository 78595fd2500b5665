//! The certificates that a hub makes for itself, and the keys they belong to.
//!
//! Every field is set here: the certificate library's own defaults last until the year 4096, and
//! nothing is ever copied from a request.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cortex_core::Error;
use cortex_core::Result;
use cortex_core::error::Kind;
use cortex_core::id::HubId;
use cortex_core::timestamp::Timestamp;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DistinguishedName;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::PublicKeyData;
use rcgen::SanType;
use rcgen::SerialNumber;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::X509Certificate;
use zeroize::Zeroize as _;
use zeroize::Zeroizing;

/// Life of the hub's own authority.
pub(super) const CA_LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);

/// Life of a server certificate.
pub(super) const SERVER_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How far before now a certificate begins, for clocks that are behind.
pub(super) const BACKDATE: Duration = Duration::from_secs(5 * 60);

/// A P-256 key. Erased from memory when dropped; never printed.
pub(super) struct PrivateKey(KeyPair);

impl PrivateKey {
    pub(super) fn generate() -> Result<Self> {
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(|error| failed("make key", error))
    }

    /// Reads a PKCS#8 PEM; `None` where it is none of a P-256 key.
    pub(super) fn from_pem(pem: &[u8]) -> Option<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256);
        key.ok().map(Self)
    }

    /// The key as PKCS#8 PEM.
    pub(super) fn to_pem(&self) -> Zeroizing<String> {
        pem("PRIVATE KEY", self.0.serialized_der())
    }

    /// The key as the TLS library takes it, which erases it after use.
    pub(super) fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialized_der().to_vec()).into()
    }

    /// The public half, as it stands in a certificate.
    pub(super) fn public_key_info(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// Wraps DER in PEM. The libraries' own writers leave copies of a key in freed memory.
pub(super) fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(body.len() * 66 / 64 + 128));
    pem.extend(["-----BEGIN ", label, "-----\n"]);
    for line in body.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.extend(["-----END ", label, "-----\n"]);
    pem
}

/// Makes the hub's authority: signs server and node certificates, no further authorities.
pub(super) fn authority(
    hub: HubId,
    key: &PrivateKey,
    now: Timestamp,
) -> Result<CertificateDer<'static>> {
    let mut params = params(&format!("Cortex hub {hub} CA"), now, CA_LIFE)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key.0).map_err(|error| failed("make CA", error))?;
    Ok(certificate.into())
}

/// Makes a server certificate for `key`, good for `names`, signed by the authority.
pub(super) fn server(
    common_name: &str,
    names: &[SanType],
    key: &PrivateKey,
    authority: (&CertificateDer<'_>, &PrivateKey),
    now: Timestamp,
) -> Result<CertificateDer<'static>> {
    let (ca, ca_key) = authority;
    let issuer = Issuer::from_ca_cert_der(ca, &ca_key.0)
        .map_err(|error| failed("read CA certificate", error))?;
    let mut params = params(common_name, now, SERVER_LIFE)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = names.to_vec();
    params.use_authority_key_identifier_extension = true;
    let certificate =
        params.signed_by(&key.0, &issuer).map_err(|error| failed("issue certificate", error))?;
    Ok(certificate.into())
}

/// Makes a certificate of a node for the key of somebody else, good for `uri` and as a client only.
pub(super) fn node(
    uri: &str,
    key: &impl PublicKeyData,
    (ca, ca_key): (&CertificateDer<'_>, &PrivateKey),
    life: Duration,
    now: Timestamp,
) -> Result<CertificateDer<'static>> {
    let issuer = Issuer::from_ca_cert_der(ca, &ca_key.0)
        .map_err(|error| failed("read CA certificate", error))?;
    let name = uri.try_into().map_err(|error| failed("name node certificate", error))?;
    let mut params = params("Cortex node", now, life)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![SanType::URI(name)];
    params.use_authority_key_identifier_extension = true;
    let certificate =
        params.signed_by(key, &issuer).map_err(|error| failed("issue certificate", error))?;
    Ok(certificate.into())
}

/// When a certificate runs out; `None` where it is none.
pub(super) fn end_of(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    parsed.validity().not_after.timestamp().checked_mul(1_000).map(Timestamp::from_millis)
}

fn params(common_name: &str, now: Timestamp, life: Duration) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.not_before = date(now - BACKDATE)?;
    params.not_after = date(now + life)?;
    let serial: [u8; 16] = super::random("make certificate serial")?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}

fn date(at: Timestamp) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(at.as_millis().div_euclid(1_000)).map_err(|error| {
        Error::new(Kind::Precondition, "make certificate", "the system's clock is far off")
            .with_source(error)
    })
}

fn failed(operation: &'static str, error: rcgen::Error) -> Error {
    Error::new(Kind::Internal, operation, "the cryptographic library refused").with_source(error)
}
