//! `task …` and `events`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;
use cortex_core::task::Signal;

use crate::args::HELP;
use crate::args::amount;
use crate::args::amount::Tail;
use crate::args::value;
use crate::client::cursor::OutputCursor;

/// `task …`.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Print your tasks, the newest first.
    List(ListArgs),
    /// Print everything about one task.
    Show(TaskId),
    /// Say why a task waits or where it is: of each node, why it can take the task or not.
    Explain(TaskId),
    /// Print a task's output, byte for byte: stdout to stdout, stderr to stderr.
    Logs(LogsArgs),
    /// Print the files that a skill has published, or write them into a directory.
    Files(FilesArgs),
    /// Stay with a task to its end: its output as it comes, its exit code.
    #[command(visible_alias = "attach")]
    Follow(FollowArgs),
    /// Wait for a task's end and exit with its exit code.
    Wait(WaitArgs),
    /// End a task, with all processes that it started.
    Cancel(CancelArgs),
    /// Send a signal to a running program and its group.
    Signal(SignalArgs),
}

/// `task list`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli task list --open
  cortex-cli task list --node build-1 --limit 20
"
)]
pub(crate) struct ListArgs {
    /// Only tasks of this session.
    #[arg(long, value_name = "SESSION")]
    pub(crate) session: Option<String>,
    /// Only tasks of this node, by name or id.
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// Only tasks that have not ended.
    #[arg(long)]
    pub(crate) open: bool,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// One task.
#[derive(Debug, Clone, Args)]
pub(crate) struct TaskId {
    /// The task's id, `tsk_…`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// `task logs`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli task logs tsk_01j… -f
  cortex-cli task logs tsk_01j… --since 4096-0
  cortex-cli task logs tsk_01j… --tail 100
"
)]
pub(crate) struct LogsArgs {
    /// The task's id, `tsk_…`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Go on until the task has ended.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Begin behind so many bytes: `STDOUT-STDERR`, e.g. 4096-0.
    #[arg(long, value_name = "CURSOR", default_value_t)]
    pub(crate) since: OutputCursor,
    /// Begin so far before the end of each stream: lines, e.g. 100, or bytes, e.g. 64KiB.
    #[arg(long, value_name = "N", value_parser = amount::tail, conflicts_with = "since")]
    pub(crate) tail: Option<Tail>,
}

/// Where files are written.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutDirArgs {
    /// Write the files that the task has published into this directory, which is made.
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,
    /// Replace files that are there already.
    #[arg(long, requires = "out_dir")]
    pub(crate) force: bool,
}

/// `task files`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli task files tsk_01j…
  cortex-cli task files tsk_01j… --out-dir results
"
)]
pub(crate) struct FilesArgs {
    /// The task's id, `tsk_…`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) place: OutDirArgs,
}

/// `task follow`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli task follow tsk_01j…                 all output from the start
  cortex-cli task follow tsk_01j… --from-now
",
    after_help = "Ctrl-C leaves the task, which goes on. Terminals are joined with `cortex-cli attach`."
)]
pub(crate) struct FollowArgs {
    /// The task's id, `tsk_…`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Leave out what it has put out until now.
    #[arg(long)]
    pub(crate) from_now: bool,
}

/// `task signal`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli task signal tsk_01j… HUP
  cortex-cli task signal tsk_01j… 9
",
    after_help = "In a terminal, what is in the foreground gets it. KILL ends all of the task's processes."
)]
pub(crate) struct SignalArgs {
    /// The task's id, `tsk_…`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// The signal, by name or by its number on Linux: HUP, INT, QUIT, KILL, USR1, USR2, TERM, CONT,
    /// STOP or TSTP.
    #[arg(value_name = "SIGNAL")]
    pub(crate) signal: Signal,
}

/// `task wait`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// The task's id, `tsk_…`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Stop waiting after this long, e.g. 90s; the task goes on.
    #[arg(long, value_name = "SPAN", value_parser = value::span)]
    pub(crate) timeout: Option<Duration>,
}

/// `task cancel`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CancelArgs {
    /// The task's id, `tsk_…`.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// `events`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli events                          the log of your default session
  cortex-cli events -f                       all nodes and tasks, as they change
  cortex-cli events -f --session ses_01j… -o jsonl
"
)]
pub(crate) struct EventsArgs {
    /// Go on until interrupted. Without --session: changes of all your nodes and tasks.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// The session whose log is read. [default without -f: your default session]
    #[arg(long, value_name = "SESSION")]
    pub(crate) session: Option<String>,
    /// Begin behind the event with this number.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) since: u64,
}
