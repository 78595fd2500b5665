//! `node …`, and the commands of `cortex-node`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;

use crate::args::HELP;
use crate::args::value;
use crate::args::value::LabelChange;
use crate::args::value::Pair;

/// `node …`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Run a node in the foreground: enrol if needed, connect, run tasks until told to stop.
    Run(RunArgs),
    /// Print your nodes.
    List(ListArgs),
    /// Print everything about one node.
    Show(NodeName),
    /// Set labels of a node (key=value), or take them away (key-).
    Label(LabelArgs),
    /// Send new tasks elsewhere.
    #[command(visible_alias = "pause")]
    Cordon(NodeName),
    /// Send new tasks here again.
    #[command(visible_alias = "resume")]
    Uncordon(NodeName),
    /// Send new tasks elsewhere, and wait until those that are here have ended.
    Drain(DrainArgs),
    /// Share a node of yours with a user.
    Share(ShareArgs),
    /// Share a node with a user no more: their access and their tasks on it end at once.
    Unshare(UnshareArgs),
    /// Print with whom a node of yours is shared.
    Shares(NodeName),
    /// Lock a node out until it is unlocked: its stream is closed and its tasks end at once.
    Lock(NodeName),
    /// Let a node in again, also one that the hub locked.
    Unlock(NodeName),
    /// Remove a node for ever: it is cut off and can only come back with a new invite.
    Remove(NodeName),
}

/// `node run`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Example:
  node run --config node.yaml --data-dir ./node-data
"
)]
pub(crate) struct RunArgs {
    /// The node's configuration, as its invite gave it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Directory for the node's key and journal; before the one in the configuration.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// `node drain`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli node drain build-1
  cortex-cli node drain build-1 --timeout 10m

The node stays cordoned afterwards; `node uncordon` ends that. If this program is ended,
the node is drained all the same.
"
)]
pub(crate) struct DrainArgs {
    /// The node, by name or id.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// Cancel what still runs after this time, e.g. 10m.
    #[arg(long, value_name = "SPAN", value_parser = value::span)]
    pub(crate) timeout: Option<Duration>,
}

/// `rotate-identity` of `cortex-node`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Example:
  cortex-node rotate-identity --config node.yaml

The node has to be stopped; it is the same node afterwards. Where the hub does not
answer, the node brings the change to its end when it is started.
"
)]
pub(crate) struct RotateArgs {
    /// The node's configuration, as its invite gave it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Directory for the node's key and journal; before the one in the configuration.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// `node list`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli node list -l role=build
  cortex-cli node list --status online -o name
"
)]
pub(crate) struct ListArgs {
    /// Only nodes with this label; may be repeated.
    #[arg(short = 'l', long = "label", value_name = "K=V", value_parser = value::pair)]
    pub(crate) labels: Vec<Pair>,
    /// Only nodes with this status.
    #[arg(long, value_enum, value_name = "STATUS")]
    pub(crate) status: Option<NodeStatus>,
}

/// A node's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NodeStatus {
    /// Invited, never connected.
    Pending,
    /// Connected.
    Online,
    /// Not connected.
    Offline,
    /// May not connect.
    Revoked,
}

impl NodeStatus {
    /// The word of the API.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            NodeStatus::Pending => "pending",
            NodeStatus::Online => "online",
            NodeStatus::Offline => "offline",
            NodeStatus::Revoked => "revoked",
        }
    }
}

/// One node.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeName {
    /// The node's name or id.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
}

/// `node label`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Example:
  cortex-cli node label build-1 role=build zone=b old-
"
)]
pub(crate) struct LabelArgs {
    /// The node's name or id.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// `key=value` sets a label, `key-` takes it away; the others stay.
    #[arg(value_name = "K=V", required = true, value_parser = value::label_change)]
    pub(crate) changes: Vec<LabelChange>,
}

/// `node share`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli node share build-1 ada
  cortex-cli node share build-1 ada --manage
"
)]
pub(crate) struct ShareArgs {
    /// The node's name or id.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// The user's name or id.
    #[arg(value_name = "USER")]
    pub(crate) user: String,
    /// Let them rename, label, cordon and lock it too.
    #[arg(long)]
    pub(crate) manage: bool,
}

/// `node unshare`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UnshareArgs {
    /// The node's name or id.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// The user's name or id.
    #[arg(value_name = "USER")]
    pub(crate) user: String,
}

/// `cortex-node config …`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeConfigCommand {
    /// Print the values in force, without secrets.
    Show(NodeConfigShowArgs),
}

/// `cortex-node config show`.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeConfigShowArgs {
    /// The node's configuration.
    #[arg(long, value_name = "FILE", default_value = "node.yaml")]
    pub(crate) config: PathBuf,
    /// Say where each value comes from.
    #[arg(long)]
    pub(crate) origin: bool,
}

/// `cortex-node check`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// The node's configuration.
    #[arg(value_name = "FILE", default_value = "node.yaml")]
    pub(crate) file: PathBuf,
}
