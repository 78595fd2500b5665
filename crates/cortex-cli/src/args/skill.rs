//! `skill …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;

use crate::args::HELP;
use crate::args::exec::ChoiceArgs;
use crate::args::task::OutDirArgs;
use crate::args::value;
use crate::args::value::Pair;

/// `skill …`.
#[derive(Debug, Subcommand)]
pub(crate) enum SkillCommand {
    /// Print the skills of your nodes.
    List(SkillListArgs),
    /// Print what a skill takes and returns.
    Show(SkillName),
    /// Call a skill and print the value that it returns.
    Call(Box<CallArgs>),
}

/// `skill list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SkillListArgs {
    /// Only those of this node, by name or id.
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
}

/// One skill.
#[derive(Debug, Clone, Args)]
#[command(after_help = "With -o json, the JSON Schemas are printed as the nodes sent them.")]
pub(crate) struct SkillName {
    /// The skill's name.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `skill call`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli skill call ping host=10.0.0.7 count=3
  cortex-cli skill call count rows=7 --file in.csv
  cortex-cli skill call plot --file in.csv --out-dir results
  cortex-cli skill call median --on lab-1 --input '[3.5,1,2]'
  cortex-cli skill call report --require 'gpu.memory>=16GiB' --input @job.json
",
    after_help = "\
The value goes to standard output: a text as it is, anything else as JSON. What the skill prints on
its way goes to standard error. Exit codes are those of exec."
)]
pub(crate) struct CallArgs {
    /// The skill's name.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Fields of its input, typed as the skill wants them. A field that is a list may come again.
    #[arg(value_name = "KEY=VALUE", value_parser = value::pair, conflicts_with = "input")]
    pub(crate) fields: Vec<Pair>,
    /// Its input as JSON, or in a file, or from standard input.
    #[arg(long, value_name = "JSON|@FILE|-")]
    pub(crate) input: Option<String>,
    /// A file that comes with the call; may be repeated, 2 MiB together.
    #[arg(long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) place: OutDirArgs,
    /// The node, by name or id. [default: one that offers the skill]
    #[arg(long, value_name = "NODE", conflicts_with_all = ["first_of", "require", "any"])]
    pub(crate) on: Option<String>,
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    /// Session that the task belongs to. [default: your default session]
    #[arg(long, value_name = "SESSION", default_value = "default", hide_default_value = true)]
    pub(crate) session: String,
    /// End the task when it has run this long, e.g. 90s or 10m.
    #[arg(long, value_name = "SPAN", value_parser = value::span)]
    pub(crate) timeout: Option<Duration>,
    /// Wait for a node if none is online.
    #[arg(long)]
    pub(crate) queue: bool,
}
