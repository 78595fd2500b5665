//! The journal: what is accepted is there after a crash, what is torn is left aside.

use std::path::PathBuf;

use cortex_core::digest::Digest;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use proptest::prelude::*;

use super::record::Entries;
use super::record::apply;
use super::record::decode_all;
use super::record::encode;
use super::*;

fn key(number: u8) -> AttemptKey {
    AttemptKey { task: TaskId::from_bytes([number; 16]), attempt: 1 }
}

const MANDATE: Mandate =
    Mandate { session: SessionId::from_bytes([7; 16]), envelope: Digest::from_bytes([8; 32]) };

fn exited() -> Outcome {
    Outcome::Exited { code: 3 }
}

fn open(dir: &Path) -> (Journal, Vec<Recovered>) {
    Journal::open(dir).unwrap()
}

fn keys(recovered: &[Recovered]) -> Vec<AttemptKey> {
    recovered.iter().map(|one| one.key).collect()
}

/// Copies the file as a crash at this moment would leave it.
fn crashed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(dir.join("journal"), copy.path().join("journal")).unwrap();
    copy
}

#[tokio::test]
async fn what_is_accepted_is_there_after_a_crash() {
    let root = tempfile::tempdir().unwrap();
    let (journal, recovered) = open(root.path());
    assert!(recovered.is_empty());
    let written = journal.accept(key(1), 5, 42, MANDATE);
    journal.commit();
    written.await.unwrap().unwrap();
    let crash = crashed(root.path());
    let (_, recovered) = open(crash.path());
    assert_eq!(keys(&recovered), [key(1)]);
    let entry = &recovered[0].entry;
    assert_eq!((entry.epoch, entry.sequence, entry.mandate), (5, 42, MANDATE));
    assert!(entry.started.is_none() && entry.ended.is_none());
}

#[tokio::test]
async fn starts_ends_and_settlements_are_kept_in_order() {
    let root = tempfile::tempdir().unwrap();
    let (journal, _) = open(root.path());
    for number in 1..=3 {
        drop(journal.accept(key(number), 1, u64::from(number), MANDATE));
    }
    journal.started(key(1), 77, 123);
    journal.ended(key(2), &exited(), true);
    journal.settled(key(3));
    journal.close().await;
    drop(journal);
    let (journal, recovered) = open(root.path());
    assert_eq!(keys(&recovered), [key(1), key(2)]);
    let started = recovered[0].entry.started.unwrap();
    assert_eq!((started.pid, started.at), (77, 123));
    assert_eq!(recovered[1].entry.ended, Some(Ended { outcome: exited(), had_output: true }));
    journal.close().await;
}

#[tokio::test]
async fn a_closed_journal_accepts_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (journal, _) = open(root.path());
    journal.close().await;
    let written = journal.accept(key(1), 1, 1, MANDATE);
    journal.commit();
    assert!(written.await.is_err());
}

#[tokio::test]
async fn many_more_records_than_fit_keep_what_matters() {
    let root = tempfile::tempdir().unwrap();
    let (journal, _) = open(root.path());
    drop(journal.accept(key(255), 1, 1, MANDATE));
    let long = Outcome::Broken { message: "x".repeat(8_000) };
    for round in 0..3_000u32 {
        let number = u8::try_from(round % 100).unwrap();
        let written = journal.accept(key(number), 1, u64::from(round) + 2, MANDATE);
        journal.ended(key(number), &long, false);
        journal.settled(key(number));
        journal.commit();
        if round % 100 == 99 {
            written.await.unwrap().unwrap();
        }
    }
    journal.close().await;
    drop(journal);
    let size = std::fs::metadata(root.path().join("journal")).unwrap().len();
    assert_eq!(size, 4 << 20, "the file does not grow");
    let (_, recovered) = open(root.path());
    assert_eq!(keys(&recovered), [key(255)]);
}

#[test]
fn a_file_of_another_version_is_not_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let path: PathBuf = root.path().join("journal");
    std::fs::write(&path, b"cortexj9 and more").unwrap();
    let error = Journal::open(root.path()).expect_err("another version");
    assert_eq!(error.code(), "journal_unusable");
    assert_eq!(std::fs::read(&path).unwrap(), b"cortexj9 and more");
}

#[test]
fn an_outcome_of_any_size_fits() {
    let value = serde_json::Value::String("é".repeat(100_000));
    let short = noted(&Outcome::Returned { value });
    assert!(serde_json::to_vec(&short).unwrap().len() <= MAX_NOTED_BYTES);
    assert_eq!(noted(&exited()), exited());
}

fn any_record() -> impl Strategy<Value = (AttemptKey, Record)> {
    let record = prop_oneof![
        (any::<u64>(), any::<u64>(), any::<[u8; 16]>(), any::<[u8; 32]>()).prop_map(
            |(epoch, sequence, session, envelope)| Record::Accepted {
                epoch,
                sequence,
                mandate: Mandate {
                    session: SessionId::from_bytes(session),
                    envelope: Digest::from_bytes(envelope),
                },
            }
        ),
        (any::<u32>(), any::<u64>(), any::<[u8; 16]>())
            .prop_map(|(pid, at, boot)| Record::Started(Started { pid, at, boot })),
        ("\\PC{0,20}", any::<bool>()).prop_map(|(message, had_output)| {
            Record::Ended(Ended { outcome: Outcome::Broken { message }, had_output })
        }),
        Just(Record::Settled),
    ];
    ((0u8..4).prop_map(key), record)
}

/// The records with the byte at which each ends.
fn encoded(records: &[(AttemptKey, Record)]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for (key, record) in records {
        encode(*key, record, &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn known(records: &[(AttemptKey, Record)]) -> Entries {
    let mut entries = Entries::new();
    for (key, record) in records {
        apply(&mut entries, *key, record.clone());
    }
    entries
}

fn read(bytes: &[u8]) -> (Entries, usize) {
    let mut entries = Entries::new();
    let end = decode_all(bytes, |key, record| apply(&mut entries, key, record));
    (entries, end)
}

proptest! {
    #[test]
    fn a_cut_at_any_byte_loses_only_the_tail(
        records in prop::collection::vec(any_record(), 1..8),
    ) {
        let (bytes, ends) = encoded(&records);
        for cut in 0..=bytes.len() {
            // Cut off, and cut off within a file that was filled with zeros.
            let mut filled = bytes[..cut].to_vec();
            filled.resize(bytes.len() + 64, 0);
            for torn in [&bytes[..cut], &filled[..]] {
                // A record whose last bytes were zeros anyway is whole in a filled file.
                let is_whole = |end: &&usize| torn.get(..**end) == Some(&bytes[..**end]);
                let whole = ends.iter().take_while(is_whole).count();
                prop_assert!(whole >= ends.iter().filter(|end| **end <= cut).count());
                let (entries, end) = read(torn);
                prop_assert_eq!(&entries, &known(&records[..whole]));
                prop_assert_eq!(end, whole.checked_sub(1).map_or(0, |last| ends[last]));
            }
        }
    }

    #[test]
    fn a_changed_byte_ends_the_reading_there(
        records in prop::collection::vec(any_record(), 1..8),
        at: prop::sample::Index,
        flip in 1u8..=255,
    ) {
        let (mut bytes, ends) = encoded(&records);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let before = ends.iter().filter(|end| **end <= at).count();
        let (entries, _) = read(&bytes);
        prop_assert_eq!(entries, known(&records[..before]));
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
    }
}
