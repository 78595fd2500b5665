//! The loop that routes what nodes say to dispatch: one task a link, all owned here.

use std::time::Duration;

use cortex_core::report::News;
use cortex_core::report::Report;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock;
use crate::hub::Hub;
use crate::link::Arrival;
use crate::link::CloseReason;
use crate::link::Down;
use crate::link::Link;
use crate::link::Up;

/// How long a full link may keep acknowledgements waiting before its node counts as too slow.
const ACK_PATIENCE: Duration = Duration::from_secs(10);

/// Reports of one node after which a commit takes no more batches of them.
const SETTLED_AT_ONCE: usize = 256;

/// The same in bytes of output; a commit has that and one batch more at most.
const SETTLED_BYTES: usize = 2 << 20;

/// How long what terminals show waits for more of it, to be stored together: those who watch have
/// seen it.
const LINGER: Duration = Duration::from_millis(5);

/// Bytes of it that do not wait: a flood has company enough.
const LINGERING_BYTES: usize = 4 << 10;

/// Serves links until the hub shuts down and all links have ended.
pub(crate) async fn run(hub: Hub, mut arrivals: mpsc::Receiver<Arrival>) {
    let shutdown = hub.shutdown_token();
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(arrival) = arrivals.recv() => {
                serving.spawn(serve(hub.clone(), arrival));
            }
            Some(ended) = serving.join_next(), if !serving.is_empty() => report(ended),
            else => break,
        }
    }
    for link in hub.links().all() {
        link.close(CloseReason::Shutdown);
    }
    arrivals.close();
    while let Some(ended) = serving.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(failure) = ended {
        tracing::error!(%failure, "serving a node failed");
    }
}

async fn serve(hub: Hub, arrival: Arrival) {
    let Arrival { link, mut news } = arrival;
    // What has come, but was not reports and ends a batch of them.
    let mut behind = None;
    loop {
        let up = match behind.take() {
            Some(up) => Some(up),
            None => tokio::select! {
                // What has come is taken before the stream's end.
                biased;
                up = news.recv() => up,
                () = link.closed.cancelled() => None,
            },
        };
        let Some(mut up) = up else { break };
        if let Up::Reports(reports) = &mut up {
            behind = linger(&hub, &link, reports, &mut news).await;
            if behind.is_none() {
                behind = gather(reports, &mut news);
            }
        }
        link.heard(None, clock::now());
        if let Err(fault) = take(&hub, &link, up).await {
            tracing::warn!(node = %link.node().id, %fault, "node broke the protocol");
            link.close(CloseReason::Protocol(fault));
            break;
        }
    }
    hub.leave(&link).await;
}

/// Waits for more of what terminals show, as long as nothing else comes; returns that.
async fn linger(
    hub: &Hub,
    link: &Link,
    reports: &mut Vec<Report>,
    news: &mut mpsc::Receiver<Up>,
) -> Option<Up> {
    let until = tokio::time::Instant::now() + LINGER;
    let mut is_shown = hub.dispatch().are_shown(reports);
    while is_shown && output_bytes(reports) < LINGERING_BYTES {
        match tokio::time::timeout_at(until, news.recv()).await.ok()?? {
            Up::Reports(more) => {
                is_shown = hub.dispatch().are_shown(&more);
                reports.extend(more);
            }
            Up::Given(acks) => hub.dispatch().input_given(link.node().id, &acks),
            other => return Some(other),
        }
    }
    None
}

/// Adds the reports that came while the last ones were stored, so that one commit serves all of
/// them; returns what came behind them.
fn gather(reports: &mut Vec<Report>, news: &mut mpsc::Receiver<Up>) -> Option<Up> {
    let mut bytes = output_bytes(reports);
    while reports.len() < SETTLED_AT_ONCE && bytes < SETTLED_BYTES {
        match news.try_recv().ok()? {
            Up::Reports(more) => {
                bytes += output_bytes(&more);
                reports.extend(more);
            }
            other => return Some(other),
        }
    }
    None
}

fn output_bytes(reports: &[Report]) -> usize {
    let output = |report: &Report| match &report.news {
        News::Output { data, .. } => data.len(),
        _ => 0,
    };
    reports.iter().map(output).sum()
}

async fn take(hub: &Hub, link: &Link, up: Up) -> Result<(), String> {
    let node = link.node();
    match up {
        Up::Inventory(known) => hub.dispatch().reconcile(node.id, &known).await,
        Up::Reports(reports) => {
            let acks = hub.dispatch().settle(link, reports).await?;
            crash_point!("hub::reports-stored");
            if !acks.is_empty() {
                tell(link, Down::Acks(acks)).await?;
            }
            crash_point!("hub::reports-acked");
        }
        Up::Claims(tasks) => {
            if let Some(refused) = hub.dispatch().claim(link, tasks) {
                tell(link, refused).await?;
            }
        }
        Up::Given(acks) => hub.dispatch().input_given(node.id, &acks),
        Up::Adopted(serial) => link.adopt(serial),
        Up::Leaving(reason) => {
            tracing::info!(node = %node.id, reason = %reason.escape_debug(), "node leaves");
            link.closed.cancel();
        }
    }
    Ok(())
}

/// What answers a node may wait for room, since the node cannot go on without it.
async fn tell(link: &Link, down: Down) -> Result<(), String> {
    tokio::time::timeout(ACK_PATIENCE, link.send_patiently(down))
        .await
        .map_err(|_| "the node does not read its stream".to_owned())
}
