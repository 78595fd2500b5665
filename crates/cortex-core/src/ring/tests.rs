use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const OVERLAP: Duration = Duration::from_secs(10);

fn phases(ring: &Ring<u32>) -> Vec<(u32, &'static str)> {
    ring.members().map(|(key, phase)| (*key, phase.word())).collect()
}

fn apply(
    ring: &Ring<u32>,
    act: Act,
    now: Timestamp,
    early: bool,
    next: u32,
) -> Result<Ring<u32>, Misstep> {
    match act {
        Act::Prepare => ring.prepare(next),
        Act::Activate => ring.activate(),
        Act::Taint => ring.taint(now + OVERLAP),
        Act::Revoke => ring.revoke(now, early),
        Act::Rollback => ring.rollback(now),
    }
}

#[test]
fn a_whole_rotation_follows_its_own_advice() {
    let mut ring = Ring::new(1);
    let mut seen = Vec::new();
    for act in [Act::Prepare, Act::Activate, Act::Taint, Act::Revoke] {
        assert_eq!(ring.next_act(), act);
        let others = Act::ALL.into_iter().filter(|other| ![act, Act::Rollback].contains(other));
        assert!(others.into_iter().all(|other| apply(&ring, other, NOW, true, 9).is_err()));
        ring = apply(&ring, act, NOW, true, 2).unwrap();
        seen.push(phases(&ring));
    }
    assert_eq!(
        seen,
        [
            vec![(1, "active"), (2, "prepared")],
            vec![(2, "active"), (1, "retiring")],
            vec![(2, "active"), (1, "tainted")],
            vec![(2, "active")],
        ]
    );
    assert_eq!(ring.rollback(NOW), Err(Misstep::NothingToTakeBack));
}

#[test]
fn a_rollback_goes_back_to_the_first_ring_from_everywhere() {
    let first = Ring::new(1);
    let prepared = first.prepare(2).unwrap();
    let activated = prepared.activate().unwrap();
    let tainted = activated.taint(NOW + OVERLAP).unwrap();
    for ring in [&activated, &tainted] {
        assert_eq!(ring.rollback(NOW), Ok(prepared.clone()));
    }
    assert_eq!(prepared.rollback(NOW), Ok(first));
}

#[test]
fn the_end_of_a_taint_is_exact() {
    let until = NOW + OVERLAP;
    let ring = Ring::new(1).prepare(2).unwrap().activate().unwrap().taint(until).unwrap();
    let last = until - Duration::from_millis(1);
    assert_eq!(ring.accepted(last).collect::<Vec<_>>(), [&2, &1]);
    assert_eq!(ring.accepted(until).collect::<Vec<_>>(), [&2]);
    assert_eq!(ring.revoke(last, false), Err(Misstep::StillAccepted { until }));
    assert_eq!(ring.revoke(last, true), Ok(Ring::new(2)));
    assert_eq!(ring.revoke(until, false), Ok(Ring::new(2)));
    assert_eq!(ring.rollback(until), Err(Misstep::TooLate));
}

#[test]
fn a_ring_is_the_same_after_json() {
    let mut ring = Ring::new(1);
    for act in [Act::Prepare, Act::Activate, Act::Taint] {
        ring = apply(&ring, act, NOW, false, 2).unwrap();
        let text = serde_json::to_string(&ring).unwrap();
        assert_eq!(serde_json::from_str::<Ring<u32>>(&text).unwrap(), ring, "{text}");
    }
    assert_eq!("taint".parse(), Ok(Act::Taint));
    assert_eq!("Taint".parse::<Act>(), Err(ParseActError));
}

fn acts() -> impl Strategy<Value = Vec<(Act, u64, bool)>> {
    let act = prop::sample::select(Act::ALL.to_vec());
    prop::collection::vec((act, 0..15_000_u64, any::<bool>()), 0..60)
}

proptest! {
    #[test]
    fn every_order_of_acts_keeps_the_promises(acts in acts()) {
        let (mut ring, mut now, mut made) = (Ring::new(1), NOW, 1);
        let (mut revoked, mut known) = (HashSet::new(), HashSet::from([1]));
        for (act, millis, early) in acts {
            now = now + Duration::from_millis(millis);
            made += 1;
            let before: HashSet<u32> = ring.members().map(|(key, _)| *key).collect();
            let Ok(next) = apply(&ring, act, now, early, made) else { continue };
            let members: Vec<(u32, Phase)> =
                next.members().map(|(key, phase)| (*key, phase)).collect();
            let active = members.iter().filter(|(_, phase)| *phase == Phase::Active).count();
            prop_assert_eq!(active, 1);
            prop_assert!(members.len() <= 2);
            prop_assert!(next.accepted(now).any(|key| key == next.active()));
            // Whoever signs was known to everybody one step before.
            prop_assert!(known.contains(next.active()));
            // What left the ring never comes back.
            let after: HashSet<u32> = members.iter().map(|(key, _)| *key).collect();
            revoked.extend(before.difference(&after));
            prop_assert!(revoked.is_disjoint(&after));
            prop_assert!(next.accepted(now).all(|key| !revoked.contains(key)));
            known.extend(after);
            ring = next;
        }
    }
}
