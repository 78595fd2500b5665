//! Many readers of one task.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::hub::Hub;
use crate::hub::Programs;
use crate::ticker;

/// Until all read at the same pace.
const SETTLE: Duration = Duration::from_secs(3);

/// What the readers cost and saw.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// The hub's share of a core, in percent.
    pub(crate) cpu: f64,
    /// Frames that a reader got in a second, in the middle.
    pub(crate) frames: f64,
    /// How old a line was when the slowest reader had it, in milliseconds.
    pub(crate) behind_ms: f64,
}

/// What one reader saw.
#[derive(Debug, Default)]
struct Seen {
    frames: usize,
    lines: usize,
    behind_micros: u128,
}

/// Lets `readers` read a task for some seconds.
pub(crate) async fn measure(
    programs: &Programs,
    home: &Path,
    readers: usize,
    seconds: u64,
) -> Result<Crowd> {
    let hub = Arc::new(Hub::start(programs, &home.join("crowd"), false).await?);
    let own = std::env::current_exe()?;
    let own = own.to_str().context("this program has a path that is no text")?;
    let task = hub.dispatch(&[own, ticker::ROLE]).await?;
    let path = format!("/api/tasks/{task}/output");
    let mut bodies = Vec::with_capacity(readers);
    for _ in 0..readers {
        bodies.push(hub.open(&path, "text/event-stream").await?);
    }
    let begin = Instant::now() + SETTLE;
    let end = begin + Duration::from_secs(seconds);
    let mut reading = JoinSet::new();
    for body in bodies {
        reading.spawn(read(body, begin, end));
    }
    tokio::time::sleep_until(begin).await;
    let before = hub.cpu_seconds()?;
    tokio::time::sleep_until(end).await;
    let took = hub.cpu_seconds()? - before;
    let mut seen = Vec::with_capacity(readers);
    while let Some(one) = reading.join_next().await {
        seen.push(one??);
    }
    let wanted = usize::try_from(seconds * u64::from(ticker::PER_SECOND))?;
    let fewest = seen.iter().map(|one| one.lines).min().unwrap_or_default();
    ensure!(fewest * 10 >= wanted * 9, "a reader had {fewest} lines of {wanted}");
    seen.sort_unstable_by_key(|one| one.frames);
    let frames = seen[seen.len() / 2].frames as f64 / seconds as f64;
    let behind = seen.iter().map(|one| one.behind_micros).max().unwrap_or_default();
    Ok(Crowd { cpu: took / seconds as f64 * 100.0, frames, behind_ms: behind as f64 / 1e3 })
}

async fn read(mut body: Incoming, begin: Instant, end: Instant) -> Result<Seen> {
    let mut seen = Seen::default();
    loop {
        let Ok(frame) = tokio::time::timeout_at(end, body.frame()).await else { return Ok(seen) };
        let frame = frame.context("the stream has ended")??;
        let Some(data) = frame.data_ref().filter(|_| Instant::now() >= begin) else { continue };
        seen.frames += 1;
        let text = String::from_utf8_lossy(data);
        for line in text.split("tick ").skip(1) {
            seen.lines += 1;
            let at: u128 = line.get(12..32).and_then(|at| at.parse().ok()).unwrap_or_default();
            if at > 0 {
                seen.behind_micros =
                    seen.behind_micros.max(ticker::now_micros().saturating_sub(at));
            }
        }
    }
}
