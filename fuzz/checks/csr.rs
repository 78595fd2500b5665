//! Signing requests of machines: whatever one asks for, its certificate makes it one node, no more.

use std::sync::OnceLock;

use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::timestamp::Timestamp;
use cortex_hub_lib::trust::Authority;
use cortex_hub_lib::trust::Vault;
use cortex_hub_lib::trust::node_certificate::TlsPublicKey;
use cortex_hub_lib::trust::node_certificate::issue;
use cortex_hub_lib::trust::node_certificate::node_of;
use rcgen::KeyPair;
use rcgen::SigningKey as _;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::X509Certificate;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
const HUB: HubId = HubId::from_bytes([1; 16]);
const NODE: NodeId = NodeId::from_bytes([2; 16]);

/// The key of the seeds; it opens nothing.
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPjwxXrBXIi4MjpIU
HmjbEwIZUfSqCCsJMyQUO7yjrRuhRANCAAQFUo5YBNWMGeVBEq8hKELKwGXuOGNb
dS5ih4ZghnkQEhlMr4M6QxWX0xVBdfoIxCqkXY0+jcnmcca3EmTy51g6
-----END PRIVATE KEY-----
";

/// ecdsa-with-SHA256, as an `AlgorithmIdentifier`.
const ECDSA_SHA256: [u8; 12] =
    [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// The input is a signing request, and also the part of one that is signed: that is signed here, so
/// that the fuzzer gets behind the signature.
pub(crate) fn check(data: &[u8]) {
    admit(data);
    admit(&signed(data));
}

/// Does what an enrolment and a renewal do with a request.
fn admit(request: &[u8]) {
    let key = match TlsPublicKey::from_request(request) {
        Ok(key) => key,
        Err(error) => {
            assert_eq!(error.code(), "bad_csr");
            return;
        }
    };
    let issued = issue(authority(), (HUB, NODE), &key, LIFE, NOW).expect("a good key is certified");
    let leaf = &issued.chain[0];
    assert_eq!(node_of(leaf, HUB), Some(NODE), "it names its node and nothing else");
    let (rest, leaf) = X509Certificate::from_der(leaf).expect("it is a certificate");
    assert!(rest.is_empty());
    let of = |raw: &[u8]| cortex_core::digest::Digest::of(raw);
    assert_eq!(of(leaf.public_key().raw).as_bytes(), &key.digest(), "for the key of the request");
    let constraints = leaf.basic_constraints().expect("one at most").expect("it says so");
    assert!(!constraints.value.ca, "no authority");
    let usage = leaf.extended_key_usage().expect("one at most").expect("it says so").value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any && usage.other.is_empty());
    let life = leaf.validity().not_after.timestamp() - NOW.as_millis() / 1_000;
    assert_eq!(life, 24 * 3600);
    assert_eq!(leaf.subject().to_string(), "CN=Cortex node", "no name of the request's choice");
}

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let vault = Vault::open(dir.path(), NOW).expect("a new vault");
        Authority::new(&vault, &[], NOW).expect("an authority")
    })
}

/// A request of these contents, signed with the key of the seeds.
fn signed(contents: &[u8]) -> Vec<u8> {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    let pair = PAIR.get_or_init(|| KeyPair::from_pem(KEY).expect("a P-256 key"));
    let signature = pair.sign(contents).expect("anything can be signed");
    let bits = tagged(0x03, &[&[0], &signature[..]].concat());
    tagged(0x30, &[contents, &ECDSA_SHA256, &bits].concat())
}

/// DER of a tag and what is in it.
fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let len = u32::try_from(contents.len()).expect("inputs are short").to_be_bytes();
    let head = match contents.len() {
        0..0x80 => vec![tag, len[3]],
        0x80..0x1_0000 => vec![tag, 0x82, len[2], len[3]],
        _ => vec![tag, 0x84, len[0], len[1], len[2], len[3]],
    };
    [&head[..], contents].concat()
}
