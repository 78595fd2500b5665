use proptest::prelude::*;

use super::*;

fn task_of(attempts: u8) -> Task {
    let mut spec = TaskSpec::argv(["true"]);
    spec.delivery.attempts = attempts;
    Task { spec: Arc::new(spec), ..task() }
}

fn task() -> Task {
    Task::submitted(
        TaskId::from_bytes([4; 16]),
        SessionId::from_bytes([3; 16]),
        UserId::from_bytes([5; 16]),
        Arc::new(TaskSpec::argv(["true"])),
        Timestamp::from_millis(1),
    )
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<i32>().prop_map(|code| Outcome::Exited { code }),
        Just(Outcome::Cancelled { processes: 1 }),
        Just(Outcome::TimedOut { processes: 2 }),
        Just(Outcome::Interrupted { reason: "node restarted".into() }),
        Just(Outcome::Lost { reason: "no answer".into() }),
    ]
}

fn any_event() -> impl Strategy<Value = TaskEvent> {
    let attempt = 0u32..4;
    let node = NodeId::from_bytes([2; 16]);
    prop_oneof![
        attempt.clone().prop_map(move |attempt| TaskEvent::Assigned { attempt, node }),
        attempt
            .clone()
            .prop_map(|attempt| TaskEvent::Returned { attempt, reason: "link full".into() }),
        (attempt.clone(), any_outcome())
            .prop_map(|(attempt, outcome)| TaskEvent::Retried { attempt, outcome }),
        attempt.clone().prop_map(|attempt| TaskEvent::Started { attempt, pid: Some(7) }),
        (attempt.clone(), 0u64..4, 0u32..4).prop_map(|(attempt, offset, len)| TaskEvent::Output {
            attempt,
            stream: Stream::Stdout,
            offset,
            len
        }),
        (attempt.clone(), 0u64..4, 0u32..4).prop_map(|(attempt, offset, len)| TaskEvent::Output {
            attempt,
            stream: Stream::Files,
            offset,
            len
        }),
        (attempt.clone(), 0u64..4, 0u64..4).prop_map(|(attempt, offset, size)| {
            let (name, digest) = (format!("{offset}"), crate::digest::Digest::of(b""));
            TaskEvent::Published { file: PublishedFile { name, attempt, offset, size, digest } }
        }),
        attempt.clone().prop_map(|attempt| TaskEvent::Progress {
            attempt,
            progress: Progress::new(1, Some(2), "half"),
        }),
        Just(TaskEvent::CancelRequested { by: None, reason: "test".into() }),
        (attempt, any_outcome()).prop_map(|(attempt, outcome)| TaskEvent::ended(attempt, outcome)),
    ]
}

proptest! {
    #[test]
    fn a_task_ends_once_and_output_has_no_gap(
        events in prop::collection::vec(any_event(), 0..60),
        attempts in 1_u8..4,
    ) {
        let mut task = task_of(attempts);
        let mut retries = 0;
        let mut starts = std::collections::BTreeMap::<u32, u32>::new();
        let mut ends = 0;
        for event in &events {
            let before = task.clone();
            match task.apply(event, Timestamp::from_millis(2)) {
                Ok(()) => {
                    prop_assert!(!before.state.is_end());
                    prop_assert_eq!(task.revision, before.revision + 1);
                    prop_assert!(task.attempt >= before.attempt);
                    if let TaskEvent::Started { attempt, .. } = event {
                        *starts.entry(*attempt).or_default() += 1;
                    }
                    retries += u8::from(matches!(event, TaskEvent::Retried { .. }));
                    prop_assert!(task.output.stdout.arrived() >= before.output.stdout.arrived());
                    let stored = task.output.files.arrived();
                    prop_assert!(task.files.iter().all(|file| file.end() <= stored));
                    ends += u32::from(task.state.is_end());
                }
                Err(_) => prop_assert_eq!(&task, &before),
            }
        }
        prop_assert!(ends <= 1);
        prop_assert!(retries < attempts);
        prop_assert!(starts.len() <= usize::from(attempts) + 3, "{:?}", starts);
        prop_assert!(starts.values().all(|count| *count == 1), "{:?}", starts);
        prop_assert_eq!(task.state.is_end(), task.outcome.is_some());
    }
}

#[test]
fn the_ordinary_life() {
    let (mut task, now) = (task(), Timestamp::from_millis(9));
    let node = NodeId::from_bytes([2; 16]);
    for event in [
        TaskEvent::Assigned { attempt: 1, node },
        TaskEvent::Started { attempt: 1, pid: Some(7) },
        TaskEvent::Output { attempt: 1, stream: Stream::Stdout, offset: 0, len: 3 },
        TaskEvent::ended(1, Outcome::Exited { code: 0 }),
    ] {
        task.apply(&event, now).unwrap();
    }
    assert_eq!(task.state, State::Succeeded);
    assert_eq!(task.output.stdout.stored, 3);
    let late = TaskEvent::ended(1, Outcome::Exited { code: 1 });
    assert_eq!(task.apply(&late, now), Err(TransitionError::Ended(State::Succeeded)));
}

#[test]
fn a_cancel_that_overtakes_the_start_stays() {
    let (mut task, now) = (task(), Timestamp::from_millis(9));
    let node = NodeId::from_bytes([2; 16]);
    task.apply(&TaskEvent::Assigned { attempt: 1, node }, now).unwrap();
    task.apply(&TaskEvent::CancelRequested { by: None, reason: String::new() }, now).unwrap();
    task.apply(&TaskEvent::Started { attempt: 1, pid: None }, now).unwrap();
    assert_eq!(task.state, State::Cancelling);
    task.apply(&TaskEvent::ended(1, Outcome::Cancelled { processes: 1 }), now).unwrap();
    assert_eq!(task.state, State::Cancelled);
}

#[test]
fn a_report_of_an_older_attempt_is_refused() {
    let (mut task, now) = (task(), Timestamp::from_millis(9));
    let node = NodeId::from_bytes([2; 16]);
    task.apply(&TaskEvent::Assigned { attempt: 1, node }, now).unwrap();
    task.apply(&TaskEvent::Returned { attempt: 1, reason: String::new() }, now).unwrap();
    task.apply(&TaskEvent::Assigned { attempt: 2, node }, now).unwrap();
    let stale = TaskEvent::Started { attempt: 1, pid: None };
    assert_eq!(task.apply(&stale, now), Err(TransitionError::Attempt { found: 1, current: 2 }));
}

#[test]
fn an_attempt_that_was_lost_is_followed_by_another_where_the_spec_allows_it() {
    let (mut task, now) = (task_of(2), Timestamp::from_millis(9));
    let node = NodeId::from_bytes([2; 16]);
    let lost = || Outcome::Interrupted { reason: "the node is gone".into() };
    let output =
        |attempt, offset| TaskEvent::Output { attempt, stream: Stream::Stdout, offset, len: 3 };
    task.apply(&TaskEvent::Assigned { attempt: 1, node }, now).unwrap();
    task.apply(&TaskEvent::Started { attempt: 1, pid: Some(7) }, now).unwrap();
    task.apply(&output(1, 0), now).unwrap();
    assert!(!task.may_retry(&Outcome::Exited { code: 1 }));
    let again = task.after(lost());
    assert_eq!(again, TaskEvent::Retried { attempt: 1, outcome: lost() });
    task.apply(&again, now).unwrap();
    assert_eq!(
        (task.state, task.node, task.pid, task.started_at),
        (State::Queued, None, None, None)
    );
    // What the next attempt puts out follows what the first one did.
    task.apply(&TaskEvent::Assigned { attempt: 2, node }, now).unwrap();
    task.apply(&TaskEvent::Started { attempt: 2, pid: None }, now).unwrap();
    assert_eq!(task.before.stdout.arrived(), 3);
    task.apply(&output(2, 3), now).unwrap();
    // The second is the last.
    assert_eq!(task.after(lost()), TaskEvent::ended(2, lost()));
    let retried = TaskEvent::Retried { attempt: 2, outcome: lost() };
    assert!(matches!(task.apply(&retried, now), Err(TransitionError::State { .. })));
    task.apply(&TaskEvent::ended(2, lost()), now).unwrap();
    assert_eq!((task.state, task.output.stdout.stored), (State::Interrupted, 6));
}

#[test]
fn who_was_cancelled_is_not_tried_again() {
    let (mut task, now) = (task_of(9), Timestamp::from_millis(9));
    let node = NodeId::from_bytes([2; 16]);
    task.apply(&TaskEvent::Assigned { attempt: 1, node }, now).unwrap();
    task.apply(&TaskEvent::CancelRequested { by: None, reason: String::new() }, now).unwrap();
    assert!(!task.may_retry(&Outcome::Lost { reason: String::new() }));
}
