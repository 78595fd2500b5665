//! What trust costs: a signature and a line in the journal for each task, enrolments, and ten
//! thousand nodes that all come back at once after their hub was killed.
//!
//! The hub is the real program in a process of its own; the nodes are real nodes of the library in a
//! few other processes, on the same machine. `docs/benchmarks.md` has figures.
#![expect(clippy::print_stdout, reason = "what a benchmark measured is what it prints")]
#![expect(clippy::print_stderr, reason = "it takes minutes, and says how far it is")]

#[expect(dead_code, reason = "this benchmark needs the hub only")]
#[path = "../dispatch/cortex.rs"]
mod cortex;
mod cost;
mod crowd;
#[expect(dead_code, reason = "shared with the benchmark of idle nodes, which enrols them once")]
#[path = "../dispatch/fleet.rs"]
mod fleet;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which measures times")]
#[path = "../dispatch/load.rs"]
mod load;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which has peers")]
#[path = "../dispatch/process.rs"]
mod process;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which sends tasks")]
#[path = "../dispatch/rest.rs"]
mod rest;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which has rounds")]
#[path = "../dispatch/sample.rs"]
mod sample;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which starts processes")]
#[path = "../dispatch/spawn.rs"]
mod spawn;

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::cortex::Programs;

const USAGE: &str = "\
usage: cargo bench --bench trust [-- OPTION…]

  --nodes N        this many nodes instead of 10000; 0 measures single tasks only
  --check          fail if a target is missed
  --bin-dir DIR    take cortex-cli from there instead of building it
";

/// Enrolments a second that are wanted.
const ENROLMENTS: f64 = 50.0;

/// Seconds in which 10,000 nodes are to be back.
const BACK: f64 = 60.0;

#[derive(Debug)]
struct Options {
    nodes: usize,
    check: bool,
    bin_dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    // Fails only where one is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut options = Options { nodes: 10_000, check: false, bin_dir: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--nodes" => options.nodes = value()?.parse()?,
            "--check" => options.check = true,
            "--bin-dir" => options.bin_dir = Some(value()?.into()),
            "--role" if value()? == "fleet" => {
                let dir = args.next().context("the role needs a directory")?;
                return fleet::run(Path::new(&dir)).await;
            }
            "-h" | "--help" => {
                print!("{USAGE}");
                return Ok(());
            }
            // Cargo's own.
            "--bench" => {}
            _ => bail!("unknown argument {arg:?}\n\n{USAGE}"),
        }
    }
    tokio::select! {
        measured = measure(&options) => measured,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

async fn measure(options: &Options) -> Result<()> {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(parent)?;
    let home = tempfile::Builder::new().prefix("trust").tempdir_in(parent)?;
    println!("a task                                                cost");
    cost::signatures(20_000)?;
    cost::journal(home.path(), 2_000).await?;
    if options.nodes == 0 {
        return Ok(());
    }
    let programs = Programs::find(options.bin_dir.as_deref()).await?;
    let seen = crowd::measure(&programs, home.path(), options.nodes).await?;
    let back = seen.back.as_secs_f64();
    let is_back = back <= BACK && seen.failures.is_empty();
    let verdict = |is_met| if is_met { "yes" } else { "NO" };
    println!("\n{} nodes", seen.nodes);
    println!(
        "enrolments, until online: /s                   {:>9.0}   ≥ {ENROLMENTS} met: {}",
        seen.enrolments,
        verdict(seen.enrolments >= ENROLMENTS)
    );
    println!("the hub was killed; ready again after: s       {:>9.1}", seen.ready.as_secs_f64());
    println!(
        "all nodes online again after: s                {back:>9.1}   ≤ {BACK} met: {}",
        verdict(is_back)
    );
    println!("nodes that ended, warnings of the hub          {:>9}", seen.failures.len());
    println!("memory of the hub with all back: MiB           {:>9.0}", seen.memory / 1024.0);
    for failure in seen.failures.iter().take(10) {
        println!("  {failure}");
    }
    if options.check && !(is_back && seen.enrolments >= ENROLMENTS) {
        bail!("a target is missed");
    }
    Ok(())
}
