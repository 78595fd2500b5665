//! The command-line programs of Cortex, as two functions: `cortex-cli` and `cortex-node` have a
//! `main` each that calls its own and nothing else.
//!
//! `args` says what can be typed, `command` what is done then, `client` how a hub is talked
//! to, `context` which hub, `output` how things are printed, and `exit` how it all ends.

mod args;
mod client;
mod command;
mod context;
#[cfg(feature = "failpoints")]
mod crash;
mod exit;
mod logging;
mod output;
mod program;
mod prompt;
mod stop;

pub use program::run_cli;
pub use program::run_node;
