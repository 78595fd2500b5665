//! A task's output in all the places where it is: what the program writes, what is stored, what the
//! log counts, what the API gives out, what the node has countersigned.

use cortex_core::id::TaskId;
use cortex_core::receipt::Output;
use cortex_core::receipt::Signed;
use cortex_core::receipt::StreamDigest;
use cortex_core::receipt::StreamHash;
use cortex_core::task::State;
use cortex_core::task::Stream;

use super::Finding;
use super::History;
use super::finding::Difference;
use super::replay::Life;

pub(super) fn check(history: &History, id: TaskId, life: &Life) -> Vec<Finding> {
    let mut findings = Vec::new();
    for stream in [Stream::Stdout, Stream::Stderr] {
        let found = differences(history, id, life, stream);
        findings.extend(found.into_iter().map(|what| Finding::Output { task: id, stream, what }));
    }
    match &life.receipt {
        Some(signed) => findings.extend(receipt(history, id, signed)),
        None if is_whole(life.task.state) => findings.push(Finding::NoReceipt(id)),
        None => {}
    }
    findings
}

/// Whether the program came to its own end, so that all it wrote must be there.
fn is_whole(state: State) -> bool {
    matches!(state, State::Succeeded | State::Failed)
}

fn differences(history: &History, id: TaskId, life: &Life, stream: Stream) -> Vec<Difference> {
    let mut found = Vec::new();
    let nothing = Vec::new();
    let stored = history.stored.get(&(id, stream)).unwrap_or(&nothing);
    let counted = life.task.output.of(stream).stored;
    if counted != stored.len() as u64 {
        found.push(Difference::Counted { have: stored.len() as u64, counted });
    }
    if let Some(told) = history.told.get(&id) {
        let written = told.script.output(stream);
        let (last, former) = attempts(life, stream, stored);
        found.extend(former.iter().filter_map(|part| compare(&written, part, false)));
        found.extend(compare(&written, last, is_whole(life.task.state)));
    }
    if history.served.get(&(id, stream)).is_some_and(|served| served != stored) {
        found.push(Difference::Served);
    }
    if let Some(stated) = life.receipt.as_ref().and_then(|signed| stated(signed, stream)) {
        let mut hash = StreamHash::default();
        hash.update(attempts(life, stream, stored).0);
        let StreamDigest { len, digest, .. } = hash.finish(false);
        if (len, digest) != (stated.len, stated.digest) {
            found.push(Difference::Stated);
        }
    }
    found
}

/// What the last attempt has put out, and what those before it did.
fn attempts<'a>(life: &Life, stream: Stream, stored: &'a [u8]) -> (&'a [u8], Vec<&'a [u8]>) {
    let (mut rest, mut former, mut at) = (stored, Vec::new(), 0);
    for begin in &life.begins {
        let begin = usize::try_from(begin.of(stream).arrived()).unwrap_or(usize::MAX);
        let (part, behind) = rest.split_at(begin.saturating_sub(at).min(rest.len()));
        former.push(part);
        (rest, at) = (behind, begin);
    }
    (rest, former)
}

/// What is stored is what was written: all of it, or its beginning where the task was cut off.
fn compare(written: &[u8], stored: &[u8], is_whole: bool) -> Option<Difference> {
    let same = written.iter().zip(stored).take_while(|(one, other)| one == other).count();
    if same < written.len().min(stored.len()) {
        return Some(Difference::Content { at: same as u64 });
    }
    if stored.len() > written.len() {
        return Some(Difference::Long { more: (stored.len() - written.len()) as u64 });
    }
    let missing = (written.len() - stored.len()) as u64;
    (is_whole && missing > 0).then_some(Difference::Short { missing })
}

fn stated(signed: &Signed, stream: Stream) -> Option<StreamDigest> {
    match signed.read().ok()?.output {
        Output::Known { stdout, stderr } => {
            Some(if stream == Stream::Stdout { stdout } else { stderr })
        }
        Output::Forgotten => None,
    }
}

fn receipt(history: &History, id: TaskId, signed: &Signed) -> Option<Finding> {
    let receipt = match signed.read() {
        Ok(receipt) => receipt,
        Err(fault) => return Some(Finding::Receipt { task: id, fault }),
    };
    let Some(keys) = history.keys.get(&receipt.node) else {
        return Some(Finding::UnknownNode(id, receipt.node));
    };
    // One of the node's keys has signed it: the newest, if it was never replaced.
    let verdicts: Vec<_> = keys.iter().map(|key| signed.verify(key)).collect();
    if verdicts.iter().any(Result::is_ok) {
        return None;
    }
    let fault = verdicts.into_iter().find_map(Result::err)?;
    Some(Finding::Receipt { task: id, fault })
}
