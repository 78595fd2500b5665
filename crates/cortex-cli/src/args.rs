//! What can be typed: the tree of commands of both programs.

pub(crate) mod account;
pub(crate) mod amount;
pub(crate) mod audit;
pub(crate) mod exec;
pub(crate) mod hub;
pub(crate) mod invite;
pub(crate) mod node;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod setup;
pub(crate) mod shell;
pub(crate) mod skill;
pub(crate) mod task;
pub(crate) mod top;
pub(crate) mod trust;
pub(crate) mod value;

use std::path::PathBuf;

use clap::ArgAction;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;

/// Where the parts of a help text stand: examples come first.
pub(crate) const HELP: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// The exit codes, as the help of every program ends.
const EXIT_CODES: &str = "\
Exit codes:
  0 ok, 1 failed, 2 usage, 3 not allowed, 4 not found, 5 conflict,
  6 hub or node unavailable, 7 timeout, 130 interrupted.
  exec, shell and task wait: the remote code, 128+n for signal n, 255 for a failure of Cortex.

Environment:
  CORTEX_HUB         URL of the hub
  CORTEX_TOKEN       API token; or CORTEX_TOKEN_FILE, a file that holds it
  CORTEX_CA          PEM file with the authority of an https:// hub
  NO_COLOR           no colours";

/// `cortex-cli`.
#[derive(Debug, Parser)]
#[command(
    name = "cortex-cli",
    version,
    about = "Runs tasks on your machines through one hub.",
    before_help = "\
Examples:
  cortex-cli hub serve --dev                a hub and one local node
  cortex-cli exec local -- uname -a         streams the output, returns its exit code
  cortex-cli invite create --name lab-1 --out node.yaml
  cortex-cli node list -o json
",
    after_help = EXIT_CODES,
    help_template = HELP,
    disable_help_subcommand = true,
    propagate_version = false
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// How to print: a table for people, one JSON document, one JSON document a line, or names.
    #[arg(
        short = 'o',
        long,
        value_enum,
        value_name = "FORMAT",
        global = true,
        default_value = "table",
        hide_possible_values = false
    )]
    pub(crate) output: Format,
    /// Use this context (see `cortex-cli context list`).
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) context: Option<String>,
    /// URL of the hub, e.g. `https://hub.example.com`; before `CORTEX_HUB` and the context.
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) hub: Option<String>,
    /// File that holds an API token.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// PEM file with the authority that an https:// hub is verified against.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) ca: Option<PathBuf>,
    /// Print no messages besides errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print what is being done; twice for more.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// No colours.
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Never ask; fail where an answer is needed.
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
    /// Answer yes to every question.
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// A table for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
    /// Names only, one a line.
    Name,
}

/// The commands of `cortex-cli`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a hub, look at one.
    #[command(subcommand)]
    Hub(hub::HubCommand),
    /// Run a node, manage the hub's nodes.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Let new nodes in.
    #[command(subcommand)]
    Invite(invite::InviteCommand),
    /// Run a program on nodes.
    Exec(exec::ExecArgs),
    /// Open a terminal on a node.
    Shell(shell::ShellArgs),
    /// Join a terminal that is open already.
    Attach(shell::AttachArgs),
    /// Say which nodes could take a task, and why the others cannot.
    Explain(exec::ExplainArgs),
    /// Look at tasks, wait for them, cancel them.
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// See what nodes can do besides running programs, and call it.
    #[command(subcommand)]
    Skill(skill::SkillCommand),
    /// Group nodes for a conversation.
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Watch nodes, tasks and rates live.
    Top(top::TopArgs),
    /// Print what happened, or what happens.
    Events(task::EventsArgs),
    /// See who did what; export and verify it.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Manage users.
    #[command(subcommand)]
    User(account::UserCommand),
    /// Manage API tokens.
    #[command(subcommand)]
    Token(account::TokenCommand),
    /// Sign in to a hub and remember it as a context; look after your sign-ins.
    Login(account::LoginGroup),
    /// Look at the hub's own keys, replace them without stopping work.
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// Sign out and forget the tokens of the context.
    Logout,
    /// Print who you are to the hub.
    Whoami,
    /// Choose among remembered hubs.
    #[command(subcommand)]
    Context(account::ContextCommand),
    /// Print or check configuration.
    #[command(subcommand)]
    Config(setup::ConfigCommand),
    /// Find out what keeps things from working.
    Doctor(setup::DoctorArgs),
    /// Print a completion script for a shell.
    Completion(setup::CompletionArgs),
    /// Write manual pages into a directory.
    Man(setup::ManArgs),
    /// Print the version.
    Version,
}

/// `cortex-node`.
#[derive(Debug, Parser)]
#[command(
    name = "cortex-node",
    version,
    about = "Runs a Cortex node: dials out to its hub and runs signed tasks under a policy.",
    before_help = "\
Examples:
  cortex-node run --config node.yaml
  cortex-node check node.yaml
  cortex-node config show --config node.yaml --origin
",
    help_template = HELP,
    disable_help_subcommand = true
)]
pub(crate) struct NodeCli {
    #[command(flatten)]
    pub(crate) globals: NodeGlobals,
    #[command(subcommand)]
    pub(crate) command: NodeProgramCommand,
}

/// What every command of `cortex-node` takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct NodeGlobals {
    /// How to print: a table for people, one JSON document, one JSON document a line, or names.
    #[arg(
        short = 'o',
        long,
        value_enum,
        value_name = "FORMAT",
        global = true,
        default_value = "table"
    )]
    pub(crate) output: Format,
    /// Print no messages besides errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print what is being done; twice for more.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// No colours.
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

/// The commands of `cortex-node`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeProgramCommand {
    /// Enrol if needed, connect, run tasks until told to stop.
    Run(node::RunArgs),
    /// Replace the key with which the node proves who it is, while the node is stopped.
    RotateIdentity(node::RotateArgs),
    /// Print the node's configuration.
    #[command(subcommand)]
    Config(node::NodeConfigCommand),
    /// Check a node's configuration and say what is wrong with it.
    Check(node::CheckArgs),
    /// Print the version.
    Version,
}

impl From<NodeGlobals> for Globals {
    fn from(globals: NodeGlobals) -> Self {
        Self {
            output: globals.output,
            quiet: globals.quiet,
            verbose: globals.verbose,
            no_color: globals.no_color,
            no_input: true,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
