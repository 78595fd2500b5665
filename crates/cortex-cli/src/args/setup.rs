//! `config …`, `doctor`, `completion` and `man`.

use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use clap_complete::Shell;

use crate::args::HELP;

/// `config …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the values in force: of this program, or of a node.yaml or hub.yaml.
    Show(ShowArgs),
    /// Check a node.yaml or hub.yaml and say what is wrong with it.
    Check(CheckArgs),
}

/// `config show`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli config show --origin
  cortex-cli config show node.yaml --origin
"
)]
pub(crate) struct ShowArgs {
    /// A node.yaml or hub.yaml; the settings of this program if absent.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Say where each value comes from.
    #[arg(long)]
    pub(crate) origin: bool,
}

/// `config check`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// A node.yaml or hub.yaml.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// `doctor`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    /// Check this node.yaml too.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// `completion`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Example:
  cortex-cli completion bash > ~/.local/share/bash-completion/completions/cortex-cli
"
)]
pub(crate) struct CompletionArgs {
    /// The shell.
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// `man`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManArgs {
    /// The directory; made if it does not exist.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}
