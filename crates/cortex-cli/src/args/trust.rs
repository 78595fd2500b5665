//! `trust …`.

use std::time::Duration;

use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;

use crate::args::HELP;
use crate::args::value;

/// `trust …`.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Print the hub's keys and which nodes have not got the newest ones.
    Status,
    /// Replace a key: all steps in order; goes on where an earlier rotation stopped.
    Rotate(RotateArgs),
    /// Make the next key and let all nodes know it.
    Prepare(RingArgs),
    /// Use the next key; the active one retires.
    Activate(ForceArgs),
    /// Set an end to the time for which the retiring key is accepted.
    Taint(RingArgs),
    /// Accept the tainted key no more; happens by itself when its time is over.
    Revoke(ForceArgs),
    /// Take back the last step.
    Rollback(RingArgs),
}

/// Which keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ring {
    /// The certificate authority.
    Ca,
    /// The keys that sign tasks.
    Signing,
}

impl Ring {
    /// The word of the API.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Ring::Ca => "ca",
            Ring::Signing => "signing",
        }
    }
}

/// `trust rotate`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli trust rotate signing
  cortex-cli trust rotate ca --wait
"
)]
pub(crate) struct RotateArgs {
    /// Which keys.
    #[arg(value_enum, value_name = "RING")]
    pub(crate) ring: Ring,
    /// Also wait until the former key is revoked.
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long connected nodes have to get the next key.
    #[arg(long, value_name = "SPAN", value_parser = value::span, default_value = "60s")]
    pub(crate) patience: Duration,
    /// Do not wait for connected nodes that have not got the next key.
    #[arg(long)]
    pub(crate) force: bool,
}

/// A step that is taken or refused.
#[derive(Debug, Clone, Args)]
pub(crate) struct RingArgs {
    /// Which keys.
    #[arg(value_enum, value_name = "RING")]
    pub(crate) ring: Ring,
}

/// A step that can be forced.
#[derive(Debug, Clone, Args)]
pub(crate) struct ForceArgs {
    /// Which keys.
    #[arg(value_enum, value_name = "RING")]
    pub(crate) ring: Ring,
    /// Also where nodes are cut off until they get the newest keys.
    #[arg(long)]
    pub(crate) force: bool,
}
