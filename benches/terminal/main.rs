//! Terminals, measured: a keystroke until its echo, and a flood of output, beside OpenSSH in the
//! same run on the same machine.
//!
//! Hub and node are the real programs in processes of their own. `docs/benchmarks.md` says what is
//! measured, and has figures.
#![expect(clippy::print_stdout, reason = "what a benchmark measured is what it prints")]

#[expect(dead_code, reason = "shared with the benchmark of dispatch, which has clients of tasks")]
#[path = "../dispatch/cortex.rs"]
mod cortex;
mod echo;
mod flood;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which runs tasks")]
#[path = "../dispatch/load.rs"]
mod load;
#[expect(dead_code, reason = "shared with the benchmark of trust, which kills hubs")]
#[path = "../dispatch/process.rs"]
mod process;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which runs tasks")]
#[path = "../dispatch/rest.rs"]
mod rest;
#[path = "../dispatch/sample.rs"]
mod sample;
mod seat;
mod socket;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which starts processes")]
#[path = "../dispatch/spawn.rs"]
mod spawn;
#[expect(dead_code, reason = "shared with the benchmark of dispatch, which runs tasks")]
#[path = "../dispatch/ssh.rs"]
mod ssh;
mod table;

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::cortex::Hub;
use crate::cortex::Node;
use crate::cortex::Programs;
use crate::process::find_peer;
use crate::ssh::Ssh;
use crate::table::Table;

const USAGE: &str = "\
usage: cargo bench --bench terminal [-- OPTION…]

  --only WHAT      echo or output
  --quick          one short round: for a look, not for figures
  --check          fail if a target is missed
  --bin-dir DIR    take cortex-cli and cortex-node from there instead of building them
";

/// How often everything is measured; the table has medians.
const ROUNDS: usize = 5;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Echo,
    Output,
}

#[derive(Debug)]
struct Options {
    only: Option<Subject>,
    quick: bool,
    check: bool,
    bin_dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    // Fails only where one is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let Some(options) = options(std::env::args().skip(1))? else {
        print!("{USAGE}");
        return Ok(());
    };
    tokio::select! {
        measured = measure(&options) => measured,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

/// Reads the arguments of the process; nothing where it is to explain itself.
fn options(mut args: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let mut options = Options { only: None, quick: false, check: false, bin_dir: None };
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--only" => {
                options.only = Some(match value()?.as_str() {
                    "echo" => Subject::Echo,
                    "output" => Subject::Output,
                    other => bail!("unknown subject {other:?}\n\n{USAGE}"),
                });
            }
            "--quick" => options.quick = true,
            "--check" => options.check = true,
            "--bin-dir" => options.bin_dir = Some(value()?.into()),
            "-h" | "--help" => return Ok(None),
            // Cargo's own.
            "--bench" => {}
            _ => bail!("unknown argument {arg:?}\n\n{USAGE}"),
        }
    }
    Ok(Some(options))
}

async fn measure(options: &Options) -> Result<()> {
    for program in ssh::PROGRAMS {
        find_peer(program)?;
    }
    let programs = Programs::find(options.bin_dir.as_deref()).await?;
    // On the disk with the project, not on one in memory: storing is part of what is measured.
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(parent)?;
    let home = tempfile::Builder::new().prefix("terminal").tempdir_in(parent)?;
    let ssh = Ssh::start(0).await?;
    let hub = Hub::start(&programs, home.path()).await?;
    let node = Node::start(&programs, &hub).await?;
    let mut table = Table::default();
    let rounds = if options.quick { 1 } else { ROUNDS };
    let is_asked = |subject| options.only.is_none_or(|only| only == subject);
    for _ in 0..rounds {
        if is_asked(Subject::Echo) {
            echo::measure(&ssh, &hub, &node, options.quick, &mut table).await?;
        }
        if is_asked(Subject::Output) {
            flood::measure(&ssh, &hub, &node, home.path(), options.quick, &mut table).await?;
        }
    }
    println!("\n{table}");
    let cores = std::thread::available_parallelism()?;
    let extent = if options.quick { ", one short round: for a look, not for figures" } else { "" };
    println!("{cores} cores{extent}; memory of the hub: {:.0} MiB", hub.resident()? / 1024.0);
    if options.check && !table.is_good() {
        bail!("a target was missed");
    }
    Ok(())
}
