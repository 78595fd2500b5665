//! `session …`.

use clap::Args;
use clap::Subcommand;

use crate::args::HELP;

/// `session …`.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Make a session.
    Create(CreateArgs),
    /// Print your sessions.
    List,
    /// Print one session.
    Show(SessionName),
    /// Attach nodes.
    Attach(MemberArgs),
    /// Detach nodes.
    Detach(MemberArgs),
    /// Close a session: it takes no more tasks.
    Close(SessionName),
}

/// `session create`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Example:
  cortex-cli session create --name release --node build-1 --node build-2
"
)]
pub(crate) struct CreateArgs {
    /// Name for people; made up if absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Node to attach, by name or id; may be repeated.
    #[arg(long = "node", value_name = "NODE")]
    pub(crate) nodes: Vec<String>,
}

/// One session.
#[derive(Debug, Clone, Args)]
pub(crate) struct SessionName {
    /// The session's id, or `default` for your own default session.
    #[arg(value_name = "SESSION")]
    pub(crate) session: String,
}

/// `session attach` and `session detach`.
#[derive(Debug, Clone, Args)]
pub(crate) struct MemberArgs {
    /// The session's id, or `default` for your own default session.
    #[arg(value_name = "SESSION")]
    pub(crate) session: String,
    /// The nodes, by name or id.
    #[arg(value_name = "NODE", required = true)]
    pub(crate) nodes: Vec<String>,
}
