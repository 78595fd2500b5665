//! The door, without a hub: what gets through, what is answered, what is not.

use cortex_core::envelope::KeyId;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::ring::Phase;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn task_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn anchor() -> SigningKey {
    SigningKey::from_bytes(&[8; 32])
}

fn guard() -> Guard {
    Guard::new(Authority {
        hub: HubId::from_bytes([1; 16]),
        node: NodeId::from_bytes([2; 16]),
        task_keys: vec![task_key().verifying_key()],
        anchor: Some(anchor().verifying_key()),
        bundle: None,
    })
}

fn sealed(
    kind: Kind,
    payload_type: &str,
    payload: &[u8],
    bend: impl FnOnce(&mut Envelope),
) -> Sealed {
    let mut envelope = Envelope {
        kind,
        key: KeyId::of(&task_key().verifying_key()),
        hub: HubId::from_bytes([1; 16]),
        node: NodeId::from_bytes([2; 16]),
        session: SessionId::from_bytes([3; 16]),
        epoch: 0,
        task: TaskId::from_bytes([4; 16]),
        attempt: 1,
        sequence: 1,
        issued_at: NOW,
        expires_at: NOW + std::time::Duration::from_secs(60),
        nonce: [9; 16],
        policy: [0xaa; 32],
        payload_type: payload_type.to_owned(),
        payload_len: 0,
        payload_digest: [0; 32],
    }
    .for_payload(payload);
    bend(&mut envelope);
    let signed = envelope.sign(&task_key());
    Sealed {
        envelope: signed.envelope.into(),
        payload: payload.to_vec().into(),
        signature: signed.signature.to_vec().into(),
    }
}

fn rule_of(ruling: Ruling) -> String {
    match ruling {
        Ruling::Reject { rule, .. } => rule,
        other => panic!("expected a rejection, got {other:?}"),
    }
}

#[test]
fn without_a_policy_no_task_gets_through() {
    let mut guard = guard();
    guard.opened(1);
    let task = sealed(Kind::Task, TASK_TYPE, b"", |envelope| envelope.epoch = 1);
    assert_eq!(rule_of(guard.judge(task, NOW)), "POLICY_STALE");
}

#[test]
fn row_21_tasks_must_be_planned_against_the_newest_policy() {
    let mut guard = guard();
    guard.opened(3);
    // Mode PERMISSIVE: field 1, value 2.
    let policy: &[u8] = &[0x08, 0x02];
    let configured = sealed(Kind::Policy, POLICY_TYPE, policy, |_| ());
    let ruling = guard.judge_apart(configured, NOW);
    assert!(matches!(ruling, Ruling::Obey(Order::Adopt(_))), "{ruling:?}");
    let planned = |envelope: &mut Envelope| {
        envelope.epoch = 3;
        envelope.policy = Sha256::digest(policy).into();
    };
    // Past the door, though the empty payload is no task.
    let task = sealed(Kind::Task, TASK_TYPE, b"", planned);
    assert_eq!(rule_of(guard.judge(task, NOW)), "BAD_TASK");
    let newer = sealed(Kind::Policy, POLICY_TYPE, &[], |envelope| {
        (envelope.epoch, envelope.sequence) = (3, 2);
    });
    assert!(matches!(guard.judge(newer, NOW), Ruling::Obey(Order::Adopt(_))));
    let late = sealed(Kind::Task, TASK_TYPE, b"", |envelope| {
        planned(envelope);
        envelope.sequence = 3;
    });
    assert_eq!(rule_of(guard.judge(late, NOW)), "POLICY_STALE");
}

#[test]
fn a_policy_of_the_configuration_is_no_message_of_a_stream() {
    let mut guard = guard();
    guard.opened(1);
    let configured = sealed(Kind::Policy, POLICY_TYPE, &[0x08, 0x02], |_| ());
    assert!(matches!(guard.judge(configured, NOW), Ruling::Ignore), "epoch 0 is fenced");
    let streamed = sealed(Kind::Policy, POLICY_TYPE, &[0x08, 0x02], |envelope| envelope.epoch = 1);
    assert!(matches!(guard.judge_apart(streamed, NOW), Ruling::Ignore));
    let task = sealed(Kind::Task, TASK_TYPE, b"", |_| ());
    assert!(matches!(guard.judge_apart(task, NOW), Ruling::Ignore), "a task is no policy");
}

#[test]
fn row_16_sequences_only_grow_within_an_epoch() {
    let mut guard = guard();
    guard.opened(1);
    let cancel = |epoch, sequence| {
        sealed(Kind::Cancel, CANCEL_TYPE, b"", move |envelope| {
            (envelope.epoch, envelope.sequence) = (epoch, sequence);
        })
    };
    // An unreadable cancel is ignored, but it has used up its sequence.
    guard.judge(cancel(1, 5), NOW);
    assert_eq!(guard.last_sequence, 5);
    guard.judge(cancel(1, 5), NOW);
    assert_eq!(guard.refused, 1);
    guard.judge(cancel(1, 4), NOW);
    assert_eq!(guard.refused, 2);
    guard.opened(2);
    guard.judge(cancel(1, 6), NOW);
    assert_eq!((guard.refused, guard.last_sequence), (3, 0));
    guard.judge(cancel(2, 1), NOW);
    assert_eq!((guard.refused, guard.last_sequence), (3, 1));
}

/// A bundle with these task keys, each in its phase, signed by `by`.
fn bundle(serial: u64, keys: &[(u8, Phase)], by: &SigningKey) -> SealedBundle {
    let key = |seed: &u8| SigningKey::from_bytes(&[*seed; 32]).verifying_key();
    let bundle = Bundle {
        hub: HubId::from_bytes([1; 16]),
        node: NodeId::from_bytes([2; 16]),
        serial,
        issued_at: NOW,
        authorities: vec![bundle::Trusted { key: vec![1], phase: Phase::Active }],
        task_keys: keys
            .iter()
            .map(|(seed, phase)| bundle::Trusted { key: key(seed), phase: *phase })
            .collect(),
    };
    let signed = bundle.sign(by);
    SealedBundle { bundle: signed.bundle.into(), signature: signed.signature.to_vec().into() }
}

#[test]
fn the_keys_of_the_newest_bundle_count_and_no_others() {
    let mut guard = guard();
    let cancel = || sealed(Kind::Cancel, CANCEL_TYPE, b"", |_| ());
    let accepts = |guard: &Guard, now| guard.verify(&cancel(), 0, 0, now).is_ok();
    assert!(accepts(&guard, NOW), "the key of the enrolment, before there is a bundle");
    let until = NOW + std::time::Duration::from_secs(5);
    let tainted = Phase::Tainted { until };
    let rotated = bundle(3, &[(6, Phase::Active), (7, tainted)], &anchor());
    assert_eq!(guard.trust(&rotated).unwrap().map(|bundle| bundle.serial), Some(3));
    assert_eq!(guard.trust(&rotated), Ok(None), "the same again");
    assert!(accepts(&guard, until - std::time::Duration::from_millis(1)));
    assert!(!accepts(&guard, until), "by the node's own clock");
    for (refused, word) in [
        (bundle(9, &[(7, Phase::Active)], &task_key()), "BAD_SIGNATURE"),
        (bundle(2, &[(7, Phase::Active)], &anchor()), "OLDER"),
        (bundle(3, &[(7, Phase::Active)], &anchor()), "OLDER"),
    ] {
        let refusal = guard.trust(&refused).unwrap_err();
        assert!(refusal.to_string().starts_with(word), "{refusal}");
    }
    assert!(!accepts(&guard, until));
}

#[test]
fn a_bundle_in_a_stream_needs_the_streams_signature_too() {
    let mut guard = guard();
    guard.opened(1);
    let told = bundle(2, &[(6, Phase::Active), (7, Phase::Retiring)], &anchor());
    // Fields 1 and 2: bytes.
    let mut payload = Vec::new();
    for (tag, bytes) in [(0x0a, &told.bundle), (0x12, &told.signature)] {
        payload.push(tag);
        prost::encoding::encode_varint(bytes.len() as u64, &mut payload);
        payload.extend_from_slice(bytes);
    }
    let control = sealed(Kind::Control, BUNDLE_TYPE, &payload, |envelope| envelope.epoch = 1);
    let mut forged = control.clone();
    forged.signature = vec![0; 64].into();
    assert!(matches!(guard.judge(forged, NOW), Ruling::Ignore));
    let ruling = guard.judge(control, NOW);
    let Ruling::Obey(Order::Trust(bundle)) = ruling else { panic!("{ruling:?}") };
    assert!(guard.trust(&bundle).unwrap().is_some());
}

#[test]
fn without_an_anchor_no_bundle_counts() {
    let mut guard = guard();
    guard.authority.anchor = None;
    let any = bundle(2, &[(6, Phase::Active)], &anchor());
    assert_eq!(guard.trust(&any), Ok(None));
    assert_eq!(guard.keys(NOW), [task_key().verifying_key()]);
}

#[test]
fn a_task_for_another_node_is_not_answered() {
    let mut guard = guard();
    let other = sealed(Kind::Task, TASK_TYPE, b"", |envelope| {
        envelope.node = NodeId::from_bytes([8; 16]);
    });
    assert!(matches!(guard.judge(other, NOW), Ruling::Ignore));
    let stranger = SigningKey::from_bytes(&[8; 32]);
    let mut forged = sealed(Kind::Task, TASK_TYPE, b"", |_| ());
    let envelope = Envelope::from_bytes(&forged.envelope).unwrap();
    forged.signature = envelope.sign(&stranger).signature.to_vec().into();
    assert!(matches!(guard.judge(forged, NOW), Ruling::Ignore));
    assert_eq!(guard.refused, 2);
}

#[test]
fn row_20_an_unsigned_message_of_any_kind_is_not_obeyed() {
    let kinds = [
        (Kind::Task, TASK_TYPE),
        (Kind::Cancel, CANCEL_TYPE),
        (Kind::Policy, POLICY_TYPE),
        (Kind::FileOp, "cortex.v1.FileSyncMessage"),
        (Kind::Control, CONTROL_TYPE),
    ];
    // Suspend: field 1, value 1. As a policy: mode STRICT.
    let payload: &[u8] = &[0x08, 0x01];
    for (count, (kind, payload_type)) in (1..).zip(kinds) {
        let mut guard = guard();
        guard.policy = [0xaa; 32];
        let good = || sealed(kind, payload_type, payload, |_| ());
        let mut flipped = good().signature.to_vec();
        flipped[count] ^= 1;
        for signature in [Vec::new(), vec![0; 64], flipped] {
            let unsigned = Sealed { signature: signature.into(), ..good() };
            assert!(matches!(guard.judge(unsigned.clone(), NOW), Ruling::Ignore), "{kind:?}");
            assert!(matches!(guard.judge_apart(unsigned, NOW), Ruling::Ignore), "{kind:?}");
        }
        assert_eq!((guard.refused, guard.last_sequence), (6, 0), "{kind:?}");
        guard.judge(good(), NOW);
        assert_eq!((guard.refused, guard.last_sequence), (6, 1), "{kind:?} passes when signed");
    }
}

#[test]
fn a_control_is_obeyed_in_its_stream_and_with_a_refusal() {
    let mut guard = guard();
    let control =
        |bend: fn(&mut Envelope)| sealed(Kind::Control, CONTROL_TYPE, &[0x08, 0x02], bend);
    let apart = guard.judge_apart(control(|_| ()), NOW);
    assert!(matches!(apart, Ruling::Obey(Order::Control(_))), "{apart:?}");
    guard.opened(7);
    assert!(matches!(guard.judge(control(|_| ()), NOW), Ruling::Ignore), "epoch 0 is fenced");
    let ruling = guard.judge(control(|envelope| envelope.epoch = 7), NOW);
    assert!(matches!(ruling, Ruling::Obey(Order::Control(_))), "{ruling:?}");
    let unknown = sealed(Kind::Control, CONTROL_TYPE, &[0x08, 0x09], |envelope| {
        (envelope.epoch, envelope.sequence) = (7, 2);
    });
    assert!(matches!(guard.judge(unknown, NOW), Ruling::Ignore), "of a newer hub");
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_never_obeyed(
        envelope in prop::collection::vec(any::<u8>(), 0..300),
        payload in prop::collection::vec(any::<u8>(), 0..50),
        signature in prop::collection::vec(any::<u8>(), 0..70),
    ) {
        let message = Sealed {
            envelope: envelope.into(),
            payload: payload.into(),
            signature: signature.into(),
        };
        prop_assert!(matches!(guard().judge(message, NOW), Ruling::Ignore));
    }

    #[test]
    fn arbitrary_payloads_that_are_signed_break_nothing(
        payload in prop::collection::vec(any::<u8>(), 0..80),
        kind in 0usize..5,
    ) {
        let kinds = [
            (Kind::Task, TASK_TYPE),
            (Kind::Cancel, CANCEL_TYPE),
            (Kind::Policy, POLICY_TYPE),
            (Kind::FileOp, "x"),
            (Kind::Control, "y"),
        ];
        let mut guard = guard();
        guard.policy = [0xaa; 32];
        let message = sealed(kinds[kind].0, kinds[kind].1, &payload, |_| ());
        guard.judge(message, NOW);
        prop_assert_eq!((guard.refused, guard.last_sequence), (0, 1));
    }
}
