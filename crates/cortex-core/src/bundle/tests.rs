use std::time::Duration;

use proptest::prelude::*;
use sha2::Digest as _;
use sha2::Sha256;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The bundle of `docs/design/bundle.md`.
fn vector() -> Bundle {
    let until = NOW + Duration::from_secs(48 * 3600);
    Bundle {
        hub: HubId::from_bytes([1; 16]),
        node: NodeId::from_bytes([2; 16]),
        serial: 4,
        issued_at: NOW,
        authorities: vec![
            Trusted { key: b"new".to_vec(), phase: Phase::Active },
            Trusted { key: b"former".to_vec(), phase: Phase::Tainted { until } },
        ],
        task_keys: vec![
            Trusted { key: key(7).verifying_key(), phase: Phase::Active },
            Trusted { key: key(6).verifying_key(), phase: Phase::Prepared },
        ],
    }
}

fn check(signed: &Signed, held: Option<&Bundle>) -> Result<Bundle, Refusal> {
    let anchor = key(8).verifying_key();
    let expected = Expected { anchor: &anchor, hub: vector().hub, node: vector().node, held };
    verify(&signed.bundle, &signed.signature, &expected)
}

#[test]
fn the_published_vector_holds() {
    let signed = vector().sign(&key(8));
    assert_eq!(
        hex::encode(&signed.bundle),
        "636f727465782f62756e646c652f763100010101010101010101010101010101010202020202\
         020202020202020202020200000000000000040000018bcfe568000202000000000000000000\
         0000036e6577040000018bda32200000000006666f726d657202020000000000000000ea4a6c\
         63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c010000000000000000\
         8a875fff1eb38451577acd5afee405456568dd7c89e090863a0557bc7af49f17"
    );
    assert_eq!(
        hex::encode(Sha256::digest(&signed.bundle)),
        "e0a173e15d2c4efc399a08ac10b5a1334a93a0608388e0190bc84fbbebcc491f"
    );
    assert_eq!(
        hex::encode(signed.signature),
        "7f08518d8e2c06d7f506e2fff7f64636aa095b6e31e7aa61a5869f382c496741\
         f7c85909714e9c88e8cad04a516d2ece50de81868bfe480e07ae0729f38e2407"
    );
    assert_eq!(check(&signed, None), Ok(vector()));
}

#[test]
fn every_flipped_bit_is_refused() {
    let signed = vector().sign(&key(8));
    for bit in 0..signed.bundle.len() * 8 {
        let mut flipped = signed.clone();
        flipped.bundle[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check(&flipped, None), Err(Refusal::BadSignature), "bundle bit {bit}");
    }
    for bit in 0..512 {
        let mut flipped = signed.clone();
        flipped.signature[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check(&flipped, None), Err(Refusal::BadSignature), "signature bit {bit}");
    }
}

#[test]
fn only_the_anchor_signs_and_only_for_this_node() {
    assert_eq!(check(&vector().sign(&key(7)), None), Err(Refusal::BadSignature));
    let other = Bundle { node: NodeId::from_bytes([3; 16]), ..vector() };
    assert_eq!(check(&other.sign(&key(8)), None), Err(Refusal::WrongAddress));
    let other = Bundle { hub: HubId::from_bytes([3; 16]), ..vector() };
    assert_eq!(check(&other.sign(&key(8)), None), Err(Refusal::WrongAddress));
}

#[test]
fn an_older_bundle_is_refused_and_the_same_one_is_not() {
    let held = vector();
    assert_eq!(check(&vector().sign(&key(8)), Some(&held)), Ok(vector()));
    let older = Bundle { serial: 3, ..vector() };
    let refusal = Refusal::Older { found: 3, held: 4 };
    assert_eq!(check(&older.sign(&key(8)), Some(&held)), Err(refusal));
    let mut same_serial = vector();
    same_serial.task_keys.pop();
    let refusal = Refusal::Older { found: 4, held: 4 };
    assert_eq!(check(&same_serial.sign(&key(8)), Some(&held)), Err(refusal));
    let newer = Bundle { serial: 5, ..same_serial };
    assert_eq!(check(&newer.sign(&key(8)), Some(&held)), Ok(newer));
}

#[test]
fn a_bundle_without_exactly_one_active_key_is_none() {
    let signed = |change: fn(&mut Bundle)| {
        let mut bundle = vector();
        change(&mut bundle);
        check(&bundle.sign(&key(8)), None)
    };
    let refused = Err(Refusal::Malformed);
    assert_eq!(signed(|bundle| bundle.authorities.clear()), refused);
    assert_eq!(signed(|bundle| bundle.task_keys.clear()), refused);
    assert_eq!(signed(|bundle| bundle.task_keys[0].phase = Phase::Retiring), refused);
    assert_eq!(signed(|bundle| bundle.authorities[1].phase = Phase::Active), refused);
    assert_eq!(signed(|bundle| bundle.authorities[0].key = vec![0; 9000]), refused);
}

#[test]
fn what_is_tainted_is_accepted_until_then() {
    let bundle = vector();
    let until = NOW + Duration::from_secs(48 * 3600);
    let count = |now| bundle.accepted_authorities(now).count();
    assert_eq!((count(NOW), count(until - Duration::from_millis(1)), count(until)), (2, 2, 1));
    let accepted: Vec<_> = bundle.accepted_task_keys(until).collect();
    assert_eq!(accepted, [&key(7).verifying_key(), &key(6).verifying_key()]);
}

proptest! {
    #[test]
    fn reading_never_panics_and_gives_back_what_it_read(
        head in prop::bool::ANY,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let bytes = if head { [DOMAIN.as_slice(), &bytes].concat() } else { bytes };
        if let Some(bundle) = Bundle::from_bytes(&bytes) {
            prop_assert_eq!(bundle.to_bytes(), bytes);
        }
    }
}
