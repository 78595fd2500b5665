//! The published vector, and that nothing about a receipt can be changed.

use proptest::prelude::*;

use super::*;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[8; 32])
}

fn stream(bytes: &[u8]) -> StreamDigest {
    let mut hash = StreamHash::default();
    bytes.chunks(3).for_each(|piece| hash.update(piece));
    hash.finish(false)
}

fn vector() -> Receipt {
    Receipt {
        hub: HubId::from_bytes([1; 16]),
        node: NodeId::from_bytes([2; 16]),
        session: SessionId::from_bytes([3; 16]),
        task: TaskId::from_bytes([4; 16]),
        attempt: 1,
        envelope: Digest::from_bytes([0xee; 32]),
        ending: Ending::new(EndingKind::Exited, 0, b""),
        output: Output::Known { stdout: stream(b"hello\n"), stderr: StreamDigest::empty() },
        at: Timestamp::from_millis(1_700_000_000_500),
    }
}

#[test]
fn the_published_vector_holds() {
    let signed = vector().sign(&key());
    assert_eq!(signed.statement.len(), LEN);
    assert_eq!(LEN, 243);
    assert_eq!(stream(b"hello\n").digest, Digest::of(b"hello\n"));
    let page = include_str!("../../../../docs/design/receipt.md");
    let page: String = page.split_whitespace().collect();
    for published in [
        hex::encode(key().verifying_key().as_bytes()),
        hex::encode(&signed.statement),
        Digest::of(&signed.statement).to_string(),
        hex::encode(&signed.signature),
        signed.extend(chain_of(vector().session)).digest.to_string(),
    ] {
        assert!(page.contains(&published), "docs/design/receipt.md lacks {published}");
    }
    assert_eq!(signed.read(), Ok(vector()));
    assert_eq!(signed.verify(key().verifying_key().as_bytes()), Ok(()));
}

#[test]
fn a_weak_key_is_refused_though_its_equation_holds() {
    use ed25519_dalek::Verifier as _;
    // With the neutral element as key and as point, and zero, the equation holds for anything.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let weak = VerifyingKey::from_bytes(&neutral).unwrap();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&neutral);
    let signed = Signed { signature: signature.to_vec().into(), ..vector().sign(&key()) };
    assert!(weak.verify(&signed.statement, &Signature::from_bytes(&signature)).is_ok());
    assert_eq!(signed.verify_by(&weak), Err(Fault::BadSignature));
}

#[test]
fn every_flipped_bit_is_refused() {
    let signed = vector().sign(&key());
    let identity = key().verifying_key().to_bytes();
    let flip = |bytes: &bytes::Bytes, bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes::Bytes::from(bytes)
    };
    for bit in 0..LEN * 8 {
        let flipped = Signed { statement: flip(&signed.statement, bit), ..signed.clone() };
        assert_eq!(flipped.verify(&identity), Err(Fault::BadSignature), "statement bit {bit}");
        assert_ne!(flipped.read(), Ok(vector()), "statement bit {bit}");
    }
    for bit in 0..512 {
        let flipped = Signed { signature: flip(&signed.signature, bit), ..signed.clone() };
        assert_eq!(flipped.verify(&identity), Err(Fault::BadSignature), "signature bit {bit}");
    }
    let other = SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes();
    assert_eq!(signed.verify(&other), Err(Fault::BadSignature));
}

#[test]
fn one_statement_has_one_form() {
    let forgotten = Receipt { output: Output::Forgotten, ..vector() };
    let mut bytes = forgotten.to_bytes();
    assert_eq!(Receipt::from_bytes(&bytes), Some(forgotten));
    // A length beside the flag that says that lengths are not known.
    bytes[162] = 1;
    assert_eq!(Receipt::from_bytes(&bytes), None);
    let mut unknown_flag = vector().to_bytes();
    unknown_flag[154] = 8;
    assert_eq!(Receipt::from_bytes(&unknown_flag), None);
    let mut longer = vector().to_bytes();
    longer.push(0);
    assert_eq!(Receipt::from_bytes(&longer), None);
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_alike(bytes in prop::collection::vec(any::<u8>(), LEN)) {
        let mut bytes = bytes;
        bytes[..17].copy_from_slice(DOMAIN);
        bytes[117] = bytes[117] % 8 + 1;
        bytes[154] %= 4;
        let receipt = Receipt::from_bytes(&bytes).unwrap();
        prop_assert_eq!(receipt.to_bytes(), bytes);
    }

    #[test]
    fn arbitrary_bytes_break_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(Receipt::from_bytes(&bytes), None);
    }
}
