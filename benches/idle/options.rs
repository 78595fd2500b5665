//! What can be asked of the benchmarks with very many nodes.

use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Measure.
    Measure(Options),
    /// Be the process with the nodes of this directory.
    Fleet(PathBuf),
    /// Explain.
    Help,
}

/// How to measure.
#[derive(Debug)]
pub(crate) struct Options {
    /// How many nodes.
    pub(crate) nodes: usize,
    /// Fail if a target is missed.
    pub(crate) check: bool,
    /// Where the programs are; they are built if absent.
    pub(crate) bin_dir: Option<PathBuf>,
}

/// Reads the arguments of this process; so many nodes if none are named.
pub(crate) fn asked(usage: &str, nodes: usize) -> Result<Asked> {
    let mut options = Options { nodes, check: false, bin_dir: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--nodes" => options.nodes = value()?.parse()?,
            "--check" => options.check = true,
            "--bin-dir" => options.bin_dir = Some(value()?.into()),
            "--role" if value()? == "fleet" => {
                return Ok(Asked::Fleet(args.next().context("the role needs a directory")?.into()));
            }
            "-h" | "--help" => return Ok(Asked::Help),
            // Cargo's own.
            "--bench" => {}
            _ => bail!("unknown argument {arg:?}\n\n{usage}"),
        }
    }
    Ok(Asked::Measure(options))
}
