//! `shell` and `attach`.

use clap::Args;

use crate::args::HELP;
use crate::args::secret::SecretArgs;
use crate::args::value;
use crate::args::value::Pair;

/// What can be typed at the beginning of a line.
const ESCAPES: &str = "\
At the beginning of a line: ~. leaves the terminal (it goes on, and can be joined again), ~^Z suspends
cortex-cli, ~? lists these, ~~ types one ~. A lost connection is made again by itself. Where standard
input is no terminal, what comes from there is typed as it is.";

/// `shell`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli shell build-1
  cortex-cli shell build-1 -- top
  cortex-cli shell lab-1 --cwd /srv -- bash --norc
",
    after_help = ESCAPES
)]
pub(crate) struct ShellArgs {
    /// The node, by name or id.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// Session that the task belongs to. [default: your default session]
    #[arg(long, value_name = "SESSION", default_value = "default", hide_default_value = true)]
    pub(crate) session: String,
    /// Set a variable on top of the node's environment; may be repeated.
    #[arg(long = "env", short = 'e', value_name = "K=V", value_parser = value::pair)]
    pub(crate) env: Vec<Pair>,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    /// Working directory on the node.
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,
    /// Program and arguments; the node's own shell if absent.
    #[arg(value_name = "ARGV", last = true)]
    pub(crate) argv: Vec<String>,
}

/// `attach`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli attach tsk_0198c2f0a1b27c3d8e4f5a6b7c8d9e0f
  cortex-cli attach tsk_0198c2f0a1b27c3d8e4f5a6b7c8d9e0f --read-only
",
    after_help = ESCAPES
)]
pub(crate) struct AttachArgs {
    /// The task whose terminal it is.
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    /// Only watch; Ctrl-C leaves, too.
    #[arg(long, short)]
    pub(crate) read_only: bool,
}
