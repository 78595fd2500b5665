//! Histories with one thing wrong in each, which has to be found.

use std::sync::Arc;

use bytes::Bytes;
use cortex_core::digest::Digest;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::receipt;
use cortex_core::receipt::Output;
use cortex_core::receipt::Receipt;
use cortex_core::receipt::StreamHash;
use cortex_core::session::Entry;
use cortex_core::session::Happening;
use cortex_core::session::Seq;
use cortex_core::task::Delivery;
use cortex_core::task::Outcome;
use cortex_core::task::State;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskEvent;
use cortex_core::task::TaskSpec;
use cortex_core::timestamp::Timestamp;
use ed25519_dalek::SigningKey;

use super::Finding;
use super::History;
use super::Log;
use super::Start;
use super::Told;
use super::check;
use super::finding::Difference;
use crate::script::Script;

const SESSION: SessionId = SessionId::from_bytes([1; 16]);
const TASK: TaskId = TaskId::from_bytes([2; 16]);
const NODE: NodeId = NodeId::from_bytes([3; 16]);
const NOW: Timestamp = Timestamp::from_millis(1);

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn script() -> Script {
    Script { key: "k".to_owned(), lines: 2, pause: 0, code: 0 }
}

fn event(event: TaskEvent, data: Vec<u8>) -> Happening {
    Happening::Task { task: TASK, event, data: Bytes::from(data) }
}

fn output(stream: Stream) -> (TaskEvent, Vec<u8>) {
    let data = script().output(stream);
    let len = u32::try_from(data.len()).unwrap();
    (TaskEvent::Output { attempt: 1, stream, offset: 0, len }, data)
}

fn signed() -> receipt::Signed {
    signed_for(1)
}

fn signed_for(attempt: u32) -> receipt::Signed {
    let of = |stream| {
        let mut hash = StreamHash::default();
        hash.update(&script().output(stream));
        hash.finish(false)
    };
    let receipt = Receipt {
        hub: HubId::from_bytes([4; 16]),
        node: NODE,
        session: SESSION,
        task: TASK,
        attempt,
        envelope: Digest::of(b""),
        ending: (&Outcome::Exited { code: 0 }).into(),
        output: Output::Known { stdout: of(Stream::Stdout), stderr: of(Stream::Stderr) },
        at: NOW,
    };
    receipt.sign(&key())
}

/// One task that ran to its end, as it should be.
fn happenings() -> Vec<Happening> {
    let spec = Arc::new(TaskSpec::argv(["true"]));
    let (stdout, stdout_data) = output(Stream::Stdout);
    let (stderr, stderr_data) = output(Stream::Stderr);
    let receipt = Some(Arc::new(signed()));
    let ended = TaskEvent::Ended { attempt: 1, outcome: Outcome::Exited { code: 0 }, receipt };
    vec![
        event(TaskEvent::Submitted { by: UserId::from_bytes([6; 16]), spec }, Vec::new()),
        event(TaskEvent::Assigned { attempt: 1, node: NODE }, Vec::new()),
        event(TaskEvent::Started { attempt: 1, pid: Some(7) }, Vec::new()),
        event(stdout, stdout_data),
        event(stderr, stderr_data),
        event(ended, Vec::new()),
    ]
}

/// The history of these happenings, with all books in agreement.
fn told(happenings: Vec<Happening>) -> History {
    let mut history = History::default();
    let mut receipts = receipt::chain_of(SESSION);
    let mut entries = Vec::new();
    let mut task: Option<Task> = None;
    for (seq, what) in (1..).zip(happenings) {
        let Happening::Task { event, data, .. } = &what else { continue };
        match event {
            TaskEvent::Submitted { by, spec } => {
                task = Some(Task::submitted(TASK, SESSION, *by, spec.clone(), NOW));
            }
            // What does not fit is what some tests are about.
            event => drop(task.as_mut().unwrap().apply(event, NOW)),
        }
        if let TaskEvent::Output { stream, .. } = event {
            history.stored.entry((TASK, *stream)).or_default().extend_from_slice(data);
        }
        if let TaskEvent::Ended { receipt: Some(signed), .. } = event {
            receipts = signed.extend(receipts);
        }
        entries.push(Entry { seq: Seq(seq), at: NOW, what });
    }
    history.logs.insert(SESSION, Log { entries, receipts });
    history.tasks.insert(TASK, Arc::new(task.unwrap()));
    history.told.insert(TASK, Told { script: script(), ends: vec![State::Succeeded] });
    history.served = history.stored.clone();
    history.starts.push(Start { task: TASK, attempt: 1 });
    history.keys.insert(NODE, vec![key().verifying_key().to_bytes()]);
    history
}

fn whole() -> History {
    told(happenings())
}

fn without(index: usize) -> History {
    let mut happenings = happenings();
    happenings.remove(index);
    told(happenings)
}

#[track_caller]
fn assert_found(history: &History, expected: impl Fn(&Finding) -> bool) {
    let findings = check(history);
    assert!(findings.iter().any(expected), "{findings:?}");
}

fn is_output(finding: &Finding, difference: &Difference) -> bool {
    matches!(finding, Finding::Output { what, .. } if what == difference)
}

#[test]
fn a_history_in_order_has_no_findings() {
    assert_eq!(check(&whole()), []);
}

#[test]
fn a_task_that_is_not_stored_is_found() {
    let mut history = whole();
    history.tasks.clear();
    history.logs.clear();
    assert_found(&history, |finding| *finding == Finding::NotStored(TASK));
    let mut history = whole();
    history.logs.clear();
    assert_found(&history, |finding| *finding == Finding::NotLogged(TASK));
    let mut history = whole();
    let mut row = Task::clone(&history.tasks[&TASK]);
    row.attempt = 2;
    history.tasks.insert(TASK, Arc::new(row));
    assert_found(&history, |finding| *finding == Finding::RowDiffers(TASK));
}

#[test]
fn a_task_has_one_end() {
    assert_found(&without(5), |finding| *finding == Finding::Ends(TASK, 0));
    let mut twice = happenings();
    twice.push(twice[5].clone());
    let history = told(twice);
    assert_found(&history, |finding| *finding == Finding::Ends(TASK, 2));
    assert_found(&history, |finding| matches!(finding, Finding::Misfit { seq: 7, .. }));
    let mut history = whole();
    history.told.get_mut(&TASK).unwrap().ends.push(State::Interrupted);
    let found = |finding: &Finding| {
        matches!(finding, Finding::ToldOtherwise { told: State::Interrupted, .. })
    };
    assert_found(&history, found);
}

#[test]
fn a_gap_or_a_repeat_in_the_log_is_found() {
    let mut history = whole();
    history.logs.get_mut(&SESSION).unwrap().entries[3].seq = Seq(9);
    assert_found(&history, |finding| matches!(finding, Finding::Sequence { found: 9, .. }));
    let mut history = whole();
    history.logs.get_mut(&SESSION).unwrap().entries.remove(0);
    assert_found(&history, |finding| matches!(finding, Finding::Sequence { after: 0, .. }));
    assert_found(&history, |finding| *finding == Finding::Unsubmitted(TASK, 2));
    let mut twice = happenings();
    twice.insert(1, twice[0].clone());
    assert_found(&told(twice), |finding| *finding == Finding::Resubmitted(TASK, 2));
}

#[test]
fn every_wrong_start_is_found() {
    let start = |attempt| Start { task: TASK, attempt };
    let mut history = whole();
    history.starts.push(start(1));
    let again = Finding::StartedAgain { task: TASK, attempt: 1, times: 2 };
    assert_found(&history, |finding| *finding == again);
    let mut history = whole();
    history.starts.push(start(2));
    assert_found(&history, |finding| *finding == Finding::RanTwice(TASK, 1, 2));
    assert_found(&history, |finding| *finding == Finding::NotGiven(TASK, 2));
    let mut history = whole();
    history.starts.clear();
    assert_found(&history, |finding| *finding == Finding::NeverBegan(TASK, State::Succeeded));
    let mut returned = happenings();
    let back = TaskEvent::Returned { attempt: 1, reason: String::new() };
    returned.insert(2, event(back, Vec::new()));
    assert_found(&told(returned), |finding| *finding == Finding::TakenBack(TASK, 1));
    let mut history = whole();
    history.alive.push((TASK, 7));
    assert_found(&history, |finding| *finding == Finding::Alive(TASK, 7));
}

#[test]
fn another_attempt_is_in_order_only_where_the_first_came_to_nothing() {
    let spec = TaskSpec {
        delivery: Delivery { attempts: 2, ..Delivery::default() },
        ..TaskSpec::argv(["true"])
    };
    let mut twice = happenings();
    let Happening::Task { event: TaskEvent::Submitted { spec: submitted, .. }, .. } = &mut twice[0]
    else {
        panic!()
    };
    *submitted = Arc::new(spec);
    let outcome = Outcome::Interrupted { reason: String::new() };
    // The first attempt got as far as one line of standard output.
    let line = Script { lines: 1, ..script() }.output(Stream::Stdout);
    let len = u32::try_from(line.len()).unwrap();
    let piece = |attempt, stream, offset, data: Vec<u8>| {
        let len = u32::try_from(data.len()).unwrap();
        event(TaskEvent::Output { attempt, stream, offset, len }, data)
    };
    let (stdout, stderr) = (script().output(Stream::Stdout), script().output(Stream::Stderr));
    let receipt = Some(Arc::new(signed_for(2)));
    let ended = TaskEvent::Ended { attempt: 2, outcome: Outcome::Exited { code: 0 }, receipt };
    twice.splice(
        3..,
        [
            piece(1, Stream::Stdout, 0, line),
            event(TaskEvent::Retried { attempt: 1, outcome }, Vec::new()),
            event(TaskEvent::Assigned { attempt: 2, node: NODE }, Vec::new()),
            event(TaskEvent::Started { attempt: 2, pid: Some(8) }, Vec::new()),
            piece(2, Stream::Stdout, len.into(), stdout),
            piece(2, Stream::Stderr, 0, stderr),
            event(ended, Vec::new()),
        ],
    );
    let mut history = told(twice);
    history.starts.push(Start { task: TASK, attempt: 2 });
    assert_eq!(check(&history), []);
    let of = (TASK, Stream::Stdout);
    history.stored.get_mut(&of).unwrap()[usize::try_from(len).unwrap() + 2] ^= 1;
    assert_found(&history, |finding| is_output(finding, &Difference::Content { at: 2 }));
}

#[test]
fn a_refused_task_that_began_all_the_same_is_found() {
    let mut refused = happenings();
    let outcome = Outcome::Rejected { rule: String::new(), reason: String::new() };
    refused.splice(2.., [event(TaskEvent::ended(1, outcome), Vec::new())]);
    assert_found(&told(refused), |finding| *finding == Finding::RefusedYetBegan(TASK));
}

#[test]
fn a_byte_that_is_lost_doubled_or_changed_is_found() {
    let of = (TASK, Stream::Stdout);
    let mut history = whole();
    history.stored.get_mut(&of).unwrap().pop();
    assert_found(&history, |finding| is_output(finding, &Difference::Short { missing: 1 }));
    assert_found(&history, |finding| {
        matches!(finding, Finding::Output { what: Difference::Counted { .. }, .. })
    });
    assert_found(&history, |finding| is_output(finding, &Difference::Served));
    assert_found(&history, |finding| is_output(finding, &Difference::Stated));
    let mut history = whole();
    history.stored.get_mut(&of).unwrap().extend(b"k 2\n");
    assert_found(&history, |finding| is_output(finding, &Difference::Long { more: 4 }));
    let mut history = whole();
    history.stored.get_mut(&of).unwrap()[2] ^= 1;
    assert_found(&history, |finding| is_output(finding, &Difference::Content { at: 2 }));
    // A piece that is missing in the log: the row counts more than there is.
    assert_found(&without(3), |finding| is_output(finding, &Difference::Short { missing: 8 }));
}

#[test]
fn an_interrupted_task_may_have_put_out_less_but_nothing_else() {
    let mut cut = happenings();
    let outcome = Outcome::Interrupted { reason: String::new() };
    cut.splice(4.., [event(TaskEvent::ended(1, outcome), Vec::new())]);
    let mut history = told(cut);
    history.told.get_mut(&TASK).unwrap().ends = vec![State::Interrupted];
    assert_eq!(check(&history), []);
    history.stored.get_mut(&(TASK, Stream::Stdout)).unwrap()[0] = b'x';
    assert_found(&history, |finding| is_output(finding, &Difference::Content { at: 0 }));
}

#[test]
fn a_receipt_that_is_missing_or_forged_is_found() {
    let with = |receipt: Option<receipt::Signed>| {
        let mut happenings = happenings();
        let outcome = Outcome::Exited { code: 0 };
        let receipt = receipt.map(Arc::new);
        happenings[5] = event(TaskEvent::Ended { attempt: 1, outcome, receipt }, Vec::new());
        told(happenings)
    };
    assert_found(&with(None), |finding| *finding == Finding::NoReceipt(TASK));
    let mut forged = signed();
    forged.signature = vec![0; 64].into();
    let found = |finding: &Finding| matches!(finding, Finding::Receipt { .. });
    assert_found(&with(Some(forged)), found);
    let mut history = whole();
    history.keys.clear();
    assert_found(&history, |finding| *finding == Finding::UnknownNode(TASK, NODE));
    let mut history = whole();
    history.logs.get_mut(&SESSION).unwrap().receipts = receipt::chain_of(SESSION);
    assert_found(&history, |finding| *finding == Finding::Chain(SESSION));
}
