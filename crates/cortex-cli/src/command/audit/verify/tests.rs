//! Exports that are whole, and exports that somebody has changed.

use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::Object;
use cortex_core::audit::Outcome;
use cortex_core::digest::Digest;
use cortex_core::id::TaskId;
use cortex_core::receipt::Ending;
use cortex_core::receipt::EndingKind;
use cortex_core::receipt::Receipt;
use cortex_core::receipt::StreamDigest;
use cortex_core::timestamp::Timestamp;
use cortex_proto::json::AuditInfo;
use ed25519_dalek::SigningKey;

use super::*;

const HUB: HubId = HubId::from_bytes([1; 16]);
const NODE: NodeId = NodeId::from_bytes([2; 16]);
const SESSION: SessionId = SessionId::from_bytes([3; 16]);

fn chain_head(head: Head) -> ChainHead {
    ChainHead { count: head.count, digest: head.digest.to_string() }
}

fn verify(lines: &[ExportLine], noted: Option<Head>) -> Result<Summary, String> {
    let mut verifier = Verifier::new(noted);
    for line in lines {
        verifier.line(&serde_json::to_vec(line).unwrap())?;
    }
    verifier.finish()
}

fn audit_log(count: u64) -> (Vec<ExportLine>, Head) {
    let start = audit::chain_of(HUB);
    let (mut lines, mut chain) = (Vec::new(), start);
    for seq in 1..=count {
        let record = Record {
            seq,
            at: Timestamp::from_millis(1_700_000_000_000),
            actor: Actor::Hub,
            credential: None,
            address: None,
            action: Action::NodeLock,
            object: Object::Node(NODE),
            owner: None,
            outcome: Outcome::Done,
            detail: seq.to_string(),
        };
        chain = record.extend(chain);
        lines.push(ExportLine::Record(AuditInfo::from(&record)));
    }
    let hub = HUB.to_string();
    let (start, end) = (chain_head(start), chain_head(chain));
    lines.insert(0, ExportLine::Audit { hub, start, end });
    (lines, chain)
}

fn receipts(output: &[u8]) -> Vec<ExportLine> {
    signed_by(&[9], [9, 9], output)
}

/// An export of a node with these keys in their order, and receipts under these.
fn signed_by(keys: &[u8], signers: [u8; 2], output: &[u8]) -> Vec<ExportLine> {
    let mut hash = StreamHash::default();
    hash.update(output);
    let stdout = hash.finish(false);
    let mut chain = receipt::chain_of(SESSION);
    let last = keys.len() - 1;
    let line = |(at, seed): (usize, &u8)| node_line(*seed, at < last);
    let mut lines: Vec<_> = keys.iter().enumerate().map(line).collect();
    for (number, signer) in (1..).zip(signers) {
        let task = TaskId::from_bytes([number; 16]);
        let receipt = Receipt {
            hub: HUB,
            node: NODE,
            session: SESSION,
            task,
            attempt: 1,
            envelope: Digest::of(b""),
            ending: Ending::new(EndingKind::Exited, 0, b""),
            output: Output::Known { stdout, stderr: StreamDigest::empty() },
            at: Timestamp::from_millis(0),
        };
        let signed = receipt.sign(&SigningKey::from_bytes(&[signer; 32]));
        chain = signed.extend(chain);
        lines.push(ExportLine::Receipt {
            task: task.to_string(),
            statement: STANDARD.encode(&signed.statement),
            signature: STANDARD.encode(&signed.signature),
        });
        lines.push(piece(task, 0, output));
    }
    let (hub, session, end) = (HUB.to_string(), SESSION.to_string(), chain_head(chain));
    lines.insert(0, ExportLine::Receipts { hub, session, output: true, end });
    lines
}

fn node_line(seed: u8, is_former: bool) -> ExportLine {
    let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
    let at = |seed: u8| Some(Timestamp::from_millis(i64::from(seed)).to_string());
    let until = if is_former { at(seed + 1) } else { None };
    ExportLine::Node { id: NODE.to_string(), identity: hex(key.as_bytes()), from: at(seed), until }
}

fn piece(task: TaskId, offset: u64, data: &[u8]) -> ExportLine {
    let (task, stream) = (task.to_string(), "stdout".to_owned());
    ExportLine::Output { task, stream, offset, data: STANDARD.encode(data) }
}

fn hex(bytes: &[u8; 32]) -> String {
    Digest::from_bytes(*bytes).to_string()
}

#[test]
fn an_audit_log_that_nobody_touched_is_good() {
    let (lines, head) = audit_log(5);
    let summary = verify(&lines, Some(head)).unwrap();
    assert_eq!((summary.verified, summary.head), (5, text_of(head)));
    let (earlier, noted) = audit_log(3);
    assert!(verify(&earlier, None).is_ok());
    assert!(verify(&lines, Some(noted)).is_ok(), "a head of former times");
    assert!(verify(&earlier, Some(head)).is_err(), "it lacks what was there once");
    let other = Head { digest: Digest::of(b"other"), ..noted };
    assert!(verify(&lines, Some(other)).is_err(), "another history");
}

#[test]
fn every_change_of_an_audit_log_is_found() {
    let (lines, _) = audit_log(5);
    for at in 1..lines.len() {
        let mut dropped = lines.clone();
        dropped.remove(at);
        assert!(verify(&dropped, None).is_err(), "without line {at}");
        let mut twice = lines.clone();
        twice.insert(at, lines[at].clone());
        assert!(verify(&twice, None).is_err(), "line {at} twice");
        let mut changed = lines.clone();
        let ExportLine::Record(info) = &mut changed[at] else { panic!("a record") };
        info.actor = "nobody".to_owned();
        assert!(verify(&changed, None).is_err(), "line {at} changed");
        if at > 1 {
            let mut swapped = lines.clone();
            swapped.swap(at, at - 1);
            assert!(verify(&swapped, None).is_err(), "line {at} swapped");
        }
    }
}

#[test]
fn receipts_are_good_with_their_output_and_without() {
    let lines = receipts(b"hello\n");
    let summary = verify(&lines, None).unwrap();
    assert_eq!((summary.verified, summary.streams, summary.cut), (2, 4, 0));
    let mut plain: Vec<_> =
        lines.iter().filter(|line| !matches!(line, ExportLine::Output { .. })).cloned().collect();
    if let ExportLine::Receipts { output, .. } = &mut plain[0] {
        *output = false;
    }
    let summary = verify(&plain, None).unwrap();
    assert_eq!((summary.verified, summary.streams), (2, 0));
}

#[test]
fn changed_receipts_keys_and_output_are_found() {
    let lines = receipts(b"hello\n");
    let task = TaskId::from_bytes([1; 16]);
    let with = |at: usize, line: ExportLine| {
        let mut lines = lines.clone();
        lines[at] = line;
        verify(&lines, None)
    };
    assert!(with(3, piece(task, 0, b"hellO\n")).unwrap_err().contains("not the one"));
    assert!(with(3, piece(task, 0, b"hello\n!")).unwrap_err().contains("more output"));
    assert!(with(3, piece(task, 1, b"ello\n")).unwrap_err().contains("gap"));
    assert_eq!(with(3, piece(task, 0, b"hell")).unwrap().cut, 1, "the hub keeps only so much");
    assert!(with(1, node_line(8, false)).unwrap_err().contains("signature"));
    let ExportLine::Receipt { task, statement, signature } = lines[2].clone() else { panic!() };
    let mut bytes = STANDARD.decode(statement).unwrap();
    bytes[118] ^= 1;
    let statement = STANDARD.encode(bytes);
    let changed = with(2, ExportLine::Receipt { task, statement, signature });
    assert!(changed.unwrap_err().contains("signature"));
    for at in [2, 4] {
        let mut dropped = lines.clone();
        dropped.drain(at..at + 2);
        assert!(verify(&dropped, None).is_err(), "without the receipt of line {at}");
    }
    let mut swapped = lines.clone();
    swapped[2..].rotate_left(2);
    assert!(verify(&swapped, None).unwrap_err().contains("chain"));
}

#[test]
fn receipts_under_a_key_that_was_replaced_stay_good_and_new_ones_do_not() {
    for signers in [[8, 8], [8, 9], [9, 9]] {
        let summary = verify(&signed_by(&[8, 9], signers, b""), None).unwrap();
        assert_eq!((summary.verified, summary.nodes.len()), (2, 2), "{signers:?}");
        assert!(summary.nodes.iter().any(|node| node.contains(" until 1970-01-01T00:00:00.009")));
    }
    let late = verify(&signed_by(&[8, 9], [9, 8], b""), None);
    assert!(late.unwrap_err().contains("signature"), "the old key counts no more");
    for keys in [&[8][..], &[9, 8], &[8, 8, 9], &[7, 9]] {
        assert!(verify(&signed_by(keys, [8, 9], b""), None).is_err(), "{keys:?}");
    }
    let mut lines = signed_by(&[8, 9], [8, 8], b"");
    lines[1..].swap(1, 2);
    assert!(verify(&lines, None).unwrap_err().contains("after its receipts"));
}

#[test]
fn what_is_no_export_is_refused_in_words() {
    assert!(Verifier::new(None).finish().is_err());
    assert!(Verifier::new(None).line(b"{}\n").is_err());
    assert!(Verifier::new(None).line(b"\xff\n").is_err());
    let (lines, _) = audit_log(1);
    assert!(verify(&lines[1..], None).unwrap_err().contains("first line"));
    let mixed = [lines[0].clone(), receipts(b"")[1].clone()];
    assert!(verify(&mixed, None).is_err());
}
