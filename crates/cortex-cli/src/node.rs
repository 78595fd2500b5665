//! `cortex-node`: runs a node, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    cortex_cli::run_node()
}
