//! `exec`.

use std::time::Duration;

use clap::Args;

use crate::args::HELP;
use crate::args::amount;
use crate::args::secret::SecretArgs;
use crate::args::value;
use crate::args::value::Moment;
use crate::args::value::Pair;

/// Where a task may run, where that is left to the hub.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ChoiceArgs {
    /// One of these nodes, the first that can take it now: names or ids with commas between them.
    /// With --require or --any, these say where it goes otherwise.
    #[arg(long, value_name = "NODE,…", value_delimiter = ',')]
    pub(crate) first_of: Vec<String>,
    /// A node that fits, e.g. 'os == "linux" && gpu.memory >= 16GiB && "browser" in skills'.
    #[arg(long, value_name = "EXPR", conflicts_with = "any")]
    pub(crate) require: Option<String>,
    /// Any node of the session.
    #[arg(long)]
    pub(crate) any: bool,
}

/// How soon a task is wanted, until when, and how often it may be tried.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DeliveryArgs {
    /// Of your tasks that wait, the one with the highest number goes first, 0 to 255.
    /// [default: 128]
    #[arg(long, value_name = "N")]
    pub(crate) priority: Option<u8>,
    /// End the task if it has not ended by then, also while it waits: a span from now, or a time,
    /// e.g. 10m or 2026-11-22T18:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = value::moment)]
    pub(crate) deadline: Option<Moment>,
    /// Start it again on another node if its node is lost, until it has had so many attempts, 1 to
    /// 16. It may run twice then. [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) attempts: Option<u8>,
}

/// `explain`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli explain                                   which nodes could take a task now
  cortex-cli explain --require gpu.memory>=16GiB       and which of them this one
  cortex-cli explain build-1 --skill browser
"
)]
pub(crate) struct ExplainArgs {
    /// The node, by name or id. [default: all of the session]
    #[arg(value_name = "NODE", conflicts_with_all = ["first_of", "require", "any"])]
    pub(crate) node: Option<String>,
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    /// The task calls this skill.
    #[arg(long, value_name = "NAME")]
    pub(crate) skill: Option<String>,
    /// Session that the task would belong to. [default: your default session]
    #[arg(long, value_name = "SESSION", default_value = "default", hide_default_value = true)]
    pub(crate) session: String,
}

/// `exec`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli exec build-1 -- cargo test
  cortex-cli exec build-1 build-2 --timeout 10m -- make check
  cortex-cli exec lab-1 --detach -o json -- ./long.sh
  cortex-cli exec lab-1 --stdin -- sh -s < setup.sh
  cortex-cli exec lab-1 --secret TOKEN -- sh -c 'echo $TOKEN | docker login …'
  cortex-cli exec --first-of gpu-1,gpu-2 --any -- ./train
  cortex-cli exec --require gpu.memory>=16GiB -- ./train
",
    after_help = "\
Ctrl-C cancels the task on the node and waits for its end; a second Ctrl-C kills it, a third one
leaves it to itself and prints its id. If this program is killed or the connection is lost, the task goes on."
)]
pub(crate) struct ExecArgs {
    /// The nodes, by name or id. With several, lines are prefixed with the node's name and the
    /// exit code is the highest.
    #[arg(
        value_name = "NODE",
        required_unless_present_any = ["first_of", "require", "any"],
        conflicts_with_all = ["first_of", "require", "any"]
    )]
    pub(crate) nodes: Vec<String>,
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    /// Session that the task belongs to. [default: your default session]
    #[arg(long, value_name = "SESSION", default_value = "default", hide_default_value = true)]
    pub(crate) session: String,
    /// End the task when it has run this long, e.g. 90s or 10m.
    #[arg(long, value_name = "SPAN", value_parser = value::span)]
    pub(crate) timeout: Option<Duration>,
    /// Set a variable on top of the node's environment; may be repeated.
    #[arg(long = "env", short = 'e', value_name = "K=V", value_parser = value::pair)]
    pub(crate) env: Vec<Pair>,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    /// Working directory on the node.
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,
    /// Take the words as one command line for the node's shell; its policy must allow that shell.
    #[arg(long)]
    pub(crate) line: bool,
    /// Pass standard input on as it comes, to its end; with --detach, up to 1 MiB of it.
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Keep at most so much of the output, e.g. 100MiB: of what is more, both ends.
    /// [default: the hub's limit]
    #[arg(long, value_name = "BYTES", value_parser = amount::bytes)]
    pub(crate) output_limit: Option<u64>,
    /// Wait for the node if it is not online.
    #[arg(long)]
    pub(crate) queue: bool,
    #[command(flatten)]
    pub(crate) delivery: DeliveryArgs,
    /// Print the task and return; do not wait for its end.
    #[arg(long, short)]
    pub(crate) detach: bool,
    /// Program and arguments; nothing interprets them.
    #[arg(value_name = "ARGV", last = true, required = true)]
    pub(crate) argv: Vec<String>,
}
