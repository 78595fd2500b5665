//! Rows of sessions and of events.

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::EventInfo;
use cortex_proto::json::SessionInfo;
use serde_json::Value;

use crate::output::span;
use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;

impl Row for SessionInfo {
    const TITLES: &'static [&'static str] = &["ID", "NAME", "STATUS", "NODES", "CREATED"];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.id),
            Cell::plain(&self.name),
            session_status(self),
            Cell::plain(self.nodes.len().to_string()),
            Cell::plain(span::ago(Some(&self.created_at), now)),
        ]
    }

    fn details(&self, _: Timestamp) -> Vec<(&'static str, Cell)> {
        vec![
            ("Id", Cell::plain(&self.id)),
            ("Name", Cell::plain(&self.name)),
            ("Owner", Cell::plain(&self.owner)),
            ("Status", session_status(self)),
            ("Nodes", Cell::plain(self.nodes.join(", "))),
            ("Created", Cell::plain(&self.created_at)),
            ("Closed", Cell::maybe(self.closed_at.as_ref())),
        ]
    }

    fn key(&self) -> &str {
        &self.id
    }
}

fn session_status(session: &SessionInfo) -> Cell {
    let tone = if session.status == "open" { Tone::Good } else { Tone::Dim };
    Cell::new(&session.status, tone)
}

impl Row for EventInfo {
    const TITLES: &'static [&'static str] = &["SEQ", "AT", "TYPE", "TASK", "DATA"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(self.seq.to_string()),
            Cell::plain(&self.at),
            Cell::plain(&self.kind),
            Cell::maybe(self.task.as_ref()),
            Cell::plain(pairs(&self.data)),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let titles = ["Seq", "At", "Type", "Task", "Data"];
        titles.into_iter().zip(self.cells(now)).collect()
    }

    fn key(&self) -> &str {
        &self.kind
    }
}

/// An object as `key=value` pairs on one line; anything else as JSON.
pub(crate) fn pairs(data: &Value) -> String {
    let Value::Object(fields) = data else {
        return match data {
            Value::Null => String::new(),
            other => other.to_string(),
        };
    };
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{key}={}", text.escape_debug()),
        other => format!("{key}={other}"),
    };
    fields.iter().map(pair).collect::<Vec<_>>().join(" ")
}
