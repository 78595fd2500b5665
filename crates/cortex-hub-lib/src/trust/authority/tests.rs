use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::SupportedProtocolVersion;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::version::TLS12;
use rustls::version::TLS13;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::*;

fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

fn authority(names: &[&str]) -> Result<Authority> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    Authority::new(&Vault::sample(now()), &names, now())
}

fn leaf(authority: &Authority) -> CertificateDer<'static> {
    authority.presented.own.load().certified.cert[0].clone()
}

fn root(authority: &Authority) -> CertificateDer<'static> {
    authority.issuer().key.certificate.clone()
}

fn client(
    root: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    alpn: &[u8],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

async fn dial(
    authority: &Authority,
    client: ClientConfig,
    name: &str,
) -> std::io::Result<TlsStream<tokio::io::DuplexStream>> {
    let (near, far) = tokio::io::duplex(64 << 10);
    let acceptor = TlsAcceptor::from(authority.tls_config());
    let connector = TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let (server, client) = tokio::join!(acceptor.accept(far), connector.connect(name, near));
    if client.is_ok() {
        server?;
    }
    client
}

#[tokio::test]
async fn a_node_with_the_authority_connects_by_every_name() {
    let authority = authority(&["hub.example.com", "192.0.2.7", "[2001:db8::1]"]).unwrap();
    let fixed = authority.server_name().to_owned();
    assert!(fixed.starts_with("hub-") && fixed.ends_with(".cortex.internal"));
    let given = ["hub.example.com", "192.0.2.7", "2001:db8::1"];
    for name in [fixed.as_str(), "localhost", "127.0.0.1", "::1"].into_iter().chain(given) {
        let stream =
            dial(&authority, client(&root(&authority), &TLS13, b"h2"), name).await.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!(session.alpn_protocol(), Some(b"h2".as_slice()));
        // Whoever has the pin only finds the pinned key in what is presented.
        let chain = session.peer_certificates().unwrap();
        let (_, root) = X509Certificate::from_der(&chain[1]).unwrap();
        let pin: [u8; 32] = Sha256::digest(root.public_key().raw).into();
        assert_eq!(authority.ca_pins(), [hex::encode(pin)]);
    }
}

#[tokio::test]
async fn other_names_roots_versions_and_protocols_are_refused() {
    let authority = authority(&[]).unwrap();
    let other = self::authority(&[]).unwrap();
    let fixed = authority.server_name();
    let ca = &root(&authority);
    for (client, name) in [
        (client(ca, &TLS13, b"h2"), "hub.example.com"),
        (client(&root(&other), &TLS13, b"h2"), fixed),
        (client(ca, &TLS12, b"h2"), fixed),
        (client(ca, &TLS13, b"http/1.1"), fixed),
    ] {
        let refused = dial(&authority, client, name).await;
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    }
}

#[tokio::test]
async fn a_renewal_reaches_new_connections_and_keeps_the_pin() {
    let authority = authority(&[]).unwrap();
    let first = leaf(&authority);
    authority.renew(now()).unwrap();
    let name = authority.server_name();
    let stream = dial(&authority, client(&root(&authority), &TLS13, b"h2"), name).await.unwrap();
    let seen = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_eq!(seen, leaf(&authority));
    assert_ne!(seen, first);
    let keys = [&first, &seen].map(|certificate| {
        let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
        parsed.public_key().raw.to_vec()
    });
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn a_server_certificate_is_good_for_serving_and_nothing_else() {
    let vault = Vault::sample(now());
    let names = ["Hub.Example.com".to_owned(), "localhost".to_owned()];
    let authority = Authority::new(&vault, &names, now()).unwrap();
    let certificate = leaf(&authority);
    let (_, parsed) = X509Certificate::from_der(&certificate).unwrap();
    let ca = root(&authority);
    let (_, root) = X509Certificate::from_der(&ca).unwrap();
    parsed.verify_signature(Some(root.public_key())).unwrap();
    assert_eq!(parsed.issuer(), root.subject());
    assert!(!parsed.basic_constraints().unwrap().unwrap().value.ca);
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth && !usage.any);
    assert!(!parsed.key_usage().unwrap().unwrap().value.key_cert_sign());
    let life = parsed.validity().not_after.timestamp() - parsed.validity().not_before.timestamp();
    assert_eq!(life, 30 * 24 * 3600 + 5 * 60);
    let alternative = parsed.subject_alternative_name().unwrap().unwrap().value;
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    let listed: Vec<String> = alternative.general_names.iter().filter_map(dns).collect();
    let enrolment = enrolment_name(authority.server_name());
    let promised = [authority.server_name(), &enrolment, "localhost", "hub.example.com"];
    assert_eq!(listed, promised);
    assert_eq!(alternative.general_names.len(), 6);
}

#[test]
fn serials_are_random_and_128_bits_at_most() {
    let authority = authority(&[]).unwrap();
    let serials: BTreeSet<Vec<u8>> = (0..16)
        .map(|_| {
            authority.renew(now()).unwrap();
            let certificate = leaf(&authority);
            let (_, parsed) = X509Certificate::from_der(&certificate).unwrap();
            parsed.tbs_certificate.serial.to_bytes_be()
        })
        .collect();
    assert_eq!(serials.len(), 16);
    assert!(serials.iter().all(|serial| serial.len() <= 16));
    assert!(serials.iter().any(|serial| serial.len() >= 15));
}

#[test]
fn names_that_are_no_names_are_refused() {
    for bad in ["", "https://hub.example.com", "hub:7443", "two words", "*.example.com", "a..b"] {
        let error = authority(&[bad]).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Invalid, "bad_host_name"), "{bad}");
        assert!(error.message().contains(bad));
    }
}

#[test]
fn the_renewal_is_due_at_two_thirds_of_the_life() {
    let start = now();
    let authority = Authority::new(&Vault::sample(start), &[], start).unwrap();
    let due = start + Duration::from_secs(20 * 24 * 3600);
    assert_eq!(authority.renews_at(), due);
    let before = Duration::from_millis(1);
    assert_eq!(pause_before_renewal(due, start), Some(LONGEST_PAUSE));
    assert_eq!(pause_before_renewal(due, due - before), Some(before));
    assert_eq!(pause_before_renewal(due, due), None);
}

#[tokio::test]
async fn the_certificate_is_kept_fresh_until_the_stop() {
    let authority = authority(&[]).unwrap();
    let due = authority.renews_at();
    let (looks, looked) = (AtomicUsize::new(0), Notify::new());
    let clock = || {
        if looks.fetch_add(1, Ordering::Relaxed) == 1 {
            looked.notify_one();
        }
        due
    };
    let stop = CancellationToken::new();
    let watch = async {
        looked.notified().await;
        stop.cancel();
    };
    let kept = authority.keep_fresh(clock, stop.clone());
    let both = async { tokio::join!(kept, watch) };
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    assert_eq!(authority.renews_at(), due + Duration::from_secs(20 * 24 * 3600));
}

#[test]
fn the_listener_takes_no_early_data_and_keeps_no_sessions() {
    let config = authority(&[]).unwrap().tls_config();
    assert_eq!(config.max_early_data_size, 0);
    assert_eq!(config.send_tls13_tickets, 1);
    assert!(config.ticketer.enabled());
    assert!(!config.session_storage.can_cache());
}
