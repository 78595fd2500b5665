//! Output across the border between rows and files.

use cortex_core::ErrorKind;
use cortex_core::id::TaskId;
use cortex_core::session::Happening;
use cortex_core::session::Seq;
use cortex_core::task::Excess;
use cortex_core::task::OutputCap;
use cortex_core::task::Stream;
use cortex_core::task::TaskEvent;
use cortex_core::task::TaskSpec;
use futures::future::join_all;

use super::NOW;
use super::Store;
use super::append;
use super::begin;
use super::begun;
use super::directory;
use super::open;
use super::pattern;
use super::put_out;
use super::read_all;
use super::task;
use super::with_session;

const KIB: usize = 1024;

#[tokio::test]
async fn bytes_come_back_across_the_border_before_and_after_a_restart() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let id = begin(&store, session).await;
    // Ends below the border, crosses it, ends far beyond it, and goes on in small pieces.
    let lengths = [1, 999, 40 * KIB, 20 * KIB, 10 * KIB, 300 * KIB, 7, 1, 16 * KIB];
    let mut offset = 0;
    for (number, len) in lengths.into_iter().enumerate() {
        let what = vec![
            put_out(id, Stream::Stdout, offset, &pattern(offset, len)),
            put_out(id, Stream::Stderr, 2 * number as u64, b"e\n"),
        ];
        append(&store, session, what).await;
        offset += len as u64;
    }
    let all = pattern(0, usize::try_from(offset).unwrap());
    let errors = b"e\n".repeat(lengths.len());
    let before = store.sessions().read(session, Seq(0), 1000).await.unwrap();
    for limit in [KIB, 65 * KIB, 10 << 20] {
        assert!(read_all(&store, id, Stream::Stdout, limit).await == all, "{limit}");
    }
    store.close().await.unwrap();

    let store = open(&directory).await;
    for limit in [1000, 64 * KIB, 10 << 20] {
        assert!(read_all(&store, id, Stream::Stdout, limit).await == all, "{limit}");
        assert!(read_all(&store, id, Stream::Stderr, limit).await == errors, "{limit}");
    }
    let after = store.sessions().read(session, Seq(0), 1000).await.unwrap();
    assert!(before == after, "entries are the same from memory and from the disk");
    let short = |what: &Happening| match what {
        Happening::Task { data, .. } => data.len(),
        _ => 0,
    };
    let longest = after.iter().map(|entry| short(&entry.what)).max();
    assert_eq!(longest, Some(16 * KIB));
}

#[tokio::test]
async fn only_the_first_bytes_of_a_stream_take_rows() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let id = begin(&store, session).await;
    let part = 64 * KIB;
    for number in 0..8 {
        let offset = number * part as u64;
        append(&store, session, vec![put_out(id, Stream::Stdout, offset, &pattern(offset, part))])
            .await;
    }
    let file = directory.path().join("output").join(format!("{id}.stdout"));
    assert_eq!(std::fs::metadata(file).unwrap().len(), 8 * part as u64);
    store.close().await.unwrap();
    let database = std::fs::metadata(directory.path().join("cortex.db")).unwrap().len();
    assert!(database < 5 * part as u64, "{database}");
}

#[tokio::test]
async fn of_capped_output_both_ends_stay_and_the_files_between_them_go() {
    const CAP: u64 = 1 << 20;
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let mut spec = TaskSpec::argv(["true"]);
    spec.output_cap = Some(OutputCap::of(CAP));
    let id = TaskId::generate();
    append(&store, session, begun(id, spec)).await;
    let on_disk = || {
        let files = std::fs::read_dir(directory.path().join("output")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    let (cap, len) = (OutputCap::of(CAP), 300_000);
    for number in 0..40 {
        let offset = number * len as u64;
        append(&store, session, vec![put_out(id, Stream::Stdout, offset, &pattern(offset, len))])
            .await;
        let output = task(&store, id).await.output;
        if let Some(Excess { from, len }) = cap.excess(&output, Stream::Stdout) {
            let (attempt, stream) = (1, Stream::Stdout);
            let cut = TaskEvent::Truncated { attempt, stream, from, dropped: len };
            append(&store, session, vec![Happening::task(id, cut)]).await;
        }
        assert!(on_disk() < CAP + 4 * 64 * 1024, "{} bytes after {number}", on_disk());
    }
    let length = 40 * len as u64;
    let check = async |store: &Store| {
        let (mut offset, mut read) = (0, 0);
        while offset < length {
            let part = store.sessions().output(id, Stream::Stdout, offset, 100_000).await.unwrap();
            assert!(part.data == pattern(offset, part.data.len()), "at byte {offset}");
            read += part.data.len() as u64;
            offset += part.data.len() as u64;
            if part.data.is_empty() {
                offset = part.totals.gap_at(offset).expect("it is left out").to;
            }
        }
        assert_eq!(read, CAP / 4 * 3);
    };
    check(&store).await;
    let log = store.sessions().read(session, Seq(0), 1000).await.unwrap();
    store.close().await.unwrap();
    let store = open(&directory).await;
    check(&store).await;
    assert!(store.sessions().read(session, Seq(0), 1000).await.unwrap() == log);
}

#[tokio::test]
async fn of_racing_long_parts_one_is_kept_and_nothing_is_mixed() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let id = begin(&store, session).await;
    for round in 0..5_u64 {
        let (offset, len) = (round * 100_000, 100_000);
        let parts = (1..=6_u8).map(|writer| {
            let sessions = store.sessions();
            let what = vec![put_out(id, Stream::Stdout, offset, &vec![writer; len])];
            async move { (writer, sessions.append(session, None, what, NOW).await) }
        });
        let mut winner = None;
        for (writer, result) in join_all(parts).await {
            match result {
                Ok(_) => assert_eq!(winner.replace(writer), None, "one wins"),
                Err(error) => assert_eq!(error.code(), "output_offset"),
            }
        }
        let part = store.sessions().output(id, Stream::Stdout, offset, len).await.unwrap();
        assert_eq!((part.data.len(), part.totals.arrived()), (len, offset + len as u64));
        assert!(part.data.iter().all(|byte| Some(*byte) == winner));
    }
}

#[tokio::test]
async fn output_far_beyond_the_end_is_refused_and_writes_nothing() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let id = begin(&store, session).await;
    for offset in [70_000, 1 << 40, u64::MAX - 100] {
        let what = vec![put_out(id, Stream::Stdout, offset, b"far")];
        let refusal = store.sessions().append(session, None, what, NOW).await.unwrap_err();
        assert_eq!((refusal.kind(), refusal.code()), (ErrorKind::Conflict, "output_offset"));
    }
    assert_eq!(std::fs::read_dir(directory.path().join("output")).unwrap().count(), 0);
    assert_eq!(task(&store, id).await.output.stored(), 0);
}

#[tokio::test]
async fn parts_that_overtake_each_other_are_stored_in_order() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let id = begin(&store, session).await;
    // The short one is still on its way to the database when the long one is written.
    let short = append(&store, session, vec![put_out(id, Stream::Stdout, 0, &pattern(0, 50_000))]);
    let long = pattern(50_000, 50_000);
    let long = append(&store, session, vec![put_out(id, Stream::Stdout, 50_000, &long)]);
    futures::join!(short, long);
    assert!(read_all(&store, id, Stream::Stdout, 1 << 20).await == pattern(0, 100_000));
}

#[tokio::test]
async fn a_lost_file_is_reported_and_not_taken_for_an_end() {
    let directory = directory();
    let (store, session) = with_session(&directory).await;
    let id = begin(&store, session).await;
    append(&store, session, vec![put_out(id, Stream::Stdout, 0, &pattern(0, 100_000))]).await;
    std::fs::remove_file(directory.path().join("output").join(format!("{id}.stdout"))).unwrap();
    let lost = store.sessions().output(id, Stream::Stdout, 0, 10).await.unwrap_err();
    assert_eq!((lost.kind(), lost.code()), (ErrorKind::Internal, "output_damaged"));
}
