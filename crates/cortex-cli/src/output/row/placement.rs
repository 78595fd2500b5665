//! Rows of nodes that can or cannot take a task.

use cortex_core::timestamp::Timestamp;
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
