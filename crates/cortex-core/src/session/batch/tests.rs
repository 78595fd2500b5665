use proptest::prelude::*;

use super::*;
use crate::error::Kind;
use crate::id::NodeId;
use crate::id::UserId;
use crate::task::Outcome;
use crate::task::State;
use crate::task::Stream;
use crate::task::TaskSpec;

const NOW: Timestamp = Timestamp::from_millis(5);
const TASK: TaskId = TaskId::from_bytes([4; 16]);
const NODE: NodeId = NodeId::from_bytes([2; 16]);

fn session() -> Session {
    let owner = UserId::from_bytes([5; 16]);
    Session::new(SessionId::from_bytes([3; 16]), owner, "talk", NOW)
}

fn submitted() -> Happening {
    let by = UserId::from_bytes([5; 16]);
    let spec = Arc::new(TaskSpec::argv(["true"]));
    Happening::task(TASK, TaskEvent::Submitted { by, spec })
}

fn apply(what: Vec<Happening>) -> Result<Moved> {
    Batch { after: None, what, now: NOW }.apply(&session(), Seq(7), |_| None)
}

#[test]
fn a_batch_carries_a_task_from_submission_to_its_end() {
    let ended = TaskEvent::ended(1, Outcome::Exited { code: 0 });
    let moved = apply(vec![
        Happening::Attached { node: NODE },
        submitted(),
        Happening::task(TASK, TaskEvent::Assigned { attempt: 1, node: NODE }),
        Happening::task(TASK, ended),
    ])
    .unwrap();
    assert_eq!(moved.session.unwrap().nodes, [NODE]);
    assert_eq!(moved.head, Seq(11));
    let numbers = moved.appended.entries.iter().map(|entry| entry.seq);
    assert_eq!(numbers.collect::<Vec<_>>(), [Seq(8), Seq(9), Seq(10), Seq(11)]);
    let [task] = &*moved.appended.tasks else { panic!("one task moved") };
    assert_eq!((task.state, task.revision), (State::Succeeded, 3));
}

#[test]
fn a_session_that_stays_as_it_is_need_not_be_stored() {
    assert_eq!(apply(vec![submitted()]).unwrap().session, None);
}

#[test]
fn refusals_have_their_kind_and_code() {
    let refusal = |what: Vec<Happening>| {
        let error = apply(what).unwrap_err();
        (error.kind(), error.code())
    };
    let cancel = TaskEvent::CancelRequested { by: None, reason: String::new() };
    let stranger = vec![Happening::task(TASK, cancel)];
    assert_eq!(refusal(stranger), (Kind::NotFound, "task_not_found"));
    assert_eq!(refusal(vec![submitted(), submitted()]), (Kind::Exists, "task_exists"));
    let closed = vec![Happening::Closed, submitted()];
    assert_eq!(refusal(closed), (Kind::Precondition, "session_closed"));
    let gone = vec![Happening::Detached { node: NODE }];
    assert_eq!(refusal(gone), (Kind::Precondition, "node_not_attached"));
    let stale = Batch { after: Some(Seq(6)), what: vec![submitted()], now: NOW };
    let stale = stale.apply(&session(), Seq(7), |_| None).unwrap_err();
    assert_eq!((stale.kind(), stale.code()), (Kind::Conflict, "log_moved"));
}

#[test]
fn data_has_the_length_that_its_event_says() {
    let event = |len| TaskEvent::Output { attempt: 1, stream: Stream::Stdout, offset: 0, len };
    for (len, data) in [(3, &b"ab"[..]), (0, b"a"), (1, b"")] {
        let what = Happening::Task { task: TASK, event: event(len), data: data.into() };
        assert_eq!(apply(vec![what]).unwrap_err().kind(), Kind::Invalid, "{len}");
    }
    let Happening::Task { task, event, .. } = submitted() else { unreachable!() };
    let what = Happening::Task { task, event, data: b"x"[..].into() };
    assert_eq!(apply(vec![what]).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn a_task_of_another_session_is_not_found_but_its_id_is_taken() {
    let other = SessionId::from_bytes([9; 16]);
    let spec = Arc::new(TaskSpec::argv(["true"]));
    let by = UserId::from_bytes([5; 16]);
    let task = Arc::new(Task::submitted(TASK, other, by, spec, NOW));
    let assigned = TaskEvent::Assigned { attempt: 1, node: NODE };
    let code = |what| {
        let batch = Batch { after: None, what: vec![what], now: NOW };
        let find = |_| Some(Arc::clone(&task));
        batch.apply(&session(), Seq(0), find).unwrap_err().code()
    };
    assert_eq!(code(Happening::task(TASK, assigned)), "task_not_found");
    assert_eq!(code(submitted()), "task_exists");
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let task = (1u8..3).prop_map(|number| TaskId::from_bytes([number; 16]));
    let event = prop_oneof![
        Just(TaskEvent::Submitted {
            by: UserId::from_bytes([5; 16]),
            spec: Arc::new(TaskSpec::argv(["true"])),
        }),
        Just(TaskEvent::Assigned { attempt: 1, node: NODE }),
        Just(TaskEvent::Started { attempt: 1, pid: None }),
        (0u64..3).prop_map(|offset| TaskEvent::Output {
            attempt: 1,
            stream: Stream::Stdout,
            offset,
            len: 1
        }),
        Just(TaskEvent::ended(1, Outcome::Exited { code: 0 })),
    ];
    let of_task = (task, event).prop_map(|(task, event)| {
        let len = usize::from(matches!(event, TaskEvent::Output { .. }));
        Happening::Task { task, event, data: vec![b'x'; len].into() }
    });
    prop_oneof![
        1 => Just(Happening::Attached { node: NODE }),
        1 => Just(Happening::Detached { node: NODE }),
        1 => Just(Happening::Closed),
        20 => of_task,
    ]
}

proptest! {
    #[test]
    fn a_batch_comes_to_the_same_as_its_entries_one_by_one(
        possible in prop::collection::vec(any_happening(), 0..60),
        misfit in any_happening(),
    ) {
        // Keeps what fits, one by one; the batch of that must then fit and come to the same.
        let (mut session, mut head) = (session(), Seq(0));
        let mut tasks = std::collections::BTreeMap::<TaskId, Arc<Task>>::new();
        let mut what = Vec::new();
        let mut last_fits = true;
        for happening in possible.into_iter().chain([misfit.clone()]) {
            let batch = Batch { after: Some(head), what: vec![happening.clone()], now: NOW };
            let moved = batch.apply(&session, head, |id| tasks.get(&id).cloned());
            last_fits = moved.is_ok();
            let Ok(moved) = moved else { continue };
            session = moved.session.unwrap_or(session);
            head = moved.head;
            tasks.extend(moved.appended.tasks.into_iter().map(|task| (task.id, task)));
            what.push(happening);
        }
        let whole = Batch { after: Some(Seq(0)), what: what.clone(), now: NOW };
        let whole = whole.apply(&self::session(), Seq(0), |_| None).unwrap();
        prop_assert_eq!(whole.head, head);
        prop_assert_eq!(whole.session.unwrap_or_else(self::session), session);
        let mut moved = whole.appended.tasks;
        moved.sort_by_key(|task| task.id);
        prop_assert_eq!(moved, tasks.into_values().collect::<Vec<_>>());
        if !last_fits {
            what.push(misfit);
            let refused = Batch { after: None, what, now: NOW };
            prop_assert!(refused.apply(&self::session(), Seq(0), |_| None).is_err());
        }
    }
}
