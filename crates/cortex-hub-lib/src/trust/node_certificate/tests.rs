//! What a node's certificate says, and that no request can make it say more.

use std::sync::Arc;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::PKCS_ECDSA_P384_SHA384;
use rcgen::PKCS_ED25519;
use rcgen::SanType;
use rustls::CertificateError;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;

use super::*;
use crate::trust::Vault;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

fn authority() -> Authority {
    Authority::new(&Vault::sample(now()), &[], now()).unwrap()
}

fn ids() -> (HubId, NodeId) {
    (HubId::from_bytes([1; 16]), NodeId::from_bytes([2; 16]))
}

fn request(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
    params.serialize_request(key).unwrap().der().to_vec()
}

/// Has a certificate issued for a request with these wishes.
fn issued(authority: &Authority, wishes: &CertificateParams, key: &KeyPair) -> NodeCertificate {
    let key = TlsPublicKey::from_request(&request(wishes, key)).unwrap();
    issue(authority, ids(), &key, DAY, now()).unwrap()
}

fn verify(authority: &Authority, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer().key.certificate.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().unwrap();
    verifier.verify_client_cert(&chain[0], &chain[1..], UnixTime::now()).map(drop)
}

#[test]
fn a_certificate_names_its_node_and_is_good_for_clients_only() {
    let (authority, key) = (authority(), KeyPair::generate().unwrap());
    let certificate = issued(&authority, &CertificateParams::default(), &key);
    verify(&authority, &certificate.chain).unwrap();
    assert_eq!(node_of(&certificate.chain[0], ids().0), Some(ids().1));
    assert_eq!(node_of(&certificate.chain[0], HubId::from_bytes([9; 16])), None);
    assert_eq!(node_of(&certificate.chain[1], ids().0), None);
    let (_, parsed) = X509Certificate::from_der(&certificate.chain[0]).unwrap();
    let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
    let uri = format!("spiffe://{}/node/{}", ids().0, ids().1);
    assert_eq!(names.as_slice(), [GeneralName::URI(&uri)]);
    let constraints = parsed.basic_constraints().unwrap().unwrap().value;
    assert!(!constraints.ca);
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any && usage.other.is_empty());
    let key_usage = parsed.key_usage().unwrap().unwrap().value;
    assert!(key_usage.digital_signature() && !key_usage.key_cert_sign());
    let life = parsed.validity().not_after.timestamp() - parsed.validity().not_before.timestamp();
    assert_eq!(life, 24 * 3600 + 5 * 60);
    assert!(parsed.tbs_certificate.serial.to_bytes_be().len() <= 16);
    let again = issued(&authority, &CertificateParams::default(), &key);
    let (_, again) = X509Certificate::from_der(&again.chain[0]).unwrap();
    assert_ne!(parsed.tbs_certificate.serial, again.tbs_certificate.serial);
}

/// What a request asks for beside its key is not given: the certificate library copies it where one
/// signs the request itself.
#[test]
fn a_request_to_be_an_authority_makes_none() {
    let (authority, key) = (authority(), KeyPair::generate().unwrap());
    let mut wishes = CertificateParams::new(vec!["hub.example.com".to_owned()]).unwrap();
    wishes.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wishes.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    wishes.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let other = format!("spiffe://{}/node/{}", ids().0, NodeId::from_bytes([3; 16]));
    wishes.subject_alt_names.push(SanType::URI(other.as_str().try_into().unwrap()));
    let certificate = issued(&authority, &wishes, &key);
    verify(&authority, &certificate.chain).unwrap();
    assert_eq!(node_of(&certificate.chain[0], ids().0), Some(ids().1));
    let (_, parsed) = X509Certificate::from_der(&certificate.chain[0]).unwrap();
    assert!(!parsed.basic_constraints().unwrap().unwrap().value.ca);
    assert!(!parsed.key_usage().unwrap().unwrap().value.key_cert_sign());
    assert!(!parsed.extended_key_usage().unwrap().unwrap().value.server_auth);
    let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert_eq!(names.len(), 1);

    // Used as an authority all the same, for another node's name: nobody takes what it signs.
    let issuer = Issuer::from_ca_cert_der(&certificate.chain[0], &key).unwrap();
    let mut child = CertificateParams::default();
    child.subject_alt_names = vec![SanType::URI(other.as_str().try_into().unwrap())];
    child.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let child = child.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    let chain = [child.der().clone(), certificate.chain[0].clone(), certificate.chain[1].clone()];
    let refused = verify(&authority, &chain).unwrap_err();
    assert!(matches!(refused, rustls::Error::InvalidCertificate(_)), "{refused}");
    assert_ne!(refused, CertificateError::Expired.into());
}

#[test]
fn only_whole_requests_of_p256_keys_are_taken() {
    let params = CertificateParams::default();
    let good = request(&params, &KeyPair::generate().unwrap());
    let key = TlsPublicKey::from_request(&good).unwrap().digest();
    let refused = |der: &[u8]| {
        let error = TlsPublicKey::from_request(der).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Invalid, "bad_csr"), "{error}");
    };
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        refused(&request(&params, &KeyPair::generate_for(algorithm).unwrap()));
    }
    refused(&[]);
    refused(&good[..good.len() - 1]);
    refused(&[&good[..], &[0]].concat());
    refused(&[0x30; MAX_REQUEST + 1]);
    // Bits that change nothing are read over; none makes another key good.
    for bit in 0..good.len() * 8 {
        let mut bent = good.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        match TlsPublicKey::from_request(&bent) {
            Ok(read) => assert_eq!(read.digest(), key, "bit {bit}"),
            Err(error) => assert_eq!(error.code(), "bad_csr", "bit {bit}"),
        }
    }
}
