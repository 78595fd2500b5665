//! What is done: one file a group of commands.

mod audit;
pub(crate) mod config;
mod context;
mod doctor;
mod event;
mod exec;
mod explain;
mod files;
mod hub;
mod invite;
mod login;
mod node;
pub(crate) mod node_run;
pub(crate) mod serve;
mod session;
pub(crate) mod setup;
mod shell;
mod skill;
mod task;
mod token;
mod top;
mod trust;
mod user;

use crate::args::Command;
use crate::args::hub::HubCommand;
use crate::exit::Exit;
use crate::exit::Result;
use crate::program::Program;

/// Runs a command that talks to a hub, or to nobody.
///
/// # Errors
/// What the command failed with.
pub(crate) async fn run(program: &Program, command: Command) -> Result<Exit> {
    match command {
        Command::Hub(HubCommand::Serve(args)) => serve::run(program, &args),
        Command::Hub(HubCommand::Status) => hub::status(program).await,
        Command::Node(command) => node::run(program, command).await,
        Command::Invite(command) => invite::run(program, command).await,
        Command::Exec(args) => exec::run(program, args).await,
        Command::Shell(args) => shell::run(program, args).await,
        Command::Attach(args) => shell::attach(program, args).await,
        Command::Explain(args) => explain::run(program, args).await,
        Command::Task(command) => task::run(program, command).await,
        Command::Skill(command) => skill::run(program, command).await,
        Command::Session(command) => session::run(program, command).await,
        Command::Top(args) => top::run(program, args).await,
        Command::Events(args) => event::run(program, args).await,
        Command::Audit(command) => audit::run(program, command).await,
        Command::User(command) => user::run(program, command).await,
        Command::Token(command) => token::run(program, command).await,
        Command::Login(group) => login::run(program, group).await,
        Command::Trust(command) => trust::run(program, command).await,
        Command::Logout => login::logout(program).await,
        Command::Whoami => login::whoami(program).await,
        Command::Context(command) => context::run(program, command),
        Command::Config(command) => config::run(program, command),
        Command::Doctor(args) => doctor::run(program, args).await,
        Command::Completion(args) => setup::completion(program, &args),
        Command::Man(args) => setup::man(program, &args),
        Command::Version => setup::version(program, "cortex-cli"),
    }
}
