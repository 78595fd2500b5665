//! Output, measured: one gibibyte of a task's output to a reader of the API over TLS, stored on the
//! way, beside OpenSSH with its default cipher in the same run; the same read back; and a thousand
//! readers of one task.
//!
//! `cargo bench --bench output -- --help` says what can be chosen; `docs/benchmarks.md` has figures.
#![expect(clippy::print_stdout, reason = "what a benchmark measured is what it prints")]

mod copy;
mod crowd;
mod hub;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which sends many tasks")]
#[path = "../dispatch/load.rs"]
mod load;
#[expect(dead_code, reason = "shared with the benchmark of trust, which kills hubs")]
#[path = "../dispatch/process.rs"]
mod process;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which measures times")]
#[path = "../dispatch/sample.rs"]
mod sample;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which starts processes")]
#[path = "../dispatch/spawn.rs"]
mod spawn;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which sends many tasks")]
#[path = "../dispatch/ssh.rs"]
mod ssh;
mod ticker;

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::sample::median;

const USAGE: &str = "\
usage: cargo bench --bench output [-- OPTION…]

  --quick          one short round: for a look, not for figures
  --check          fail if a target is missed
  --bin-dir DIR    take cortex-cli and cortex-node from there instead of building them
";

/// How much faster than OpenSSH a task's output is to come.
const OVER_SSH: f64 = 1.2;

/// The share of a core that the hub may take for the readers, in percent.
const CROWD_CPU: f64 = 30.0;

/// How to measure.
#[derive(Debug, Default)]
struct Options {
    quick: bool,
    check: bool,
    bin_dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    // Fails only where one is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut options = Options::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--check" => options.check = true,
            "--bin-dir" => {
                options.bin_dir = Some(args.next().context("--bin-dir needs a value")?.into());
            }
            ticker::ROLE => return ticker::run(),
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
    for program in ssh::PROGRAMS {
        process::find_peer(program)?;
    }
    let programs = hub::Programs::find(options.bin_dir.as_deref()).await?;
    // On the disk with the project, not on one in memory: storing is part of what is measured.
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(parent)?;
    let home = tempfile::Builder::new().prefix("output").tempdir_in(parent)?;
    let (bytes, rounds) = if options.quick { (256 << 20, 1) } else { (1 << 30, 5) };
    let copies = copy::measure(&programs, home.path(), bytes, rounds).await?;
    let (readers, seconds) = if options.quick { (200, 5) } else { (1_000, 20) };
    let crowd = crowd::measure(&programs, home.path(), readers, seconds).await?;

    let middle = |rates: &[f64]| median(rates).context("nothing was measured");
    let (live, ssh) = (middle(&copies.live)?, middle(&copies.ssh)?);
    println!("{} MiB of standard output, medians of {rounds} rounds, MB/s", bytes >> 20);
    println!("  {:<52}{ssh:>8.0}", "ssh, its default cipher");
    println!("  {:<52}{live:>8.0}", "a task, stored, to a reader of the API over TLS");
    println!("  {:<52}{:>8.0}", "read back over TLS", middle(&copies.back)?);
    println!("  {:<52}{:>8.0}", "this disk: written and synced 4 MiB at a time", copies.disk);
    let verdict = |is_met: bool| if is_met { "met" } else { "MISSED" };
    let is_fast = live >= OVER_SSH * ssh;
    println!("  ≥ {OVER_SSH} × ssh: {:.2} — {}", live / ssh, verdict(is_fast));
    println!(
        "{readers} readers of one task at {} events/s: {:.1} % of a core for the hub, each read \
         {:.0} frames/s, the slowest was {:.0} ms behind",
        ticker::PER_SECOND,
        crowd.cpu,
        crowd.frames,
        crowd.behind_ms
    );
    let is_lean = crowd.cpu <= CROWD_CPU;
    println!("  ≤ {CROWD_CPU} %: {}", verdict(is_lean));
    println!(
        "{} cores{}",
        std::thread::available_parallelism()?,
        if options.quick { ", one short round: for a look, not for figures" } else { "" }
    );
    if options.check && !(is_fast && is_lean) {
        bail!("a target was missed");
    }
    Ok(())
}
