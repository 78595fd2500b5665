//! Reports and acknowledgements.

use std::sync::Arc;

use bytes::Bytes;
use cortex_core::digest::Digest;
use cortex_core::receipt;
use cortex_core::receipt::Ending;
use cortex_core::receipt::EndingKind;
use cortex_core::report::Ack;
use cortex_core::report::KnownAttempt;
use cortex_core::report::News;
use cortex_core::report::Report;
use cortex_core::task::Outcome;
use cortex_core::task::Progress;
use cortex_core::task::SentFile;
use cortex_core::task::Stream;
use cortex_core::task::check_name;

use super::ConvertError;
use super::parse_id;
use crate::limits::MAX_OUTPUT_BYTES;
use crate::v1;
use crate::v1::task_report::Body;
use crate::v1::task_response::Outcome as Wire;

/// Shorter parts of a message are copied out of it.
const SHARED_BYTES: usize = 64 << 10;

/// Reads one report.
///
/// # Errors
/// [`ConvertError`]: a field is missing, or has a value that cannot be, or a receipt states another
/// outcome than the response that it came with.
pub fn parse_report(wire: v1::TaskReport) -> Result<Report, ConvertError> {
    let news = match wire.body.ok_or(ConvertError::Missing("body"))? {
        Body::Started(started) => News::Started { pid: (started.pid > 0).then_some(started.pid) },
        Body::Progress(progress) => parse_progress(progress)?,
        Body::Response(response) => parse_response(response)?,
        Body::File(wire) => News::File(parse_file(wire)?),
        Body::Advance(wire) => News::Progress(Progress::new(wire.done, wire.total, wire.message)),
    };
    Ok(Report {
        task: parse_id("task_id", &wire.task_id)?,
        attempt: parse_count("attempt", wire.attempt)?,
        sequence: if wire.sequence > 0 {
            wire.sequence
        } else {
            return Err(ConvertError::bad("sequence", "counts from 1"));
        },
        news,
    })
}

/// Reads one attempt of an inventory.
///
/// # Errors
/// [`ConvertError`]: an id is none.
pub fn parse_attempt(wire: &v1::AttemptStatus) -> Result<KnownAttempt, ConvertError> {
    Ok(KnownAttempt {
        task: parse_id("task_id", &wire.task_id)?,
        attempt: parse_count("attempt", wire.attempt)?,
        started: wire.started,
    })
}

/// Reads one acknowledgement.
///
/// # Errors
/// [`ConvertError`]: an id is none.
pub fn parse_ack(wire: &v1::AttemptAck) -> Result<Ack, ConvertError> {
    let task = parse_id("task_id", &wire.task_id)?;
    Ok(Ack { task, attempt: parse_count("attempt", wire.attempt)?, sequence: wire.sequence })
}

fn parse_count(field: &'static str, value: u32) -> Result<u32, ConvertError> {
    if value > 0 { Ok(value) } else { Err(ConvertError::bad(field, "counts from 1")) }
}

fn parse_progress(wire: v1::ProgressEvent) -> Result<News, ConvertError> {
    let stream = match wire.stream() {
        v1::OutputStream::Stdout => Stream::Stdout,
        v1::OutputStream::Stderr => Stream::Stderr,
        v1::OutputStream::Files => Stream::Files,
        v1::OutputStream::Unspecified => return Err(ConvertError::Missing("progress.stream")),
    };
    if wire.data.is_empty() || wire.data.len() > MAX_OUTPUT_BYTES {
        let reason = format!("{} bytes, allowed are 1 to {MAX_OUTPUT_BYTES}", wire.data.len());
        return Err(ConvertError::bad("progress.data", reason));
    }
    Ok(News::Output { stream, offset: wire.offset, data: apart(wire.data) })
}

/// The bytes without the message that they came in: it may be much larger, and what is kept for long,
/// as the newest output of a task is, would keep all of it.
fn apart(part: Bytes) -> Bytes {
    if part.len() < SHARED_BYTES { Bytes::copy_from_slice(&part) } else { part }
}

fn parse_file(wire: v1::PublishedFile) -> Result<SentFile, ConvertError> {
    check_name(&wire.name).map_err(|fault| ConvertError::bad("file.name", fault))?;
    let digest = Digest::from_slice(&wire.sha256)
        .ok_or_else(|| ConvertError::bad("file.sha256", "a SHA-256 has 32 bytes"))?;
    Ok(SentFile { name: wire.name, offset: wire.offset, size: wire.size, digest })
}

/// The receipt's words are those that came over the wire: they are compared before a value is
/// decoded, since its JSON has many spellings.
fn parse_response(wire: v1::TaskResponse) -> Result<News, ConvertError> {
    let outcome = wire.outcome.ok_or(ConvertError::Missing("response.outcome"))?;
    let receipt = wire.receipt.ok_or(ConvertError::Missing("response.receipt"))?;
    let receipt = receipt::Signed {
        statement: apart(receipt.statement),
        signature: apart(receipt.signature),
    };
    let bad = |fault| ConvertError::bad("response.receipt", fault);
    if receipt.read().map_err(bad)?.ending != ending_of(&outcome) {
        return Err(bad(receipt::Fault::Outcome));
    }
    Ok(News::Ended { outcome: parse_outcome(outcome)?, receipt: Arc::new(receipt) })
}

fn ending_of(outcome: &Wire) -> Ending {
    let counted = |kind, stopped: &v1::Stopped| {
        Ending::new(kind, i32::try_from(stopped.processes).unwrap_or(i32::MAX), b"")
    };
    match outcome {
        Wire::Exited(exited) => Ending::new(EndingKind::Exited, exited.code, b""),
        Wire::Signalled(ended) => Ending::new(EndingKind::Signalled, ended.signal, b""),
        Wire::ValueJson(json) => Ending::new(EndingKind::Returned, 0, json),
        Wire::Broken(message) => Ending::new(EndingKind::Broken, 0, message.as_bytes()),
        Wire::Cancelled(stopped) => counted(EndingKind::Cancelled, stopped),
        Wire::TimedOut(stopped) => counted(EndingKind::TimedOut, stopped),
        Wire::Rejected(rejected) => Ending::refusal(&rejected.rule, &rejected.reason),
        Wire::Interrupted(reason) => Ending::new(EndingKind::Interrupted, 0, reason.as_bytes()),
        // Refused when the outcome is read.
        Wire::Browser(_) => Ending::new(EndingKind::Returned, 0, b""),
    }
}

fn parse_outcome(wire: Wire) -> Result<Outcome, ConvertError> {
    Ok(match wire {
        Wire::Exited(exited) => Outcome::Exited { code: exited.code },
        Wire::Signalled(signalled) => Outcome::Signalled { signal: signalled.signal },
        Wire::ValueJson(json) => Outcome::Returned {
            value: serde_json::from_slice(&json)
                .map_err(|error| ConvertError::bad("response.value_json", error))?,
        },
        Wire::Broken(message) => Outcome::Broken { message },
        Wire::Cancelled(stopped) => Outcome::Cancelled { processes: stopped.processes },
        Wire::TimedOut(stopped) => Outcome::TimedOut { processes: stopped.processes },
        Wire::Rejected(rejected) => {
            Outcome::Rejected { rule: rejected.rule, reason: rejected.reason }
        }
        Wire::Interrupted(reason) => Outcome::Interrupted { reason },
        Wire::Browser(_) => {
            return Err(ConvertError::bad("response.outcome", "no browser task was sent"));
        }
    })
}

impl From<Report> for v1::TaskReport {
    fn from(report: Report) -> Self {
        let body = match report.news {
            News::Started { pid } => Body::Started(v1::TaskStarted { pid: pid.unwrap_or(0) }),
            News::Output { stream, offset, data } => {
                let stream = match stream {
                    Stream::Stdout => v1::OutputStream::Stdout,
                    Stream::Stderr => v1::OutputStream::Stderr,
                    Stream::Files => v1::OutputStream::Files,
                };
                Body::Progress(v1::ProgressEvent { stream: stream.into(), offset, data })
            }
            News::File(file) => Body::File(v1::PublishedFile {
                name: file.name,
                offset: file.offset,
                size: file.size,
                sha256: file.digest.as_bytes().to_vec().into(),
            }),
            News::Progress(progress) => Body::Advance(v1::TaskProgress {
                done: progress.done(),
                total: progress.total(),
                message: progress.message().to_owned(),
            }),
            News::Ended { outcome, receipt } => Body::Response(v1::TaskResponse {
                outcome: Some(outcome.into()),
                receipt: Some(v1::Receipt {
                    statement: receipt.statement.clone(),
                    signature: receipt.signature.clone(),
                }),
            }),
        };
        Self {
            task_id: report.task.to_string(),
            attempt: report.attempt,
            sequence: report.sequence,
            body: Some(body),
        }
    }
}

impl From<Outcome> for Wire {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Exited { code } => Wire::Exited(v1::Exited { code }),
            Outcome::Signalled { signal } => Wire::Signalled(v1::Signalled { signal }),
            Outcome::Returned { value } => Wire::ValueJson(value.to_string().into_bytes().into()),
            Outcome::Broken { message } => Wire::Broken(message),
            Outcome::Cancelled { processes } => Wire::Cancelled(v1::Stopped { processes }),
            Outcome::TimedOut { processes } => Wire::TimedOut(v1::Stopped { processes }),
            Outcome::Rejected { rule, reason } => Wire::Rejected(v1::Rejected { rule, reason }),
            Outcome::Interrupted { reason } | Outcome::Lost { reason } => Wire::Interrupted(reason),
            other => Wire::Broken(other.summary()),
        }
    }
}

impl From<KnownAttempt> for v1::AttemptStatus {
    fn from(known: KnownAttempt) -> Self {
        Self { task_id: known.task.to_string(), attempt: known.attempt, started: known.started }
    }
}

impl From<Ack> for v1::AttemptAck {
    fn from(ack: Ack) -> Self {
        Self { task_id: ack.task.to_string(), attempt: ack.attempt, sequence: ack.sequence }
    }
}

#[cfg(test)]
mod tests {
    use cortex_core::id::HubId;
    use cortex_core::id::NodeId;
    use cortex_core::id::SessionId;
    use cortex_core::id::TaskId;
    use cortex_core::receipt::Output;
    use cortex_core::receipt::Receipt;
    use cortex_core::timestamp::Timestamp;
    use prost::Message as _;

    use super::*;

    fn receipt(outcome: &Outcome) -> Arc<receipt::Signed> {
        let receipt = Receipt {
            hub: HubId::from_bytes([1; 16]),
            node: NodeId::from_bytes([2; 16]),
            session: SessionId::from_bytes([3; 16]),
            task: TaskId::from_bytes([4; 16]),
            attempt: 1,
            envelope: Digest::of(b""),
            ending: outcome.into(),
            output: Output::none(),
            at: Timestamp::from_millis(0),
        };
        // Whether it is signed well is not decided here.
        let statement = receipt.to_bytes().into();
        Arc::new(receipt::Signed { statement, signature: Bytes::from_static(&[7; 64]) })
    }

    fn round_trip(news: News) {
        let task = TaskId::from_bytes([4; 16]);
        let report = Report { task, attempt: 1, sequence: 3, news };
        assert_eq!(parse_report(report.clone().into()), Ok(report));
    }

    #[test]
    fn reports_survive_the_way() {
        round_trip(News::Started { pid: Some(7) });
        round_trip(News::Started { pid: None });
        round_trip(News::Progress(Progress::new(1, Some(2), "half")));
        round_trip(News::Progress(Progress::new(9, None, "")));
        let data = Bytes::from_static(b"\xff\0hi");
        round_trip(News::Output { stream: Stream::Stderr, offset: 9, data: data.clone() });
        round_trip(News::Output { stream: Stream::Files, offset: 9, data });
        let (name, digest) = ("plot.png".to_owned(), Digest::of(b"x"));
        round_trip(News::File(SentFile { name, offset: 7, size: 1, digest }));
        for outcome in [
            Outcome::Exited { code: -7 },
            Outcome::Signalled { signal: 9 },
            Outcome::Returned { value: serde_json::json!({"a": [1, null]}) },
            Outcome::Broken { message: "no such program".into() },
            Outcome::Cancelled { processes: 3 },
            Outcome::TimedOut { processes: 1 },
            Outcome::Rejected { rule: "deny[0]".into(), reason: "rm".into() },
            Outcome::Interrupted { reason: "restarted".into() },
        ] {
            round_trip(News::Ended { receipt: receipt(&outcome), outcome });
        }
    }

    #[test]
    fn an_end_needs_a_receipt_of_that_end() {
        let outcome = Outcome::Exited { code: 0 };
        let task = TaskId::from_bytes([4; 16]);
        let other = receipt(&Outcome::Exited { code: 1 });
        let read = |receipt| {
            let news = News::Ended { outcome: outcome.clone(), receipt };
            parse_report(Report { task, attempt: 1, sequence: 1, news }.into())
        };
        assert!(read(receipt(&outcome)).is_ok());
        assert!(read(other).is_err());
        let cut = receipt::Signed::clone(&receipt(&outcome));
        let cut = receipt::Signed { statement: cut.statement.slice(1..), ..cut };
        assert!(read(Arc::new(cut)).is_err());
        let response = v1::TaskResponse { outcome: Some(outcome.clone().into()), receipt: None };
        assert_eq!(parse_response(response), Err(ConvertError::Missing("response.receipt")));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let good = v1::TaskReport {
            task_id: TaskId::from_bytes([4; 16]).to_string(),
            attempt: 1,
            sequence: 1,
            body: Some(Body::Started(v1::TaskStarted { pid: 1 })),
        };
        assert!(parse_report(good.clone()).is_ok());
        assert!(parse_report(v1::TaskReport { attempt: 0, ..good.clone() }).is_err());
        assert!(parse_report(v1::TaskReport { sequence: 0, ..good.clone() }).is_err());
        assert!(parse_report(v1::TaskReport { body: None, ..good.clone() }).is_err());
        assert!(parse_report(v1::TaskReport { task_id: "tsk_".into(), ..good.clone() }).is_err());
        let file = v1::PublishedFile {
            name: "a".into(),
            sha256: vec![0; 32].into(),
            ..Default::default()
        };
        let of_file = |file| v1::TaskReport { body: Some(Body::File(file)), ..good.clone() };
        assert!(parse_report(of_file(file.clone())).is_ok());
        let elsewhere = v1::PublishedFile { name: "../a".into(), ..file.clone() };
        assert!(parse_report(of_file(elsewhere)).is_err());
        assert!(parse_report(of_file(v1::PublishedFile { sha256: "ab".into(), ..file })).is_err());
        let data = Bytes::from(vec![0; MAX_OUTPUT_BYTES + 1]);
        let progress = v1::ProgressEvent { stream: 1, offset: 0, data };
        assert!(
            parse_report(v1::TaskReport { body: Some(Body::Progress(progress)), ..good }).is_err()
        );
    }

    #[test]
    fn what_is_kept_of_a_message_does_not_keep_the_message() {
        let outcome = Outcome::Exited { code: 0 };
        let receipt = receipt(&outcome);
        let data = Bytes::from(vec![7; SHARED_BYTES - 1]);
        for news in [
            News::Output { stream: Stream::Stdout, offset: 0, data },
            News::Ended { outcome, receipt },
        ] {
            let report =
                Report { task: TaskId::from_bytes([4; 16]), attempt: 1, sequence: 3, news };
            let message = Bytes::from(v1::TaskReport::from(report.clone()).encode_to_vec());
            let wire = v1::TaskReport::decode(message.clone()).unwrap();
            assert!(!message.is_unique(), "it is decoded without being copied");
            let kept = parse_report(wire).unwrap();
            assert!(message.is_unique());
            assert_eq!(kept, report);
        }
    }
}
