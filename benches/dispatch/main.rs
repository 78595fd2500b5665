//! Dispatch, measured: `echo hi` from a request to its result, beside NATS, OpenSSH and a bare
//! process, in one run on one machine.
//!
//! `cargo bench --bench dispatch -- --help` says what can be chosen; `docs/benchmarks.md` says what
//! is measured, and has figures.
#![expect(clippy::print_stdout, reason = "what a benchmark measured is what it prints")]

mod args;
#[expect(dead_code, reason = "shared with the benchmark of trust, which restarts hubs")]
mod cortex;
mod embedded;
mod figure;
mod fleet;
mod load;
mod nats;
mod nothing;
mod process;
#[expect(dead_code, reason = "shared with the benchmark of trust, which reads metrics")]
mod rest;
mod rounds;
mod sample;
mod spawn;
#[expect(dead_code, reason = "shared with the benchmarks of terminals and output")]
mod ssh;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;

use crate::args::Asked;
use crate::args::Options;
use crate::cortex::Programs;
use crate::figure::Figures;
use crate::figure::Party;
use crate::process::find_peer;

#[tokio::main]
async fn main() -> Result<()> {
    // Fails only where one is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    match args::read(std::env::args().skip(1))? {
        Asked::Measure(options) => tokio::select! {
            measured = measure(&options) => measured,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        },
        Asked::Responder(address, subscribers) => nats::respond(address, subscribers).await,
        Asked::Fleet(dir) => fleet::run(&dir).await,
        Asked::Help => {
            print!("{}", args::USAGE);
            Ok(())
        }
    }
}

async fn measure(options: &Options) -> Result<()> {
    require_peers(&options.parties)?;
    let programs = match options.parties.contains(&Party::Cortex) {
        true => Some(Programs::find(options.bin_dir.as_deref()).await?),
        false => None,
    };
    // On the disk with the project, not on one in memory: storing is part of what is measured.
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(parent)?;
    let home = tempfile::Builder::new().prefix("dispatch").tempdir_in(parent)?;
    let (mut figures, start) = (Figures::default(), Instant::now());
    rounds::one_node(options, programs.as_ref(), home.path(), &mut figures).await?;
    rounds::many_nodes(options, programs.as_ref(), home.path(), &mut figures).await?;
    rounds::nothing(options, home.path(), &mut figures).await?;
    println!("\n{figures}");
    let cores = std::thread::available_parallelism()?;
    println!(
        "{cores} cores, {:.0} s{}",
        start.elapsed().as_secs_f64(),
        match options.quick {
            true => ", one short round: for a look, not for figures",
            false => "",
        }
    );
    if options.check && !figures.are_good() {
        bail!("a target was missed");
    }
    Ok(())
}

/// A missing peer is an error before anything is started, not a gap in the table.
fn require_peers(parties: &[Party]) -> Result<()> {
    for party in parties {
        let programs: &[&str] = match party {
            Party::Nats => &[nats::SERVER],
            Party::Ssh => &ssh::PROGRAMS,
            Party::Spawn | Party::Cortex => &[],
        };
        for program in programs {
            find_peer(program)?;
        }
    }
    Ok(())
}
