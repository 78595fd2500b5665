//! The checks one by one, to their edges; tests of `faults.md` by the number of their row.

use ed25519_dalek::SigningKey;

use super::*;
use crate::envelope::Signed;
use crate::id::SessionId;
use crate::id::TaskId;

const PAYLOAD: &[u8] = &[0x0a, 0x02, 0x6c, 0x73, 0x12, 0x02, 0x2d, 0x6c];

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn vector() -> Envelope {
    Envelope {
        kind: Kind::Task,
        key: KeyId::of(&key().verifying_key()),
        hub: HubId::from_bytes([1; 16]),
        node: NodeId::from_bytes([2; 16]),
        session: SessionId::from_bytes([3; 16]),
        epoch: 5,
        task: TaskId::from_bytes([4; 16]),
        attempt: 1,
        sequence: 42,
        issued_at: Timestamp::from_millis(1_700_000_000_000),
        expires_at: Timestamp::from_millis(1_700_000_060_000),
        nonce: [9; 16],
        policy: [0xaa; 32],
        payload_type: "cortex.v1.ShellTask".to_owned(),
        payload_len: 0,
        payload_digest: [0; 32],
    }
    .for_payload(PAYLOAD)
}

/// What a node expects to which the vector is sent.
fn expected(keys: &[VerifyingKey]) -> Expected<'_> {
    Expected {
        keys,
        hub: HubId::from_bytes([1; 16]),
        node: NodeId::from_bytes([2; 16]),
        epoch: 5,
        last_sequence: 41,
        policy: Some([0xaa; 32]),
        now: Timestamp::from_millis(1_700_000_000_000),
    }
}

fn check(signed: &Signed, change: impl FnOnce(&mut Expected<'_>)) -> Result<Envelope, Refusal> {
    let keys = [key().verifying_key()];
    let mut expected = expected(&keys);
    change(&mut expected);
    verify(&signed.envelope, &signed.signature, PAYLOAD, &expected)
}

#[test]
fn row_15_the_published_vector_holds() {
    let signed = vector().sign(&key());
    assert_eq!(signed.envelope.len(), 235);
    let digest = Sha256::digest(&signed.envelope);
    assert_eq!(
        hex::encode(digest),
        "987c78a396afc649ffc7fa557e5befd13deb2011c9e543f84a167c5f91f9623b"
    );
    assert_eq!(
        hex::encode(signed.signature),
        "65bc4b1ce62f75aea54bb29b479634f25be45a7a7c68c2cc97d056f6bf82fa10\
         55c4b5813b686e9c64422e5ea39c65e7ecac562d319a7b91caa9ba2d96d9c807"
    );
    assert_eq!(check(&signed, |_| ()), Ok(vector()));
}

#[test]
fn row_15_every_flipped_bit_is_refused() {
    let signed = vector().sign(&key());
    for bit in 0..signed.envelope.len() * 8 {
        let mut flipped = signed.clone();
        flipped.envelope[bit / 8] ^= 1 << (bit % 8);
        assert!(check(&flipped, |_| ()).is_err(), "envelope bit {bit}");
    }
    for bit in 0..512 {
        let mut flipped = signed.clone();
        flipped.signature[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check(&flipped, |_| ()), Err(Refusal::BadSignature), "signature bit {bit}");
    }
    let keys = [key().verifying_key()];
    for bit in 0..PAYLOAD.len() * 8 {
        let mut payload = PAYLOAD.to_vec();
        payload[bit / 8] ^= 1 << (bit % 8);
        let found = verify(&signed.envelope, &signed.signature, &payload, &expected(&keys));
        assert_eq!(found, Err(Refusal::PayloadMismatch), "payload bit {bit}");
    }
}

#[test]
fn row_16_a_replay_of_any_sort_is_refused() {
    let signed = vector().sign(&key());
    assert_eq!(check(&signed, |_| ()), Ok(vector()), "once");
    assert_eq!(check(&signed, |e| e.last_sequence = 42), Err(Refusal::Replay), "the same again");
    assert_eq!(check(&signed, |e| e.last_sequence = 43), Err(Refusal::Replay), "a lower one");
    for epoch in [0, 4, 6, u64::MAX] {
        assert_eq!(check(&signed, |e| e.epoch = epoch), Err(Refusal::Fenced), "epoch {epoch}");
    }
    let (node, hub) = (NodeId::from_bytes([8; 16]), HubId::from_bytes([8; 16]));
    assert_eq!(check(&signed, |e| e.node = node), Err(Refusal::WrongAddress), "another node");
    assert_eq!(check(&signed, |e| e.hub = hub), Err(Refusal::WrongAddress), "another hub");
    // Moved into another session, it is no longer what was signed.
    let mut moved = signed;
    moved.envelope[56..72].copy_from_slice(&[8; 16]);
    assert_eq!(check(&moved, |_| ()), Err(Refusal::BadSignature));
}

#[test]
fn row_18_time_is_checked_to_the_millisecond() {
    const ISSUED: i64 = 1_700_000_000_000;
    const EXPIRES: i64 = 1_700_000_060_000;
    let signed = vector().sign(&key());
    let at = |millis: i64| check(&signed, |e| e.now = Timestamp::from_millis(millis)).map(drop);
    for good in [ISSUED - 30_000, ISSUED, EXPIRES, EXPIRES + 30_000] {
        assert_eq!(at(good), Ok(()), "{good}");
    }
    let hour = 3_600_000;
    for bad in
        [ISSUED - 30_001, EXPIRES + 30_001, ISSUED - hour, EXPIRES + hour, i64::MIN, i64::MAX]
    {
        assert_eq!(at(bad), Err(Refusal::ClockSkew), "{bad}");
    }
    let living = |life: i64| {
        let mut envelope = vector();
        envelope.expires_at = Timestamp::from_millis(ISSUED.saturating_add(life));
        check(&envelope.sign(&key()), |_| ()).map(drop)
    };
    for good in [1, 600_000] {
        assert_eq!(living(good), Ok(()), "good for {good} ms");
    }
    for bad in [600_001, 0, -1, i64::MAX, i64::MIN] {
        assert_eq!(living(bad), Err(Refusal::ClockSkew), "good for {bad} ms");
    }
}

#[test]
fn row_20_nothing_unsigned_is_accepted_of_any_kind() {
    let kinds = [Kind::Task, Kind::Cancel, Kind::Policy, Kind::FileOp, Kind::Control, Kind::Input];
    let other = vector().sign(&key());
    for kind in kinds {
        let envelope = Envelope { kind, sequence: 43, ..vector() };
        let good = envelope.sign(&key());
        assert_eq!(check(&good, |_| ()), Ok(envelope.clone()), "{kind:?}");
        let forged = envelope.sign(&SigningKey::from_bytes(&[6; 32]));
        for signature in [[0; 64], [0xff; 64], other.signature, forged.signature] {
            let unsigned = Signed { signature, ..good.clone() };
            assert_eq!(check(&unsigned, |_| ()), Err(Refusal::BadSignature), "{kind:?}");
        }
        let keys = [key().verifying_key()];
        let cut =
            |len: usize| verify(&good.envelope, &good.signature[..len], PAYLOAD, &expected(&keys));
        for len in [0, 1, 32, 63] {
            assert_eq!(cut(len), Err(Refusal::BadSignature), "{kind:?}, {len} bytes");
        }
        assert_eq!(check(&good, |e| e.keys = &[]), Err(Refusal::UnknownKey), "{kind:?}");
    }
}

#[test]
fn row_21_what_was_planned_against_another_policy_is_refused() {
    let planned = |kind| {
        let signed = Envelope { kind, ..vector() }.sign(&key());
        check(&signed, |e| e.policy = Some([0; 32])).map(drop)
    };
    for kind in [Kind::Task, Kind::FileOp] {
        assert_eq!(planned(kind), Err(Refusal::PolicyStale), "{kind:?}");
    }
    for kind in [Kind::Cancel, Kind::Policy, Kind::Control, Kind::Input] {
        assert_eq!(planned(kind), Ok(()), "{kind:?} counts under every policy");
    }
}

#[test]
fn another_payload_is_refused() {
    let mut other = vector();
    other.payload_digest = [0; 32];
    assert_eq!(check(&other.sign(&key()), |_| ()), Err(Refusal::PayloadMismatch));
}

/// A small generator of the test's own, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// 100,000 messages that nobody signed: none is accepted.
#[test]
fn row_15_a_hundred_thousand_random_and_bent_messages_are_refused() {
    let mut random = Random(0xC0_57EC);
    let keys = [key().verifying_key()];
    let expected = expected(&keys);
    let good = vector().sign(&key());
    let mut refused = 0;
    for round in 0..100_000 {
        let (mut envelope, mut signature) = (good.envelope.clone(), good.signature.to_vec());
        let mut payload = PAYLOAD.to_vec();
        match round % 5 {
            0 => {
                let len = random.below(400);
                envelope = random.bytes(len);
                signature = random.bytes(64);
            }
            1 => {
                // As far as it can be right without a key: the signature is made up.
                let at = 104 + random.below(68);
                envelope[at] ^= u8::try_from(1 + random.below(255)).unwrap();
                signature = random.bytes(64);
            }
            _ => {
                let bytes = envelope.len() + signature.len() + payload.len();
                for _ in 0..1 + 2 * random.below(2) {
                    let (at, bit) = (random.below(bytes), 1 << random.below(8));
                    let all = envelope.iter_mut().chain(&mut signature).chain(&mut payload);
                    *{ all }.nth(at).unwrap() ^= bit;
                }
            }
        }
        let is_whole =
            envelope == good.envelope && signature == good.signature && payload == PAYLOAD;
        assert!(!is_whole, "an odd number of flips leaves nothing as it was");
        let found = verify(&envelope, &signature, &payload, &expected);
        assert!(found.is_err(), "round {round}: {found:?}");
        refused += 1;
    }
    assert_eq!(refused, 100_000);
}
