//! Rows of skills.

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::SkillInfo;

use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;

/// Nodes that are named on a line.
const MOST_NAMED: usize = 5;

impl Row for SkillInfo {
    const TITLES: &'static [&'static str] = &["NAME", "VERSION", "NODES", "SUMMARY"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.name),
            Cell::plain(&self.version),
            places(self),
            Cell::plain(&self.summary),
        ]
    }

    fn details(&self, _: Timestamp) -> Vec<(&'static str, Cell)> {
        vec![
            ("Name", Cell::plain(&self.name)),
            ("Version", Cell::plain(&self.version)),
            ("Summary", Cell::plain(&self.summary)),
            ("Nodes", places(self)),
        ]
    }

    fn key(&self) -> &str {
        &self.name
    }
}

/// The nodes by name; those that are not online behind a mark.
fn places(skill: &SkillInfo) -> Cell {
    let name = |place: &cortex_proto::json::SkillPlace| match place.status.as_str() {
        "online" => place.name.clone(),
        _ => format!("■ {}", place.name),
    };
    let mut names: Vec<String> = skill.nodes.iter().take(MOST_NAMED).map(name).collect();
    let more = (skill.node_count as usize).saturating_sub(names.len());
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    let tone = if skill.online_count > 0 { Tone::Plain } else { Tone::Warn };
    Cell::new(names.join(", "), tone)
}
