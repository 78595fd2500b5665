//! `invite …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;

use crate::args::HELP;
use crate::args::value;
use crate::args::value::Pair;

/// `invite …`.
#[derive(Debug, Subcommand)]
pub(crate) enum InviteCommand {
    /// Make an invite: good for one node, once, for a while.
    Create(CreateArgs),
    /// Print your invites.
    List,
    /// Withdraw an invite that nobody has used.
    Revoke(RevokeArgs),
}

/// `invite create`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli invite create --name lab-1 --label role=build --out node.yaml
  cortex-cli invite create --name lab-1 > node.yaml
"
)]
pub(crate) struct CreateArgs {
    /// Name of the node: 1 to 63 letters, digits, `-`, `_` and `.`.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// Label of the node; may be repeated.
    #[arg(long = "label", short = 'l', value_name = "K=V", value_parser = value::pair)]
    pub(crate) labels: Vec<Pair>,
    /// How long the invite is good; 24h at most. [default: 30m]
    #[arg(long, value_name = "SPAN", value_parser = value::span)]
    pub(crate) expires: Option<Duration>,
    /// Write the node's configuration here (mode 0600) instead of to standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `invite revoke`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RevokeArgs {
    /// The invite's id, `inv_…`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}
