//! How long claims took, as the hub counts it.

use anyhow::Context as _;
use anyhow::Result;

const BUCKET: &str = "cortexhub_claim_seconds_bucket{le=\"";

/// How many claims took at most so long, cumulative.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// Upper bound in seconds, and how many were within it.
    buckets: Vec<(f64, u64)>,
}

impl Claims {
    /// Reads them from the hub's metrics.
    pub(crate) fn read(metrics: &str) -> Result<Self> {
        let mut buckets = Vec::new();
        for line in metrics.lines().filter_map(|line| line.strip_prefix(BUCKET)) {
            let (bound, count) = line.split_once("\"} ").context("no bucket")?;
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse()? };
            let count = count.split_whitespace().next().context("no count")?;
            buckets.push((bound, count.parse()?));
        }
        Ok(Self { buckets })
    }

    /// Those that came after an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let both = self.buckets.iter().zip(&earlier.buckets);
        Self { buckets: both.map(|(now, then)| (now.0, now.1 - then.1)).collect() }
    }

    /// The bound within which this share of them was; nothing where there were none.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let all = self.buckets.last().map_or(0, |(_, count)| *count);
        let wanted = all as f64 * share;
        let found = self.buckets.iter().find(|(_, count)| *count as f64 >= wanted);
        found.filter(|_| all > 0).map(|(bound, _)| *bound)
    }
}
