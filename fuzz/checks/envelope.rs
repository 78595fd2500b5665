//! Signed messages from a hub: what nobody signed is never accepted.

use cortex_core::envelope::Envelope;
use cortex_core::envelope::Expected;
use cortex_core::envelope::verify;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::timestamp::Timestamp;
use ed25519_dalek::SigningKey;

/// The input is 64 bytes of signature, 8 bytes of payload, and the envelope.
pub(crate) fn check(data: &[u8]) {
    let (signature, rest) = data.split_at(data.len().min(64));
    let (payload, envelope) = rest.split_at(rest.len().min(8));
    let parsed = Envelope::from_bytes(envelope);
    if let Some(parsed) = &parsed {
        assert_eq!(parsed.to_bytes(), envelope, "one envelope has one form");
    }
    // The key of the published vector.
    let key = SigningKey::from_bytes(&[7; 32]);
    let keys = [key.verifying_key()];
    let expected = Expected {
        keys: &keys,
        hub: HubId::from_bytes([1; 16]),
        node: NodeId::from_bytes([2; 16]),
        epoch: 5,
        last_sequence: 41,
        policy: Some([0xaa; 32]),
        now: Timestamp::from_millis(1_700_000_000_000),
    };
    if let Ok(accepted) = verify(envelope, signature, payload, &expected) {
        // Only what the key's holder signed: that is the vector alone.
        assert_eq!(accepted.sign(&key).signature, signature);
        assert_eq!(Some(accepted), parsed);
    }
}
