//! From the words on the command line to the exit code.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::Parser;
use clap::error::ErrorKind as ClapErrorKind;
use cortex_core::ErrorKind;
use tokio::runtime::Runtime;

use crate::args::Cli;
use crate::args::Command;
use crate::args::Format;
use crate::args::Globals;
use crate::args::NodeCli;
use crate::args::NodeProgramCommand;
use crate::args::hub::HubCommand;
use crate::args::node::NodeCommand;
use crate::args::node::NodeConfigCommand;
use crate::client::Client;
use crate::command;
use crate::context::choice;
use crate::context::choice::Environment;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::logging;
use crate::output::Output;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Program {
    /// The flags that all commands have.
    pub(crate) globals: Globals,
    /// Where things are printed.
    pub(crate) output: Output,
}

impl Program {
    fn new(globals: Globals) -> Self {
        let output = Output::new(&globals);
        Self { globals, output }
    }

    /// A client of the hub that flags, variables and contexts name.
    ///
    /// # Errors
    /// No hub is named, or something of it is wrong.
    pub(crate) fn client(&self) -> Result<Client> {
        let environment = Environment::read()?;
        let choice = choice::choose(&self.globals, &environment)?;
        tracing::debug!(hub = %choice.hub, origin = ?choice.hub_origin, "chose the hub");
        Ok(Client::new(choice, environment.file))
    }

    /// Whether the user can be asked something.
    pub(crate) fn may_ask(&self) -> bool {
        !self.globals.no_input && !self.output.is_json()
    }
}

/// Runs `cortex-cli` with this process's arguments to its end.
#[must_use]
pub fn run_cli() -> ExitCode {
    keep_out_of_cores();
    #[cfg(feature = "failpoints")]
    crate::crash::arm();
    let cli = match parse::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let program = Program::new(cli.globals);
    finish(&program, run_command(&program, cli.command))
}

/// Runs `cortex-node` with this process's arguments to its end.
#[must_use]
pub fn run_node() -> ExitCode {
    keep_out_of_cores();
    #[cfg(feature = "failpoints")]
    crate::crash::arm();
    let cli = match parse::<NodeCli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let program = Program::new(cli.globals.into());
    finish(&program, run_node_command(&program, cli.command))
}

/// Makes this process leave no core dump, since keys and tokens are in its memory; and no other
/// process of the same user may read that memory. Programs that it starts are not affected.
fn keep_out_of_cores() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::DumpableBehavior;
        use rustix::process::set_dumpable_behavior;
        // Every Linux has it, and a program that cannot be started helps nobody.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

fn run_command(program: &Program, command: Command) -> Result<Exit> {
    // Servers log by themselves, and want all cores.
    match command {
        Command::Hub(HubCommand::Serve(args)) => return command::serve::run(program, &args),
        Command::Node(NodeCommand::Run(args)) => return command::node_run::run(program, &args),
        _ => {}
    }
    if program.globals.verbose > 0 {
        logging::for_client(&program.globals);
    }
    match command {
        Command::Completion(args) => return command::setup::completion(program, &args),
        Command::Man(args) => return command::setup::man(program, &args),
        Command::Version => return command::setup::version(program, "cortex-cli"),
        _ => {}
    }
    small_runtime()?.block_on(Box::pin(command::run(program, command)))
}

fn run_node_command(program: &Program, command: NodeProgramCommand) -> Result<Exit> {
    match command {
        NodeProgramCommand::Run(args) => command::node_run::run(program, &args),
        NodeProgramCommand::RotateIdentity(args) => command::node_run::rotate(program, &args),
        NodeProgramCommand::Config(NodeConfigCommand::Show(args)) => {
            command::config::show_node(program, &args.config, args.origin)
        }
        NodeProgramCommand::Check(args) => command::config::check_node(program, &args.file),
        NodeProgramCommand::Version => command::setup::version(program, "cortex-node"),
    }
}

fn finish(program: &Program, result: Result<Exit>) -> ExitCode {
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            program.output.failure(&failure);
            failure.exit()
        }
    };
    ExitCode::from(exit.0)
}

/// One thread: a client command waits more than it works, and starting threads takes its time.
///
/// # Errors
/// The system gives no threads.
pub(crate) fn small_runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| no_runtime(&error))
}

/// All cores, for servers.
///
/// # Errors
/// The system gives no threads.
pub(crate) fn large_runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| no_runtime(&error))
}

fn no_runtime(error: &std::io::Error) -> Failure {
    Failure::new(ErrorKind::Internal, format!("cannot start: {error}"))
}

/// Parses the arguments; what is printed instead is printed here.
fn parse<T: Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|error| {
        let is_help =
            matches!(error.kind(), ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion);
        if !is_help && wants_json(std::env::args()) {
            let text = error.render().to_string();
            let text = text.trim().trim_start_matches("error: ");
            let globals = Globals { output: Format::Json, ..Globals::default() };
            let output = Output::new(&globals);
            output.failure(&Failure::usage(text).with_code("usage"));
        } else {
            // Nobody to tell that nobody listens.
            let _ = error.print();
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::USAGE.0))
    })
}

/// Whether arguments that could not be parsed ask for JSON.
fn wants_json(args: impl Iterator<Item = String>) -> bool {
    let args: Vec<String> = args.take_while(|arg| arg != "--").collect();
    let is_json = |value: &str| matches!(value, "json" | "jsonl");
    args.iter().enumerate().any(|(at, arg)| match arg.as_str() {
        "-o" | "--output" => args.get(at + 1).is_some_and(|value| is_json(value)),
        arg => arg
            .strip_prefix("--output=")
            .or_else(|| arg.strip_prefix("-o"))
            .is_some_and(|value| is_json(value.trim_start_matches('='))),
    })
}

/// The tree of `cortex-cli`'s commands, for completion scripts and manual pages.
pub(crate) fn tree() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_in_arguments_that_cannot_be_parsed() {
        let wants = |line: &str| wants_json(line.split(' ').map(ToOwned::to_owned));
        assert!(wants("cortex-cli -o json nod list"));
        assert!(wants("cortex-cli node list --output=jsonl --bad"));
        assert!(wants("cortex-cli node list -ojson --bad"));
        assert!(!wants("cortex-cli node list -o table --bad"));
        assert!(!wants("cortex-cli exec n -- tool -o json"));
    }
}
