//! Where the log goes: nowhere for a short command, to standard error for a server.

use std::io;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::Globals;

/// Logs what a client command does, for `-v`.
pub(crate) fn for_client(globals: &Globals) {
    let own = if globals.verbose > 1 { "trace" } else { "debug" };
    human(filter(&format!("warn,cortex_cli={own}")), globals.no_color);
}

/// Logs what a server does: for people on a terminal, else one JSON document a line.
///
/// `RUST_LOG` comes before `-v`.
pub(crate) fn for_server(globals: &Globals) {
    let directives = match (globals.quiet, globals.verbose) {
        (true, _) => "error",
        (false, 0) => "warn,cortex_hub_lib=info,cortex_node_lib=info,cortex_cli=info",
        (false, 1) => "info,cortex_hub_lib=debug,cortex_node_lib=debug,cortex_cli=debug",
        (false, _) => "debug,cortex_hub_lib=trace,cortex_node_lib=trace,cortex_cli=trace",
    };
    if io::stderr().is_terminal() {
        human(filter(directives), globals.no_color);
        return;
    }
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter(directives))
        .with_writer(io::stderr)
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .finish()
        .try_init();
}

fn human(filter: EnvFilter, no_color: bool) {
    let colors = !no_color && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // Only a program that runs twice in one process, as in a test, has one already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colors)
        .with_target(false)
        .finish()
        .try_init();
}

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}
