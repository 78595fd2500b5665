//! What can be asked of the benchmark.

use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::figure::Party;

/// What `--help` says.
pub(crate) const USAGE: &str = "\
usage: cargo bench --bench dispatch [-- OPTION…]

  --only PARTY,…   measure these only: spawn, nats, ssh, cortex
  --quick          one short round: for a look, not for figures
  --check          fail if a target is missed
  --bin-dir DIR    take cortex-cli and cortex-node from there instead of building them
";

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Measure.
    Measure(Options),
    /// Be the process that answers NATS requests at this server for so many subscribers.
    Responder(std::net::SocketAddr, usize),
    /// Be the process with the nodes of this directory.
    Fleet(PathBuf),
    /// Explain.
    Help,
}

/// How to measure.
#[derive(Debug)]
pub(crate) struct Options {
    /// Who is measured.
    pub(crate) parties: Vec<Party>,
    /// One short round.
    pub(crate) quick: bool,
    /// Fail if a target is missed.
    pub(crate) check: bool,
    /// Where the programs are; they are built if absent.
    pub(crate) bin_dir: Option<PathBuf>,
}

/// Reads the arguments of the process.
pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Asked> {
    let parties = Party::ALL.to_vec();
    let mut options = Options { parties, quick: false, check: false, bin_dir: None };
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--only" => options.parties = parties_in(&value()?)?,
            "--quick" => options.quick = true,
            "--check" => options.check = true,
            "--bin-dir" => options.bin_dir = Some(value()?.into()),
            "--role" => return role(&value()?, args),
            "-h" | "--help" => return Ok(Asked::Help),
            // Cargo's own.
            "--bench" => {}
            _ => bail!("unknown argument {arg:?}\n\n{USAGE}"),
        }
    }
    Ok(Asked::Measure(options))
}

fn role(name: &str, args: impl Iterator<Item = String>) -> Result<Asked> {
    let args: Vec<String> = args.collect();
    match (name, &args[..]) {
        ("nats-responder", [address, count]) => {
            Ok(Asked::Responder(address.parse()?, count.parse()?))
        }
        ("fleet", [dir]) => Ok(Asked::Fleet(dir.into())),
        _ => bail!("unknown role {name:?} with {args:?}"),
    }
}

fn parties_in(list: &str) -> Result<Vec<Party>> {
    let find = |word: &str| {
        let found = Party::ALL.into_iter().find(|party| party.word() == word);
        found.with_context(|| format!("unknown party {word:?}\n\n{USAGE}"))
    };
    let mut parties = list.split(',').map(find).collect::<Result<Vec<_>>>()?;
    parties.sort_unstable();
    parties.dedup();
    Ok(parties)
}
