//! `top`.

use std::time::Duration;

use clap::Args;
use clap::ValueEnum;

use crate::args::HELP;
use crate::args::value;

/// `top`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli top
  cortex-cli top --once --sort cpu
  cortex-cli top -o jsonl --every 10s > mesh.log
",
    after_help = "\
Keys: n, c, m, l and t sort by name, processors, memory, load and tasks; q leaves.
With -o json, one document is printed; with -o jsonl, one every time."
)]
pub(crate) struct TopArgs {
    /// Print it once, as text, and return.
    #[arg(long)]
    pub(crate) once: bool,
    /// What comes first.
    #[arg(long, value_enum, default_value = "name")]
    pub(crate) sort: Sort,
    /// How often to look.
    #[arg(long, value_name = "SPAN", value_parser = value::span, default_value = "1s")]
    pub(crate) every: Duration,
    /// With --once or -o: list so many nodes.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: u32,
}

/// What comes first among the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Sort {
    /// Names, those online first.
    #[default]
    Name,
    /// Busy processors.
    Cpu,
    /// Full memories.
    Memory,
    /// Long run queues.
    Load,
    /// Many tasks.
    Tasks,
}

impl Sort {
    /// The word of the API.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Sort::Name => "name",
            Sort::Cpu => "cpu",
            Sort::Memory => "memory",
            Sort::Load => "load",
            Sort::Tasks => "tasks",
        }
    }

    /// The order that a key asks for.
    pub(crate) fn of_key(key: u8) -> Option<Self> {
        Some(match key {
            b'n' => Sort::Name,
            b'c' => Sort::Cpu,
            b'm' => Sort::Memory,
            b'l' => Sort::Load,
            b't' => Sort::Tasks,
            _ => return None,
        })
    }
}
