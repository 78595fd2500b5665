//! The ways in which tasks are sent: one at a time, many in flight, one to each of many nodes.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::sample::Sample;

/// No task of a benchmark takes this long.
const LIMIT: Duration = Duration::from_secs(60);

/// One client that has one task under way at a time.
#[async_trait]
pub(crate) trait Lane: Send {
    /// Runs one task and checks that its result is right.
    async fn run(&mut self) -> Result<()>;
}

/// A lane of whatever kind.
pub(crate) type AnyLane = Box<dyn Lane>;

/// Runs `count` tasks one after the other, after some that do not count.
pub(crate) async fn one_at_a_time(lane: &mut dyn Lane, count: usize) -> Result<Sample> {
    for _ in 0..count.div_ceil(10) {
        within_limit(lane).await?;
    }
    let mut sample = Sample::default();
    for _ in 0..count {
        let start = Instant::now();
        within_limit(lane).await?;
        sample.add(start.elapsed());
    }
    Ok(sample)
}

/// Runs `count` tasks, as many at once as there are lanes, and returns how many ended a second.
pub(crate) async fn in_flight(lanes: &mut Vec<AnyLane>, count: usize) -> Result<f64> {
    share_out(lanes, count.div_ceil(10)).await?;
    let start = Instant::now();
    share_out(lanes, count).await?;
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// Runs one task on every lane at once, and returns after how many milliseconds the last ended.
pub(crate) async fn all_at_once(lanes: &mut Vec<AnyLane>) -> Result<f64> {
    let mut running = JoinSet::new();
    let start = Instant::now();
    for mut lane in lanes.drain(..) {
        running.spawn(async move { within_limit(&mut *lane).await.map(|()| lane) });
    }
    let ended = take_back(lanes, running).await;
    let took = start.elapsed().as_secs_f64() * 1e3;
    ended.map(|()| took)
}

async fn share_out(lanes: &mut Vec<AnyLane>, count: usize) -> Result<()> {
    let begun = Arc::new(AtomicUsize::new(0));
    let mut running = JoinSet::new();
    for mut lane in lanes.drain(..) {
        let begun = Arc::clone(&begun);
        running.spawn(async move {
            while begun.fetch_add(1, Ordering::Relaxed) < count {
                within_limit(&mut *lane).await?;
            }
            Ok(lane)
        });
    }
    take_back(lanes, running).await
}

async fn take_back(lanes: &mut Vec<AnyLane>, mut running: JoinSet<Result<AnyLane>>) -> Result<()> {
    while let Some(ended) = running.join_next().await {
        lanes.push(ended.context("a lane broke")??);
    }
    Ok(())
}

async fn within_limit(lane: &mut dyn Lane) -> Result<()> {
    tokio::time::timeout(LIMIT, lane.run())
        .await
        .with_context(|| format!("a task did not end within {LIMIT:?}"))?
}
