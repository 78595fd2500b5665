use std::collections::BTreeMap;
use std::time::Duration;

use cortex_core::task::TaskSpec;
use proptest::prelude::*;

use super::*;

fn node(id: u8) -> NodeId {
    NodeId::from_bytes([id; 16])
}

fn user(id: u8) -> UserId {
    UserId::from_bytes([id; 16])
}

fn id(id: u8) -> TaskId {
    TaskId::from_bytes([id; 16])
}

fn task(number: u8, of: u8, priority: u8) -> Task {
    let mut spec = TaskSpec::argv(["true"]);
    spec.delivery.priority = priority;
    let session = SessionId::from_bytes([1; 16]);
    Task::submitted(id(number), session, user(of), Arc::new(spec), Timestamp::from_millis(1))
}

fn seat(on: u8, at: Instant, claimed: bool) -> Seat {
    Seat { node: node(on), epoch: 7, at, claimed }
}

fn order(queue: &Queue) -> Vec<TaskId> {
    let heads = queue.heads(usize::MAX);
    heads.into_iter().flat_map(|head| head.tasks).map(|(_, task)| task).collect()
}

#[test]
fn a_line_is_in_order_of_priority_then_of_age() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for (number, priority) in [(3, 128), (1, 128), (2, 200), (4, 0)] {
        queue.insert(&task(number, 1, priority), now);
    }
    assert_eq!(order(&queue), [2, 1, 3, 4].map(id));
    assert_eq!(queue.heads(2)[0].tasks, [(200, id(2)), (128, id(1))]);
    assert_eq!(queue.standing(id(3)), Some((2, false)));
    // A task that loses its seat is back in its old place.
    assert!(queue.seat(id(2), seat(1, now, false)));
    assert_eq!(order(&queue), [1, 3, 4].map(id));
    assert!(!queue.seat(id(2), seat(2, now, false)), "it has one");
    assert_eq!(queue.release(id(2)).map(|seat| seat.node), Some(node(1)));
    assert_eq!(order(&queue), [2, 1, 3, 4].map(id));
}

#[test]
fn a_claim_counts_on_its_stream_and_once() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.insert(&task(1, 1, 0), now);
    assert!(!queue.claim(id(1), node(1), 7), "nothing is offered");
    assert!(queue.seat(id(1), seat(1, now, false)));
    assert!(!queue.claim(id(1), node(2), 7), "it is offered to another node");
    assert!(!queue.claim(id(1), node(1), 6), "it is offered on another stream");
    assert!(queue.claim(id(1), node(1), 7));
    assert!(!queue.claim(id(1), node(1), 7), "it is claimed");
    // What is claimed does not run out, and is not withdrawn.
    assert_eq!(queue.expire(now), []);
    assert_eq!(queue.withdraw(node(1)), []);
    assert_eq!((queue.held_on(node(1)), queue.held_by(user(1))), (1, 1));
    queue.remove(id(1));
    assert_eq!((queue.held_on(node(1)), queue.held_by(user(1)), queue.len()), (0, 0, 0));
}

#[test]
fn offers_run_out_the_oldest_first() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for number in 1..=3 {
        queue.insert(&task(number, 1, 0), now);
        let at = now + Duration::from_secs(number.into());
        assert!(queue.seat(id(number), seat(number, at, false)));
    }
    assert_eq!(queue.oldest_offer(), Some(now + Duration::from_secs(1)));
    let expired = queue.expire(now + Duration::from_secs(2));
    assert_eq!(expired.iter().map(|(task, _)| *task).collect::<Vec<_>>(), [1, 2].map(id));
    assert_eq!(queue.withdraw(node(3)), [id(3)]);
    assert_eq!(queue.oldest_offer(), None);
    assert_eq!(order(&queue), [1, 2, 3].map(id));
}

#[test]
fn deadlines_pass_in_order_whether_a_seat_is_kept_or_not() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for (number, millis) in [(1, 30), (2, 10), (3, 20)] {
        let mut one = task(number, 1, 0);
        let spec = Arc::make_mut(&mut one.spec);
        spec.delivery.deadline = Some(Timestamp::from_millis(millis));
        queue.insert(&one, now);
    }
    assert!(queue.seat(id(3), seat(1, now, true)));
    assert_eq!(queue.next_deadline(), Some(Timestamp::from_millis(10)));
    assert_eq!(queue.overdue(Timestamp::from_millis(20)), [2, 3].map(id));
    queue.remove(id(2));
    queue.remove(id(3));
    assert_eq!(queue.next_deadline(), Some(Timestamp::from_millis(30)));
}

#[derive(Debug, Clone)]
enum Act {
    Insert(u8, u8),
    Seat(u8, u8),
    Claim(u8, u8),
    Release(u8),
    Remove(u8),
    Expire,
    Withdraw(u8),
}

fn any_act() -> impl Strategy<Value = Act> {
    let task = 0_u8..6;
    let node = 0_u8..3;
    prop_oneof![
        (task.clone(), 0_u8..3).prop_map(|(task, of)| Act::Insert(task, of)),
        (task.clone(), node.clone()).prop_map(|(task, node)| Act::Seat(task, node)),
        (task.clone(), node.clone()).prop_map(|(task, node)| Act::Claim(task, node)),
        task.clone().prop_map(Act::Release),
        task.prop_map(Act::Remove),
        Just(Act::Expire),
        node.prop_map(Act::Withdraw),
    ]
}

proptest! {
    #[test]
    fn a_task_is_in_its_line_or_has_one_seat(acts in prop::collection::vec(any_act(), 0..60)) {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut known: BTreeMap<u8, u8> = BTreeMap::new();
        for act in acts {
            match act {
                Act::Insert(number, of) => {
                    if known.insert(number, of).is_none() {
                        queue.insert(&task(number, of, 0), now);
                    } else {
                        queue.remove(id(number));
                        queue.insert(&task(number, of, 0), now);
                    }
                }
                Act::Seat(task, on) => drop(queue.seat(id(task), seat(on, now, false)).then_some(())),
                Act::Claim(task, on) => drop(queue.claim(id(task), node(on), 7).then_some(())),
                Act::Release(task) => drop(queue.release(id(task)).map(|_| ())),
                Act::Remove(task) => {
                    known.remove(&task);
                    queue.remove(id(task));
                }
                Act::Expire => drop(queue.expire(now)),
                Act::Withdraw(on) => drop(queue.withdraw(node(on))),
            }
            let lined = order(&queue);
            let seated: Vec<_> =
                known.keys().filter_map(|task| Some((*task, queue.seat_of(id(*task))?.0))).collect();
            prop_assert_eq!(queue.len(), known.len());
            prop_assert_eq!(lined.len() + seated.len(), known.len());
            prop_assert_eq!(queue.has_lines(), !lined.is_empty());
            for on in 0..3 {
                let held = seated.iter().filter(|(_, seat)| seat.node == node(on)).count();
                prop_assert_eq!(queue.held_on(node(on)) as usize, held);
                let own = seated.iter().filter(|(task, _)| known[task] == on).count();
                prop_assert_eq!(queue.held_by(user(on)) as usize, own);
            }
        }
    }
}
