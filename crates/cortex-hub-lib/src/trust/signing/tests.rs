use std::collections::HashSet;

use cortex_core::envelope;
use cortex_core::envelope::Expected;
use cortex_core::envelope::Kind;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::timestamp::Timestamp;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const NODE: NodeId = NodeId::from_bytes([2; 16]);

fn signer() -> TaskSigner {
    TaskSigner::new(&Vault::sample(NOW)).unwrap()
}

fn envelope() -> Envelope {
    Envelope {
        kind: Kind::Task,
        key: KeyId([0; 8]),
        hub: HubId::from_bytes([0; 16]),
        node: NodeId::from_bytes([0; 16]),
        session: SessionId::from_bytes([3; 16]),
        epoch: 5,
        task: TaskId::from_bytes([4; 16]),
        attempt: 1,
        sequence: 42,
        issued_at: NOW,
        expires_at: NOW + envelope::MAX_LIFE,
        nonce: [0; 16],
        policy: [0xaa; 32],
        payload_type: "cortex.v1.TaskRequest".to_owned(),
        payload_len: 0,
        payload_digest: [0; 32],
    }
    .for_payload(b"payload")
}

#[test]
fn a_nodes_key_is_the_published_derivation() {
    // Computed apart from this code: HKDF-SHA256 of 07×32 without salt, hub 01×16, node 02×16.
    let signer = signer().for_epoch(NODE, 1);
    assert_eq!(
        hex::encode(signer.key.to_bytes()),
        "8668704bfa51b778a6136eb24fc838786cb1cb500b70d9dd75a47c5a55daa7b1"
    );
    assert_eq!(
        hex::encode(signer.verifying_key().as_bytes()),
        "0eecea1a960f46c084e80f435f74d82febad83b2540707a5cfe5b85f4a0a4b81"
    );
}

#[test]
fn nodes_and_epochs_have_keys_of_their_own() {
    let signer = signer();
    let other = NodeId::from_bytes([3; 16]);
    let keys = [signer.for_node(NODE), signer.for_epoch(NODE, 2), signer.for_node(other)]
        .map(|signer| signer.verifying_key().to_bytes());
    assert_eq!(HashSet::from(keys).len(), 3);
    assert_eq!(signer.for_node(NODE).verifying_key().to_bytes(), keys[0]);
}

#[test]
fn the_node_accepts_what_its_signer_signed_and_nothing_of_anothers() {
    let signer = signer();
    let (own, others) = (signer.for_node(NODE), signer.for_node(NodeId::from_bytes([3; 16])));
    let keys = [own.verifying_key()];
    let expected = Expected {
        keys: &keys,
        hub: HubId::from_bytes([1; 16]),
        node: NODE,
        epoch: 5,
        last_sequence: 41,
        policy: Some([0xaa; 32]),
        now: NOW,
    };
    let verify = |signed: &Signed| {
        envelope::verify(&signed.envelope, &signed.signature, b"payload", &expected)
    };
    let accepted = verify(&own.sign(envelope())).unwrap();
    assert_eq!((accepted.hub, accepted.node), (expected.hub, NODE));
    assert_eq!(accepted.key, own.key_id());
    assert_eq!(verify(&others.sign(envelope())), Err(envelope::Refusal::UnknownKey));
}

#[test]
fn no_two_nonces_are_equal() {
    let signer = signer();
    let mut nonces = HashSet::new();
    for _ in 0..4 {
        let node = signer.for_node(NODE);
        for _ in 0..64 {
            let signed = node.sign(envelope());
            nonces.insert(Envelope::from_bytes(&signed.envelope).unwrap().nonce);
        }
    }
    assert_eq!(nonces.len(), 4 * 64);
}
