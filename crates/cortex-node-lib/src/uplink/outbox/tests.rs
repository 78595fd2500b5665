//! The outbox as a model: whatever happens on the way, the hub ends up with what was written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Wake;
use std::time::Duration;

use cortex_core::receipt::Output;
use cortex_core::receipt::StreamDigest;
use cortex_core::receipt::StreamHash;
use cortex_core::report::AFTER_RESTART;
use proptest::prelude::*;

use super::queue::LINGER;
use super::*;

fn key(number: u8) -> AttemptKey {
    AttemptKey { task: TaskId::from_bytes([number; 16]), attempt: 1 }
}

fn exited() -> News {
    ended(Outcome::Exited { code: 0 })
}

fn ended(outcome: Outcome) -> News {
    News::Ended { outcome, receipt: receipt() }
}

/// The outbox does not look into receipts.
fn receipt() -> Arc<receipt::Signed> {
    let (statement, signature) = (Bytes::from_static(b"ended"), Bytes::new());
    Arc::new(receipt::Signed { statement, signature })
}

fn sequences(batch: &[Report]) -> Vec<u64> {
    batch.iter().map(|report| report.sequence).collect()
}

fn admitted() -> (Queue, Instant) {
    let mut queue = Queue::default();
    assert_eq!(queue.admit(key(1)), Admission::New);
    (queue, Instant::now())
}

#[test]
fn a_short_task_is_one_batch() {
    let (mut queue, now) = admitted();
    assert!(queue.start(key(1), Some(7), now), "the first report arms the timer");
    assert!(!queue.write(key(1), Stream::Stdout, Bytes::from_static(b"hi\n"), now));
    assert_eq!(queue.next_batch(now), None, "it waits for company");
    assert!(queue.push(key(1), exited(), now), "the end wakes the stream");
    assert_eq!(sequences(&queue.next_batch(now).unwrap()), [1, 2, 3]);
    assert_eq!(queue.next_batch(now), None);
}

#[test]
fn what_lingers_goes_out_when_it_is_due() {
    let (mut queue, now) = admitted();
    queue.start(key(1), None, now);
    assert_eq!(queue.next_due(), Some(now + LINGER));
    let early = now + LINGER - Duration::from_nanos(1);
    assert_eq!(queue.next_batch(early), None);
    assert_eq!(sequences(&queue.next_batch(now + LINGER).unwrap()), [1]);
    assert_eq!(queue.next_due(), None);
}

#[test]
fn output_is_merged_until_it_was_sent() {
    let (mut queue, now) = admitted();
    let later = now + LINGER;
    for text in ["a", "b"] {
        queue.write(key(1), Stream::Stdout, Bytes::from(text), now);
    }
    queue.write(key(1), Stream::Stderr, Bytes::from("c"), now);
    let first = queue.next_batch(later).unwrap();
    assert_eq!(sequences(&first), [1, 2, 3]);
    assert!(matches!(&first[1].news, News::Output { data, .. } if data.as_ref() == b"ab"));
    queue.write(key(1), Stream::Stderr, Bytes::from("d"), later);
    queue.rewind();
    // What was sent once keeps its number and its bytes.
    queue.write(key(1), Stream::Stderr, Bytes::from("e"), later);
    let again = queue.next_batch(later).unwrap();
    assert_eq!(again[..3], first[..]);
    assert!(
        matches!(&again[3].news, News::Output { data, offset: 1, .. } if data.as_ref() == b"de")
    );
}

#[test]
fn room_is_bounded_by_attempt_and_in_all() {
    let (mut queue, now) = admitted();
    let piece = Bytes::from(vec![0; PIECE_BYTES]);
    let mut written = 0;
    while queue.has_room(key(1), PIECE_BYTES) {
        queue.write(key(1), Stream::Stdout, piece.clone(), now);
        written += PIECE_BYTES;
    }
    assert_eq!(written, ATTEMPT_BYTES - PIECE_BYTES, "reports cost a little beside their bytes");
    queue.admit(key(2));
    assert!(queue.has_room(key(2), PIECE_BYTES), "others are not held up");
    let sent = queue.next_batch(now).unwrap();
    assert!(queue.acked(key(1), sent[2].sequence));
    assert!(queue.has_room(key(1), PIECE_BYTES));
    written -= 3 * PIECE_BYTES;
    for number in 3..=255 {
        queue.admit(key(number));
        while queue.has_room(key(number), PIECE_BYTES) {
            queue.write(key(number), Stream::Stdout, piece.clone(), now);
            written += PIECE_BYTES;
        }
    }
    assert!(written <= TOTAL_BYTES && written > TOTAL_BYTES * 9 / 10, "{written}");
}

#[test]
fn one_attempt_does_not_crowd_out_another() {
    let (mut queue, now) = admitted();
    for _ in 0..15 {
        queue.write(key(1), Stream::Stdout, Bytes::from(vec![0; PIECE_BYTES]), now);
    }
    queue.admit(key(2));
    queue.push(key(2), exited(), now);
    let batch = queue.next_batch(now).unwrap();
    assert!(batch.iter().any(|report| report.task == key(2).task));
    let bytes: usize = batch
        .iter()
        .map(|report| match &report.news {
            News::Output { data, .. } => data.len(),
            _ => 0,
        })
        .sum();
    assert!(bytes <= cortex_proto::limits::MAX_BATCH_BYTES, "{bytes}");
}

#[test]
fn a_heavy_end_travels_alone_and_blocks_nobody() {
    let (mut queue, now) = admitted();
    let value = serde_json::Value::String("x".repeat(900_000));
    queue.write(key(1), Stream::Stdout, Bytes::from(vec![0; PIECE_BYTES]), now);
    queue.push(key(1), ended(Outcome::Returned { value }), now);
    queue.admit(key(2));
    queue.push(key(2), exited(), now);
    let mut batches = Vec::new();
    while let Some(batch) = queue.next_batch(now) {
        batches.push(batch.len());
        assert!(batches.len() < 10);
    }
    assert_eq!(batches.iter().sum::<usize>(), 4);
}

#[test]
fn acknowledgements_of_what_was_never_sent_drop_nothing() {
    let (mut queue, now) = admitted();
    queue.push(key(1), exited(), now);
    assert!(!queue.acked(key(1), u64::MAX));
    assert_eq!(queue.next_batch(now).unwrap().len(), 1);
    assert!(queue.acked(key(1), u64::MAX));
    assert!(queue.is_empty());
    assert_eq!(queue.take_settled(), [key(1)]);
    assert_eq!(queue.take_settled(), []);
}

#[test]
fn attempts_that_are_never_acknowledged_are_bounded() {
    let (mut queue, _) = admitted();
    assert_eq!(queue.admit(key(1)), Admission::Known);
    for attempt in 2..=u32::try_from(MOST_KNOWN).unwrap() {
        assert_eq!(queue.admit(AttemptKey { attempt, ..key(1) }), Admission::New);
    }
    assert_eq!(queue.admit(key(2)), Admission::Full);
    assert_eq!(queue.admit(key(1)), Admission::Known);
}

#[test]
fn a_restored_attempt_has_only_its_end_with_the_number_above_all() {
    let (mut queue, now) = admitted();
    let reason = "restarted".to_owned();
    queue.restore(key(2), ended(Outcome::Interrupted { reason }));
    let known = queue.rewind();
    assert_eq!(known.iter().map(|known| known.started).collect::<Vec<_>>(), [false, true]);
    let batch = queue.next_batch(now).unwrap();
    assert_eq!(sequences(&batch), [AFTER_RESTART]);
    assert!(!queue.acked(key(2), 3), "an acknowledgement of its former life");
    assert!(queue.acked(key(2), AFTER_RESTART));
}

/// What happens between a task, the stream and the hub.
#[derive(Debug, Clone)]
enum Step {
    Write(u8, bool, usize),
    End(u8),
    Send,
    /// The hub stores and acknowledges what it has, for one attempt.
    Ack(u8),
    /// The stream breaks; what was under way is lost.
    Break,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1u8..4, any::<bool>(), 1usize..70_000).prop_map(|(k, s, n)| Step::Write(k, s, n)),
        1 => (1u8..4).prop_map(Step::End),
        4 => Just(Step::Send),
        3 => (1u8..4).prop_map(Step::Ack),
        1 => Just(Step::Break),
    ];
    prop::collection::vec(step, 1..80)
}

/// The hub: takes each report once, in order.
#[derive(Debug, Default)]
struct Hub {
    stored: BTreeMap<AttemptKey, (u64, [Vec<u8>; 2], bool)>,
}

impl Hub {
    fn take(&mut self, report: Report) {
        let key = AttemptKey { task: report.task, attempt: report.attempt };
        let (last, streams, ended) = self.stored.entry(key).or_default();
        if report.sequence <= *last {
            return;
        }
        assert_eq!(report.sequence, *last + 1, "no report is left out");
        assert!(!*ended, "nothing follows the end");
        *last = report.sequence;
        match report.news {
            News::Started { .. } | News::Progress(_) | News::File(_) => {}
            News::Output { stream, offset, data } => {
                let sink = &mut streams[stream as usize];
                assert_eq!(offset, sink.len() as u64, "output has no gaps");
                sink.extend_from_slice(&data);
            }
            News::Ended { .. } => *ended = true,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_hub_ends_up_with_what_was_written(steps in steps()) {
        let (mut queue, mut hub, mut now) = (Queue::default(), Hub::default(), Instant::now());
        let mut written: BTreeMap<AttemptKey, [Vec<u8>; 2]> = BTreeMap::new();
        let mut ended = std::collections::BTreeSet::new();
        for number in 1..4 {
            queue.admit(key(number));
            written.insert(key(number), Default::default());
        }
        let mut fill = 0u8;
        let closing = [Step::Break, Step::End(1), Step::End(2), Step::End(3)];
        for step in steps.into_iter().chain(closing) {
            now += LINGER;
            match step {
                Step::Write(k, err, len) => {
                    let stream = if err { Stream::Stderr } else { Stream::Stdout };
                    if !ended.contains(&key(k)) && queue.has_room(key(k), len) {
                        fill = fill.wrapping_add(1);
                        let data = vec![fill; len];
                        queue.write(key(k), stream, Bytes::from(data.clone()), now);
                        written.get_mut(&key(k)).unwrap()[stream as usize].extend(data);
                    }
                }
                Step::End(k) => if ended.insert(key(k)) {
                    queue.push(key(k), exited(), now);
                },
                Step::Send => for report in queue.next_batch(now).unwrap_or_default() {
                    hub.take(report);
                },
                Step::Ack(k) => if let Some((last, ..)) = hub.stored.get(&key(k)) {
                    queue.acked(key(k), *last);
                },
                Step::Break => {
                    queue.next_batch(now);
                    queue.rewind();
                }
            }
        }
        for _ in 0..1000 {
            now += LINGER;
            for report in queue.next_batch(now).unwrap_or_default() {
                hub.take(report);
            }
            for (key, (last, ..)) in &hub.stored {
                queue.acked(*key, *last);
            }
        }
        prop_assert!(queue.is_empty());
        prop_assert_eq!(queue.take_settled().len(), 3);
        for (key, streams) in written {
            let (_, stored, is_ended) = &hub.stored[&key];
            prop_assert!(*is_ended && *stored == streams, "{:?}", key);
        }
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn the_stream_is_woken_and_an_older_one_is_sent_away() {
    let (outbox, counter) = (Outbox::new(), Arc::new(Counter::default()));
    let waker = Arc::clone(&counter).into();
    let cx = Context::from_waker(&waker);
    let (old, _) = outbox.begin();
    let (new, known) = outbox.begin();
    assert_eq!(known, []);
    assert!(matches!(outbox.poll(old, &cx), Next::Superseded));
    assert!(matches!(outbox.poll(new, &cx), Next::Idle));
    outbox.admit(key(1));
    outbox.started(key(1), None);
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    assert!(matches!(outbox.poll(new, &cx), Next::At(_) | Next::Batch(_)));
    outbox.ended(key(1), Outcome::Exited { code: 0 }, receipt());
    assert!(matches!(outbox.poll(new, &cx), Next::Batch(_)));
}

#[tokio::test]
async fn a_writer_waits_for_room_and_no_longer() {
    let outbox = Arc::new(Outbox::new());
    outbox.admit(key(1));
    let writer = {
        let outbox = Arc::clone(&outbox);
        tokio::spawn(async move {
            let transcript = Transcript::default();
            let data = Bytes::from(vec![1; 3 * ATTEMPT_BYTES]);
            outbox.write(key(1), Stream::Stdout, data, &transcript).await;
            transcript.close()
        })
    };
    let (stream, _) = outbox.begin();
    let cx = Context::from_waker(Waker::noop());
    let mut received = 0;
    while received < 3 * ATTEMPT_BYTES {
        let is_bounded = !writer.is_finished() || received > ATTEMPT_BYTES;
        assert!(is_bounded, "three times the bound fit at once");
        if let Next::Batch(batch) = outbox.poll(stream, &cx) {
            for report in &batch {
                if let News::Output { data, .. } = &report.news {
                    received += data.len();
                }
            }
            let sequence = batch.last().map_or(0, |report| report.sequence);
            outbox.acked(&Ack { task: key(1).task, attempt: 1, sequence });
        }
        tokio::task::yield_now().await;
    }
    let written = tokio::time::timeout(Duration::from_secs(10), writer).await.unwrap().unwrap();
    let mut hash = StreamHash::default();
    hash.update(&vec![1; 3 * ATTEMPT_BYTES]);
    let (stdout, stderr) = (hash.finish(false), StreamDigest::empty());
    assert_eq!(written, Output::Known { stdout, stderr });
    outbox.ended(key(1), Outcome::Exited { code: 0 }, receipt());
    assert!(matches!(outbox.poll(stream, &cx), Next::Batch(_)));
    outbox.acked(&Ack { task: key(1).task, attempt: 1, sequence: u64::MAX });
    tokio::time::timeout(Duration::from_secs(10), outbox.emptied()).await.unwrap();
}

#[tokio::test]
async fn what_is_given_up_half_way_is_hashed_as_far_as_it_went_and_nothing_after_the_end() {
    let outbox = Outbox::new();
    outbox.admit(key(1));
    let (stream, _) = outbox.begin();
    let cx = Context::from_waker(Waker::noop());
    let transcript = Transcript::default();
    let data = Bytes::from(vec![1; 3 * ATTEMPT_BYTES]);
    // Nobody acknowledges anything: the write waits for room when its future is dropped.
    let write = outbox.write(key(1), Stream::Stderr, data, &transcript);
    assert!(futures::FutureExt::now_or_never(write).is_none());
    transcript.cut(Stream::Stderr);
    let Output::Known { stdout, stderr } = transcript.close() else { panic!("nothing is lost") };
    let late = outbox.write(key(1), Stream::Stderr, Bytes::from_static(b"late"), &transcript);
    late.await;
    outbox.ended(key(1), Outcome::Exited { code: 0 }, receipt());
    let mut hash = StreamHash::default();
    while let Next::Batch(batch) = outbox.poll(stream, &cx) {
        for report in batch {
            if let News::Output { data, .. } = report.news {
                hash.update(&data);
            }
        }
    }
    assert_eq!((stdout, stderr), (StreamDigest::empty(), hash.finish(true)));
    assert!((1..=ATTEMPT_BYTES as u64).contains(&stderr.len), "{}", stderr.len);
}
