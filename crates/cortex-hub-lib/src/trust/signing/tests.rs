use std::collections::HashSet;

use cortex_core::envelope;
use cortex_core::envelope::Expected;
use cortex_core::envelope::Kind;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::ring::Act;
use zeroize::Zeroizing;

use super::*;
use crate::trust::Purpose;
use crate::trust::Step;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const NODE: NodeId = NodeId::from_bytes([2; 16]);

fn signer() -> Arc<TaskSigner> {
    Arc::new(TaskSigner::new(&Vault::sample(NOW)).unwrap())
}

fn signer_of(signer: &TaskSigner, node: NodeId) -> NodeSigner {
    signer.signer(node, &signer.rings.borrow())
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
    let signer = signer_of(&signer(), NODE);
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
fn nodes_and_masters_have_keys_of_their_own() {
    let signer = signer();
    let other = NodeId::from_bytes([3; 16]);
    let master = |number| Member { number, key: Master::from_bytes(Zeroizing::new([7; 32])) };
    let keys = [
        signer_of(&signer, NODE).verifying_key(),
        signer_of(&signer, other).verifying_key(),
        signer.derive(NODE, &master(2)).verifying_key(),
    ];
    assert_eq!(HashSet::from(keys.map(|key| key.to_bytes())).len(), 3);
    assert_eq!(signer.derive(NODE, &master(1)).verifying_key(), keys[0]);
}

#[test]
fn a_bundle_says_what_the_rings_say_and_stays_the_same_with_them() {
    let signer = signer();
    let following = signer.follow(NODE);
    let signed = following.bundle();
    assert_eq!(signer.follow(NODE).bundle(), signed);
    let anchor = signer.anchor();
    let hub = HubId::from_bytes([1; 16]);
    let expected = bundle::Expected { anchor: &anchor, hub, node: NODE, held: None };
    let bundle = bundle::verify(&signed.bundle, &signed.signature, &expected).unwrap();
    assert_eq!((bundle.serial, bundle.issued_at), (1, NOW));
    let keys: Vec<_> = bundle.accepted_task_keys(NOW).copied().collect();
    assert_eq!(keys, [following.signer().verifying_key()]);
    assert_eq!(keys, signer.task_keys(NODE, NOW));
    assert_eq!(bundle.accepted_authorities(NOW).count(), 1);
}

#[tokio::test]
async fn a_follower_hears_of_a_change_and_signs_with_the_former_key_until_it_advances() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open(dir.path(), NOW).unwrap();
    let signer = Arc::new(TaskSigner::new(&vault).unwrap());
    let mut following = signer.follow(NODE);
    let first = following.signer().key_id();
    let mut ids = Vec::new();
    for act in [Act::Prepare, Act::Activate, Act::Rollback] {
        let step = Step { purpose: Purpose::Signing, act, until: NOW, early: false };
        vault.turn(&step, NOW).unwrap();
        following.changed().await;
        let before = following.signer().key_id();
        assert_eq!(following.advance().key_id(), before);
        ids.push(following.signer().key_id());
    }
    assert_eq!((ids[0], ids[2]), (first, first));
    assert_ne!(ids[1], first);
    assert_eq!(signer.task_keys(NODE, NOW).len(), 2);
}

#[test]
fn the_node_accepts_what_its_signer_signed_and_nothing_of_anothers() {
    let signer = signer();
    let own = signer_of(&signer, NODE);
    let others = signer_of(&signer, NodeId::from_bytes([3; 16]));
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
        let node = signer_of(&signer, NODE);
        for _ in 0..64 {
            let signed = node.sign(envelope());
            nonces.insert(Envelope::from_bytes(&signed.envelope).unwrap().nonce);
        }
    }
    assert_eq!(nonces.len(), 4 * 64);
}
