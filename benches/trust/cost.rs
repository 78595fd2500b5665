//! What trust costs a single task on its node: checking the order, and writing down that it was
//! accepted.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::ensure;
use cortex_core::envelope::Envelope;
use cortex_core::envelope::Expected;
use cortex_core::envelope::KeyId;
use cortex_core::envelope::Kind;
use cortex_core::envelope::verify;
use cortex_core::id::HubId;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::timestamp::Timestamp;
use cortex_node_lib::journal_times;
use ed25519_dalek::SigningKey;

use crate::sample::Sample;

/// A shell task of an everyday size, in bytes.
const PAYLOAD: usize = 200;

/// Bytes that the journal writes for an accepted attempt, rounded up.
const RECORD: usize = 128;

/// Measures signing and checking, `rounds` times each, and prints the figures.
pub(crate) fn signatures(rounds: u32) -> Result<()> {
    let key = SigningKey::from_bytes(&[7; 32]);
    let payload = [b'x'; PAYLOAD];
    let now = Timestamp::from_millis(1_700_000_000_000);
    let envelope = Envelope {
        kind: Kind::Task,
        key: KeyId::of(&key.verifying_key()),
        hub: HubId::from_bytes([1; 16]),
        node: NodeId::from_bytes([2; 16]),
        session: SessionId::from_bytes([3; 16]),
        epoch: 5,
        task: TaskId::from_bytes([4; 16]),
        attempt: 1,
        sequence: 42,
        issued_at: now,
        expires_at: now + Duration::from_secs(60),
        nonce: [9; 16],
        policy: [0xaa; 32],
        payload_type: "cortex.v1.TaskRequest".to_owned(),
        payload_len: 0,
        payload_digest: [0; 32],
    }
    .for_payload(&payload);
    let expected = Expected {
        keys: &[key.verifying_key()],
        hub: envelope.hub,
        node: envelope.node,
        epoch: envelope.epoch,
        last_sequence: 41,
        policy: Some(envelope.policy),
        now,
    };
    let signed = envelope.sign(&key);
    let begun = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(std::hint::black_box(&envelope).sign(&key));
    }
    let signing = begun.elapsed() / rounds;
    let begun = Instant::now();
    for _ in 0..rounds {
        let given = std::hint::black_box(&signed);
        let checked = verify(&given.envelope, &given.signature, &payload, &expected);
        ensure!(checked.is_ok(), "the order is good");
    }
    let checking = begun.elapsed() / rounds;
    println!("the hub signs an order                         {:>9.1} µs", micros(signing));
    println!("the node checks it, all nine checks            {:>9.1} µs", micros(checking));
    Ok(())
}

/// Measures the journal in `dir`, beside a bare file on the same disk, and prints the figures.
pub(crate) async fn journal(dir: &Path, rounds: u64) -> Result<()> {
    let bare = bare_writes(&dir.join("bare"), rounds)?;
    let alone = middle(journal_times(dir, rounds, 1).await?, 1);
    let together = middle(journal_times(dir, rounds, 64).await?, 64);
    println!("a bare write and fdatasync on this disk        {bare:>9.1} µs");
    println!("the journal accepts a task                     {alone:>9.1} µs");
    println!("    64 that come together, each                {together:>9.1} µs");
    Ok(())
}

/// The middle time of writing a record into a file that was filled before, and syncing it.
fn bare_writes(path: &Path, rounds: u64) -> Result<f64> {
    use std::os::unix::fs::FileExt as _;
    let mut file = File::create(path)?;
    file.write_all(&vec![0; RECORD * usize::try_from(rounds)?])?;
    file.sync_all()?;
    let mut times = Vec::new();
    for round in 0..rounds {
        let begun = Instant::now();
        file.write_all_at(&[1; RECORD], round * RECORD as u64)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(middle(times, 1))
}

/// The middle of these times, shared by so many, in microseconds.
fn middle(times: Vec<Duration>, shared_by: u32) -> f64 {
    let mut sample = Sample::default();
    times.into_iter().for_each(|time| sample.add(time / shared_by));
    sample.quantile(0.5) * 1e3
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
