//! `exec`.

use std::time::Duration;

use clap::Args;

use crate::args::HELP;
use crate::args::value;
use crate::args::value::Pair;

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
",
    after_help = "\
Ctrl-C cancels the task on the node and waits for its end; a second Ctrl-C leaves it to itself
and prints its id. If this program is killed or the connection is lost, the task goes on."
)]
pub(crate) struct ExecArgs {
    /// The nodes, by name or id. With several, lines are prefixed with the node's name and the
    /// exit code is the highest.
    #[arg(value_name = "NODE", required = true)]
    pub(crate) nodes: Vec<String>,
    /// Session that the task belongs to. [default: your default session]
    #[arg(long, value_name = "SESSION", default_value = "default", hide_default_value = true)]
    pub(crate) session: String,
    /// End the task when it has run this long, e.g. 90s or 10m.
    #[arg(long, value_name = "SPAN", value_parser = value::span)]
    pub(crate) timeout: Option<Duration>,
    /// Set a variable on top of the node's environment; may be repeated.
    #[arg(long = "env", short = 'e', value_name = "K=V", value_parser = value::pair)]
    pub(crate) env: Vec<Pair>,
    /// Working directory on the node.
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,
    /// Take the words as one command line for the node's shell; its policy must allow that shell.
    #[arg(long)]
    pub(crate) line: bool,
    /// Pass standard input on, up to 1 MiB.
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Wait for the node if it is not online.
    #[arg(long)]
    pub(crate) queue: bool,
    /// Print the task and return; do not wait for its end.
    #[arg(long, short)]
    pub(crate) detach: bool,
    /// Program and arguments; nothing interprets them.
    #[arg(value_name = "ARGV", last = true, required = true)]
    pub(crate) argv: Vec<String>,
}
