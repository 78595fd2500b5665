//! Rows of the hub's keys.

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::TrustInfo;
use cortex_proto::json::TrustKeyInfo;
use serde::Serialize;

use crate::output::span;
use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;

/// A key, with the ring it is in.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct KeyRow {
    name: String,
    ring: String,
    #[serde(flatten)]
    key: TrustKeyInfo,
}

impl KeyRow {
    /// All keys of all rings.
    pub(crate) fn all(info: &TrustInfo) -> Vec<Self> {
        let rows = info.rings.iter().flat_map(|ring| {
            ring.keys.iter().map(|key| Self {
                name: format!("{}-{}", ring.ring, key.number),
                ring: ring.ring.clone(),
                key: key.clone(),
            })
        });
        rows.collect()
    }

    fn phase(&self) -> Cell {
        let tone = match self.key.phase.as_str() {
            "active" => Tone::Good,
            "tainted" => Tone::Warn,
            _ => Tone::Plain,
        };
        Cell::new(&self.key.phase, tone)
    }

    fn end(&self, now: Timestamp) -> Cell {
        Cell::plain(span::until(self.key.accepted_until.as_deref(), now))
    }
}

impl Row for KeyRow {
    const TITLES: &'static [&'static str] = &["RING", "KEY", "PHASE", "ENDS", "PIN"];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.ring),
            Cell::plain(self.key.number.to_string()),
            self.phase(),
            self.end(now),
            Cell::maybe(self.key.pin.as_ref()),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        vec![
            ("Ring", Cell::plain(&self.ring)),
            ("Key", Cell::plain(self.key.number.to_string())),
            ("Phase", self.phase()),
            ("Ends", self.end(now)),
            ("Pin", Cell::maybe(self.key.pin.as_ref())),
        ]
    }

    fn key(&self) -> &str {
        &self.name
    }
}
