//! Memory of a hub per idle connected node, measured with a thousand of them.
//!
//! The hub is the real program in a process of its own; the nodes are real nodes of the library in
//! one other process. `docs/benchmarks.md` has figures.
#![expect(clippy::print_stdout, reason = "what a benchmark measured is what it prints")]

#[expect(dead_code, reason = "this benchmark needs the hub only")]
#[path = "../dispatch/cortex.rs"]
mod cortex;
#[path = "../dispatch/fleet.rs"]
mod fleet;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which measures times")]
#[path = "../dispatch/load.rs"]
mod load;
mod options;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which has peers")]
#[path = "../dispatch/process.rs"]
mod process;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which sends tasks")]
#[path = "../dispatch/rest.rs"]
mod rest;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which measures times")]
#[path = "../dispatch/sample.rs"]
mod sample;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which starts processes")]
#[path = "../dispatch/spawn.rs"]
mod spawn;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use anyhow::bail;

use crate::cortex::Hub;
use crate::cortex::Programs;
use crate::options::Asked;
use crate::options::Options;
use crate::options::asked;

const USAGE: &str = "\
usage: cargo bench --bench idle [-- OPTION…]

  --nodes N        this many nodes instead of 1000
  --check          fail if a node costs more than 64 KiB
  --bin-dir DIR    take cortex-cli from there instead of building it
";

/// Nodes that are there before anything is counted: what the first ones cost, the hub costs.
const FIRST: usize = 10;

/// Several heartbeats of every node.
const SETTLE: Duration = Duration::from_secs(20);

/// What a node may cost, in KiB.
const LIMIT: f64 = 64.0;

/// What one bidirectional stream over TLS cost a bare tonic server, in KiB, as measured before this
/// project began.
const BARE_STREAM: &str = "31 to 40";

#[tokio::main]
async fn main() -> Result<()> {
    // Fails only where one is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let options = match asked(USAGE, 1_000)? {
        Asked::Measure(options) => options,
        Asked::Fleet(dir) => return fleet::run(&dir).await,
        Asked::Help => {
            print!("{USAGE}");
            return Ok(());
        }
    };
    tokio::select! {
        measured = measure(&options) => measured,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

async fn measure(options: &Options) -> Result<()> {
    let programs = Programs::find(options.bin_dir.as_deref()).await?;
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(parent)?;
    let home = tempfile::Builder::new().prefix("idle").tempdir_in(parent)?;
    let hub = Hub::start(&programs, home.path()).await?;
    let alone = hub.resident()?;
    let first = fleet::start(hub.api(), home.path(), "first", FIRST).await?;
    tokio::time::sleep(SETTLE).await;
    let before = hub.resident()?;
    let rest = fleet::start(hub.api(), home.path(), "rest", options.nodes).await?;
    let busy = hub.resident()?;
    tokio::time::sleep(SETTLE).await;
    let after = hub.resident()?;
    let each = (after - before) / options.nodes as f64;

    println!("\nresident memory of the hub                      KiB");
    println!("  alone                                   {alone:>9.0}");
    println!("  with {FIRST} idle nodes                      {before:>9.0}");
    println!("  with {} more, just enrolled           {busy:>9.0}", options.nodes);
    println!("  the same, settled for {} s              {after:>9.0}", SETTLE.as_secs());
    let verdict = if each <= LIMIT { "yes" } else { "NO" };
    println!("an idle connected node                    {each:>9.1}   ≤ {LIMIT} met: {verdict}");
    println!("a stream of a bare tonic server over TLS   {BARE_STREAM:>8}   (measured elsewhere)");
    drop((first, rest));
    if options.check && each > LIMIT {
        bail!("a node costs more than {LIMIT} KiB");
    }
    Ok(())
}
