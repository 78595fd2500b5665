//! `cortex-cli`: runs and administers a hub, runs a node, runs tasks on nodes.

use std::process::ExitCode;

fn main() -> ExitCode {
    cortex_cli::run_cli()
}
