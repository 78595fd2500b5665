//! Very many nodes: how fast they enrol, and how fast all of them are back after the hub was killed.

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::cortex::Hub;
use crate::cortex::Programs;
use crate::fleet;
use crate::process::Program;

/// Nodes in one process: each has a connection and some files, and a process may open 20,000 on a
/// usual system.
const IN_ONE_PROCESS: usize = 2_000;

/// When somebody has to look: far beyond the target.
const LIMIT: Duration = Duration::from_secs(600);

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) nodes: usize,
    /// Enrolments a second, each from the node's first key to its open stream.
    pub(crate) enrolments: f64,
    /// From the start of the hub's process until the hub was ready.
    pub(crate) ready: Duration,
    /// From the start of the hub's process until every node was online again.
    pub(crate) back: Duration,
    /// Nodes that ended, and warnings of the hub.
    pub(crate) failures: Vec<String>,
    /// Memory of the hub with all nodes back, in KiB.
    pub(crate) memory: f64,
}

/// Enrols so many nodes, kills the hub, starts it again, and waits until all are back.
pub(crate) async fn measure(programs: &Programs, home: &Path, nodes: usize) -> Result<Seen> {
    let hub = Hub::start(programs, home).await?;
    let mut fleets: Vec<Program> = Vec::new();
    let mut enrolling = Duration::ZERO;
    for first in (0..nodes).step_by(IN_ONE_PROCESS) {
        let count = IN_ONE_PROCESS.min(nodes - first);
        let prefix = format!("crowd-{}", fleets.len());
        fleet::invite(hub.api(), home, &prefix, count).await?;
        let begun = Instant::now();
        fleets.push(fleet::launch(home, &prefix).await?);
        enrolling += begun.elapsed();
        eprintln!("{} nodes are enrolled", first + count);
    }
    let begun = Instant::now();
    let hub = hub.restart().await?;
    let ready = begun.elapsed();
    let back = all_online(&hub, nodes, begun).await?;
    let mut failures = hub.said("WARN")?;
    failures.extend(hub.said("ERROR")?);
    for fleet in &mut fleets {
        if fleet.has_ended() {
            failures.push(fleet.failure("ended").to_string());
        }
    }
    Ok(Seen {
        nodes,
        enrolments: nodes as f64 / enrolling.as_secs_f64(),
        ready,
        back,
        failures,
        memory: hub.resident()?,
    })
}

/// Waits until so many nodes have a stream; how long after `begun` that was.
async fn all_online(hub: &Hub, nodes: usize, begun: Instant) -> Result<Duration> {
    let mut connection = hub.api().connect().await?;
    let mut shown = begun;
    loop {
        let online = connection.metric("cortexhub_nodes_online").await?;
        let elapsed = begun.elapsed();
        if online >= nodes as f64 {
            ensure!(online == nodes as f64, "{online} of {nodes} nodes are online");
            return Ok(elapsed);
        }
        if elapsed > LIMIT {
            bail!("only {online} of {nodes} nodes are back after {LIMIT:?}");
        }
        if shown.elapsed() > Duration::from_secs(5) {
            shown = Instant::now();
            eprintln!("{online} nodes are back after {:.1} s", elapsed.as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
