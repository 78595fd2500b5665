use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn token(node: u8) -> Subject {
    Subject::Token(NodeId::from_bytes([node; 16]))
}

#[test]
fn a_challenge_is_good_once_for_its_subject_and_a_minute() {
    let challenges = Challenges::default();
    let last = NOW + LIFE - Duration::from_millis(1);
    let at_end = challenges.issue(token(1), NOW).unwrap();
    challenges.redeem(&at_end, token(1), last).unwrap();
    let again = challenges.redeem(&at_end, token(1), NOW).unwrap_err();
    assert_eq!((again.kind(), again.code()), (Kind::Unauthenticated, "challenge_unknown"));

    let late = challenges.issue(token(1), NOW).unwrap();
    assert!(challenges.redeem(&late, token(1), NOW + LIFE).is_err());
    for bad in [&[][..], &[0; 31], &[0; 32], &[0; 33]] {
        assert!(challenges.redeem(bad, token(1), NOW).is_err());
    }
}

#[test]
fn a_challenge_is_not_good_for_another_subject_or_purpose() {
    let challenges = Challenges::default();
    let node = NodeId::from_bytes([1; 16]);
    let others =
        [token(2), Subject::Stream(node), Subject::Enrolment(InviteId::from_bytes([1; 16]))];
    for other in others {
        let challenge = challenges.issue(token(1), NOW).unwrap();
        assert!(challenges.redeem(&challenge, other, NOW).is_err(), "{other:?}");
    }
    let challenge = challenges.issue(token(1), NOW).unwrap();
    assert!(challenges.redeem(&challenge, token(2), NOW).is_err());
    // The wrong bearer has used it up.
    assert!(challenges.redeem(&challenge, token(1), NOW).is_err());
}

#[test]
fn a_full_shelf_refuses_until_something_ends_and_leaves_the_others_alone() {
    let challenges = Challenges::with_capacity(3);
    let mut open: Vec<_> = (0..3)
        .map(|after| NOW + Duration::from_secs(after))
        .map(|at| challenges.issue(token(1), at).unwrap())
        .collect();
    let later = NOW + LIFE;
    let full = challenges.issue(token(1), later - Duration::from_millis(1)).unwrap_err();
    assert_eq!((full.kind(), full.code()), (Kind::Exhausted, "challenges_exhausted"));
    challenges.issue(Subject::Stream(NodeId::from_bytes([1; 16])), NOW).unwrap();

    // The first has expired: its place is free, and only its.
    challenges.issue(token(1), later).unwrap();
    assert!(challenges.issue(token(1), later).is_err());
    // A used one makes room at once.
    challenges.redeem(&open.pop().unwrap(), token(1), later).unwrap();
    challenges.issue(token(1), later).unwrap();
}

#[test]
fn of_many_that_race_one_wins() {
    let challenges = Challenges::default();
    for _ in 0..64 {
        let challenge = challenges.issue(token(1), NOW).unwrap();
        let (start, wins) = (Barrier::new(8), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    if challenges.redeem(&challenge, token(1), NOW).is_ok() {
                        wins.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(wins.into_inner(), 1);
    }
}

#[derive(Debug, Clone)]
enum Act {
    Issue { subject: u8 },
    Redeem { which: prop::sample::Index, subject: u8 },
    Wait { seconds: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..3_u8).prop_map(|subject| Act::Issue { subject }),
        (any::<prop::sample::Index>(), 0..3_u8)
            .prop_map(|(which, subject)| Act::Redeem { which, subject }),
        (0..40_u64).prop_map(|seconds| Act::Wait { seconds }),
    ]
}

proptest! {
    #[test]
    fn it_behaves_like_a_plain_list(acts in prop::collection::vec(act(), 0..80)) {
        const ROOM: usize = 5;
        let challenges = Challenges::with_capacity(ROOM);
        let mut now = NOW;
        let mut issued: Vec<([u8; CHALLENGE_LEN], u8, Timestamp, bool)> = Vec::new();
        for act in acts {
            match act {
                Act::Wait { seconds } => now = now + Duration::from_secs(seconds),
                Act::Issue { subject } => {
                    let open = issued.iter().filter(|(_, _, at, used)| !used && now < *at + LIFE);
                    let has_room = open.count() < ROOM;
                    let result = challenges.issue(token(subject), now);
                    prop_assert_eq!(result.is_ok(), has_room);
                    issued.extend(result.map(|challenge| (challenge, subject, now, false)));
                }
                Act::Redeem { which, subject } if !issued.is_empty() => {
                    let known = which.get(&issued);
                    let is_good = !known.3 && known.1 == subject && now < known.2 + LIFE;
                    let challenge = known.0;
                    let result = challenges.redeem(&challenge, token(subject), now);
                    prop_assert_eq!(result.is_ok(), is_good);
                    let used = issued.iter_mut().find(|(other, ..)| *other == challenge);
                    used.expect("it was just found").3 = true;
                }
                Act::Redeem { .. } => {}
            }
            let shelf = crate::trust::lock(challenges.shelf(token(0)));
            prop_assert_eq!(shelf.open.len(), shelf.by_end.len());
            prop_assert!(shelf.open.len() <= ROOM);
        }
    }
}
