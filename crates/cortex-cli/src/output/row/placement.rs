//! Rows of nodes that can or cannot take a task, and why a task is where it is.

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::ExplanationInfo;
use cortex_proto::json::FitInfo;

use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;

impl Row for FitInfo {
    const TITLES: &'static [&'static str] = &["NAME", "FITS", "WHY NOT"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        let reasons: Vec<_> = self.reasons.iter().map(|reason| reason.message.as_str()).collect();
        let why = (!self.fits).then(|| reasons.join("; "));
        let fits = match self.fits {
            true if self.kept => Cell::new("yes, a slot is kept", Tone::Good),
            true => Cell::new("yes", Tone::Good),
            false => Cell::new("no", Tone::Bad),
        };
        vec![Cell::plain(&self.name), fits, Cell::maybe(why)]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let titles = ["Name", "Fits", "Why not"];
        titles.into_iter().zip(self.cells(now)).collect()
    }

    fn key(&self) -> &str {
        &self.name
    }
}

impl Row for ExplanationInfo {
    const TITLES: &'static [&'static str] = &["TASK", "STATE", "WHY"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        vec![Cell::plain(&self.task), Cell::plain(&self.state), Cell::plain(&self.message)]
    }

    fn details(&self, _: Timestamp) -> Vec<(&'static str, Cell)> {
        let mut details = vec![
            ("Task", Cell::plain(&self.task)),
            ("State", Cell::plain(&self.state)),
            ("Why", Cell::plain(&self.message)),
        ];
        if let Some(waiting) = &self.waiting {
            details.push(("Own before it", Cell::plain(waiting.ahead.to_string())));
        }
        details
    }

    fn key(&self) -> &str {
        &self.task
    }
}
