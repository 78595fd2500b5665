//! `user …`, `token …`, `login` and `context …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;

use crate::args::HELP;
use crate::args::value;

/// `user …`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user.
    Add(AddArgs),
    /// Print all users.
    List,
    /// Lock a user out.
    Disable(UserName),
    /// Let a user in again.
    Enable(UserName),
    /// Set a user's password.
    Passwd(PasswdArgs),
}

/// `user add`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli user add ada --role admin
  cortex-cli user add bot --no-password
  printf %s \"$PW\" | cortex-cli user add ada --password-stdin
"
)]
pub(crate) struct AddArgs {
    /// Unique name: 1 to 63 letters, digits, `-`, `_` and `.`.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What the user may do beyond their own things.
    #[arg(long, value_enum, value_name = "ROLE", default_value = "member")]
    pub(crate) role: Role,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// No password: the user can only use API tokens.
    #[arg(long, conflicts_with_all = ["password_file", "password_stdin"])]
    pub(crate) no_password: bool,
}

/// A user's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Sees and changes everything.
    Admin,
    /// Has their own nodes and sessions.
    Member,
}

impl Role {
    /// The word of the API.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Member => "member",
        }
    }
}

/// Where a password comes from; asked for if neither is given.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from this file.
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the password from standard input.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// One user.
#[derive(Debug, Clone, Args)]
pub(crate) struct UserName {
    /// The user's name or id.
    #[arg(value_name = "USER")]
    pub(crate) user: String,
}

/// `user passwd`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PasswdArgs {
    /// The user's name or id; yourself if absent.
    #[arg(value_name = "USER")]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
}

/// `token …`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make an API token; it is printed once.
    Create(TokenCreateArgs),
    /// Print your API tokens, without their secrets.
    List,
    /// End an API token.
    Revoke(TokenId),
}

/// `token create`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli token create --name ci --scope read,exec --expires 90d
  cortex-cli token create --name ci -o name > ~/.config/cortex/ci.token
"
)]
pub(crate) struct TokenCreateArgs {
    /// Name for people.
    #[arg(long, value_name = "NAME", default_value = "cli")]
    pub(crate) name: String,
    /// What it may be used for; all if absent.
    #[arg(long = "scope", value_enum, value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scopes: Vec<Scope>,
    /// How long it is good; for ever if absent.
    #[arg(long, value_name = "SPAN", value_parser = value::span)]
    pub(crate) expires: Option<Duration>,
}

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    /// Look.
    Read,
    /// Run and cancel tasks.
    Exec,
    /// Change nodes, sessions, invites, tokens and users.
    Manage,
}

impl Scope {
    /// The word of the API.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Exec => "exec",
            Scope::Manage => "manage",
        }
    }
}

/// One token.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenId {
    /// The token's id, `tok_…`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// `login`: signing in, and looking after one's sign-ins.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli login https://hub.example.com --user ada
  cortex-cli login http://127.0.0.1:8080 --token-file cortex-data/admin.token
  cortex-cli login https://hub.example.com --code-stdin < code.txt
  cortex-cli login list
  cortex-cli login revoke --all
"
)]
pub(crate) struct LoginGroup {
    #[command(subcommand)]
    pub(crate) command: Option<LoginCommand>,
    #[command(flatten)]
    pub(crate) start: LoginArgs,
}

/// `login …`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LoginCommand {
    /// Print your sign-ins that have not ended.
    List,
    /// End one of your sign-ins, or all of them.
    Revoke(LoginRevokeArgs),
}

/// `login revoke`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoginRevokeArgs {
    /// The sign-in's id, as `login list` has it.
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) id: Option<String>,
    /// All, this one too. API tokens stay.
    #[arg(long)]
    pub(crate) all: bool,
}

/// `login URL`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoginArgs {
    /// The hub, e.g. `https://hub.example.com`; or a sign-in link.
    #[arg(value_name = "URL", required = true)]
    pub(crate) url: Option<String>,
    /// Your name on the hub; asked for if absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Read the one-time code of a sign-in link from standard input, instead of name and password.
    #[arg(long, conflicts_with_all = ["user", "password_file", "password_stdin"])]
    pub(crate) code_stdin: bool,
    /// Name of the context; made from the hub's host name if absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// `context …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// Print the remembered hubs.
    List,
    /// Use this one from now on.
    Use(ContextName),
}

/// One context.
#[derive(Debug, Clone, Args)]
pub(crate) struct ContextName {
    /// The context's name.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}
