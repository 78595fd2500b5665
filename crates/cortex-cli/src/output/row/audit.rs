//! Rows of the audit log.

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::AuditInfo;

use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;

impl Row for AuditInfo {
    const TITLES: &'static [&'static str] = &["TIME", "ACTOR", "ACTION", "OBJECT", "DETAIL"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.at),
            Cell::plain(&self.actor),
            action(self),
            Cell::plain(&self.object),
            Cell::plain(&self.detail),
        ]
    }

    fn details(&self, _: Timestamp) -> Vec<(&'static str, Cell)> {
        let or_none = |text: &Option<String>| Cell::plain(text.as_deref().unwrap_or("none"));
        vec![
            ("Number", Cell::plain(self.seq.to_string())),
            ("Time", Cell::plain(&self.at)),
            ("Actor", Cell::plain(&self.actor)),
            ("Credential", or_none(&self.credential)),
            ("Address", or_none(&self.address)),
            ("Action", action(self)),
            ("Object", Cell::plain(&self.object)),
            ("Owner", or_none(&self.owner)),
            ("Detail", Cell::plain(&self.detail)),
        ]
    }

    fn key(&self) -> &str {
        &self.object
    }
}

fn action(record: &AuditInfo) -> Cell {
    match record.outcome.as_str() {
        "refused" => Cell::new(format!("{} refused", record.action), Tone::Bad),
        _ => Cell::plain(&record.action),
    }
}
