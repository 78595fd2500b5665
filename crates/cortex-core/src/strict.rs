//! Ed25519 signatures, verified strictly and without work that comes to nothing.

use ed25519_dalek::Signature;
use ed25519_dalek::Verifier as _;
use ed25519_dalek::VerifyingKey;

/// The eight points of small order, as a signature would carry them.
const SMALL_ORDER: [[u8; 32]; 8] = {
    let mut all = [[0; 32]; 8];
    // The neutral element, the point of order two, and the two of order four.
    all[0][0] = 1;
    all[1] = [0xff; 32];
    (all[1][0], all[1][31]) = (0xec, 0x7f);
    all[3][31] = 0x80;
    // The four of order eight: two, each with either sign.
    all[4] = *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\
                \xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05";
    all[5] = all[4];
    all[5][31] |= 0x80;
    all[6] = *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\
                \x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a";
    all[7] = all[6];
    all[7][31] |= 0x80;
    all
};

/// Verifies a signature exactly as [`VerifyingKey::verify_strict`] does.
///
/// That decompresses the signature's point only to see whether it is of small order. A good
/// signature carries the canonical bytes of a point that was just reckoned, and only eight of these
/// are of small order: to compare the bytes says the same. Signatures are not verified in batches:
/// the equation of a batch is a looser one, and who signs could make a receipt that the hub takes
/// and whoever looks at it later refuses.
#[must_use]
pub(crate) fn is_good(key: &VerifyingKey, message: &[u8], signature: &Signature) -> bool {
    let is_small = SMALL_ORDER.contains(signature.r_bytes());
    !is_small && !key.is_weak() && key.verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signer as _;
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_points_of_small_order_are_these_eight() {
        for (index, bytes) in SMALL_ORDER.iter().enumerate() {
            let point = VerifyingKey::from_bytes(bytes).unwrap();
            assert!(point.is_weak(), "{index}");
            // Canonical: read and written again they are the same.
            assert_eq!(point.as_bytes(), bytes);
            assert!(!SMALL_ORDER[..index].contains(bytes), "{index} is there twice");
        }
    }

    #[test]
    fn a_weak_key_and_a_weak_signature_are_refused_though_their_equation_holds() {
        // With the neutral element as key and as point, and zero, the equation holds for anything.
        let weak = VerifyingKey::from_bytes(&SMALL_ORDER[0]).unwrap();
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&SMALL_ORDER[0]);
        let signature = Signature::from_bytes(&bytes);
        assert!(weak.verify(b"anything", &signature).is_ok());
        assert!(weak.verify_strict(b"anything", &signature).is_err());
        assert!(!is_good(&weak, b"anything", &signature));
    }

    proptest! {
        #[test]
        fn it_says_what_the_library_says(
            seed: [u8; 32],
            message: Vec<u8>,
            flip in prop::option::of(0_usize..512),
            point in prop::option::weighted(0.2, 0_usize..8),
        ) {
            let key = SigningKey::from_bytes(&seed);
            let mut bytes = key.sign(&message).to_bytes();
            if let Some(bit) = flip {
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            if let Some(point) = point {
                bytes[..32].copy_from_slice(&SMALL_ORDER[point]);
            }
            let (key, signature) = (key.verifying_key(), Signature::from_bytes(&bytes));
            let strict = key.verify_strict(&message, &signature).is_ok();
            prop_assert_eq!(is_good(&key, &message, &signature), strict);
            prop_assert_eq!(strict, flip.is_none() && point.is_none());
        }
    }
}
