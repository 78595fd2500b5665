//! Entries of a session's log as the shapes of the API, encoded once for all readers.

use axum::body::Bytes;
use cortex_core::id::SessionId;
use cortex_core::session::Entry;
use cortex_core::session::Happening;
use cortex_core::task::Stream;
use cortex_core::task::TaskEvent;
use cortex_proto::json::EventInfo;
use cortex_proto::json::Text;
use serde_json::Value;
use serde_json::json;

use super::convert::command_of;
use super::convert::file_info;
use super::convert::progress_info;
use super::sse;
use crate::feed::Frame;

/// An entry as an event of the API.
pub(super) fn event_info(session: SessionId, entry: &Entry) -> EventInfo {
    let (kind, task, data) = match &entry.what {
        Happening::Attached { node } => ("node.attached", None, json!({"node": node})),
        Happening::Detached { node } => ("node.detached", None, json!({"node": node})),
        Happening::Closed => ("session.closed", None, json!({})),
        Happening::Task { task, event, data } => {
            let (kind, value) = task_event(event, data);
            (kind, Some(task.to_string()), value)
        }
    };
    EventInfo {
        seq: entry.seq.0,
        at: entry.at.to_string(),
        session: session.to_string(),
        kind: kind.to_owned(),
        task,
        data,
    }
}

/// A frame as the text of a server-sent event.
pub(super) fn to_sse(frame: &Frame) -> Bytes {
    let info = event_info(frame.session, &frame.entry);
    sse::event(&info.kind, Some(&info.seq), &info)
}

/// The word of a stream.
pub(super) fn stream_word(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::Files => "files",
    }
}

fn task_event(event: &TaskEvent, bytes: &[u8]) -> (&'static str, Value) {
    match event {
        TaskEvent::Submitted { by, spec } => {
            ("task.submitted", json!({"by": by, "command": command_of(&spec.work)}))
        }
        TaskEvent::Assigned { attempt, node } => {
            ("task.assigned", json!({"attempt": attempt, "node": node}))
        }
        TaskEvent::Returned { attempt, reason } => {
            ("task.returned", json!({"attempt": attempt, "reason": reason}))
        }
        TaskEvent::Retried { attempt, outcome } => {
            let summary = outcome.summary();
            ("task.retried", json!({"attempt": attempt, "outcome": outcome, "summary": summary}))
        }
        TaskEvent::Started { attempt, pid } => {
            ("task.started", json!({"attempt": attempt, "pid": pid}))
        }
        TaskEvent::Output { attempt, stream: Stream::Files, len, .. } => {
            ("task.file_bytes", json!({"attempt": attempt, "len": len}))
        }
        TaskEvent::Published { file } => {
            let mut value = json!(file_info(file));
            value["attempt"] = file.attempt.into();
            ("task.file", value)
        }
        TaskEvent::Output { attempt, stream, offset, len } => {
            let mut value = json!({
                "attempt": attempt,
                "stream": stream_word(*stream),
                "offset": offset,
                "len": len,
            });
            // A long piece comes without its bytes: they are read from the task's output.
            if bytes.len() == *len as usize && bytes.len() <= Happening::INLINE_OUTPUT {
                let Text { data, encoding } = Text::of(bytes);
                value["data"] = data.into();
                value["encoding"] = encoding.into();
            }
            ("task.output", value)
        }
        TaskEvent::Truncated { attempt, stream, from, dropped } => {
            let stream = stream_word(*stream);
            let value =
                json!({"attempt": attempt, "stream": stream, "from": from, "dropped": dropped});
            ("task.truncated", value)
        }
        TaskEvent::Progress { attempt, progress } => {
            ("task.progress", json!({"attempt": attempt, "progress": progress_info(progress)}))
        }
        TaskEvent::CancelRequested { by, reason } => {
            ("task.cancel_requested", json!({"by": by, "reason": reason}))
        }
        TaskEvent::Ended { attempt, outcome, .. } => (
            "task.ended",
            json!({
                "attempt": attempt,
                "state": outcome.state().word(),
                "exit_code": outcome.exit_code(),
                "summary": outcome.summary(),
                "outcome": outcome,
            }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cortex_core::id::NodeId;
    use cortex_core::id::TaskId;
    use cortex_core::session::Seq;
    use cortex_core::task::Outcome;
    use cortex_core::timestamp::Timestamp;

    use super::*;

    const SESSION: SessionId = SessionId::from_bytes([1; 16]);

    fn entry(what: Happening) -> Entry {
        Entry { seq: Seq(7), at: Timestamp::from_millis(0), what }
    }

    fn output(bytes: &'static [u8]) -> EventInfo {
        let what = Happening::Task {
            task: TaskId::from_bytes([2; 16]),
            event: TaskEvent::Output {
                attempt: 1,
                stream: Stream::Stderr,
                offset: 3,
                len: u32::try_from(bytes.len()).unwrap(),
            },
            data: Bytes::from_static(bytes),
        };
        event_info(SESSION, &entry(what))
    }

    #[test]
    fn short_output_travels_with_its_event_and_long_output_does_not() {
        let short = output(b"\xffa");
        assert_eq!(short.kind, "task.output");
        assert_eq!(short.data["stream"], "stderr");
        assert_eq!(short.data["offset"], 3);
        assert_eq!(short.data["encoding"], "base64");
        static LONG: [u8; Happening::INLINE_OUTPUT + 1] = [b'x'; Happening::INLINE_OUTPUT + 1];
        let long = output(&LONG);
        assert_eq!(long.data["len"], LONG.len());
        assert!(long.data.get("data").is_none());
    }

    #[test]
    fn the_text_of_an_event_has_its_number_and_type() {
        let task = TaskId::from_bytes([2; 16]);
        let ended = TaskEvent::ended(1, Outcome::Exited { code: 0 });
        let frame = Frame::new(SESSION, Arc::new(entry(Happening::task(task, ended))));
        let text = String::from_utf8(to_sse(&frame).to_vec()).unwrap();
        assert!(text.starts_with("id: 7\nevent: task.ended\ndata: {\"seq\":7,"), "{text}");
        assert!(text.ends_with("}\n\n"), "{text}");
        let node = NodeId::from_bytes([3; 16]);
        let attached = event_info(SESSION, &entry(Happening::Attached { node }));
        assert_eq!(attached.kind, "node.attached");
        assert_eq!(attached.data["node"], node.to_string());
        assert_eq!(attached.task, None);
    }
}
