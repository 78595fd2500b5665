//! `user add`, `list`, `disable`, `enable` and `passwd`.

use cortex_proto::json::UserInfo;
use cortex_proto::json::UserPatch;
use cortex_proto::json::UserRequest;

use crate::args::account::AddArgs;
use crate::args::account::PasswdArgs;
use crate::args::account::UserCommand;
use crate::client::address::Route;
use crate::exit::Exit;
use crate::exit::Result;
use crate::program::Program;
use crate::prompt;

/// Runs a command of the group.
///
/// # Errors
/// What the hub refuses; a password that nobody gave.
pub(crate) async fn run(program: &Program, command: UserCommand) -> Result<Exit> {
    match command {
        UserCommand::Add(args) => add(program, args).await?,
        UserCommand::List => {
            let page = program.client()?.list::<UserInfo>(Route::new("/api/users")).await?;
            program.output.list(&page)?;
        }
        UserCommand::Disable(args) => disable(program, &args.user, true).await?,
        UserCommand::Enable(args) => disable(program, &args.user, false).await?,
        UserCommand::Passwd(args) => passwd(program, args).await?,
    }
    Ok(Exit::OK)
}

async fn add(program: &Program, args: AddArgs) -> Result<()> {
    let mut client = program.client()?;
    let password = match args.no_password {
        true => None,
        false => {
            let question = format!("Password for {}:", args.name);
            Some(prompt::password(program, &args.password, &question, true)?)
        }
    };
    let request = UserRequest { name: args.name, role: args.role.word().to_owned(), password };
    let user: UserInfo = client.post(Route::new("/api/users"), &request).await?;
    program.output.item(&user)
}

async fn disable(program: &Program, name: &str, disabled: bool) -> Result<()> {
    let patch = UserPatch { disabled: Some(disabled), ..UserPatch::default() };
    let user: UserInfo = program.client()?.patch(route(name), &patch).await?;
    program.output.item(&user)
}

async fn passwd(program: &Program, args: PasswdArgs) -> Result<()> {
    let mut client = program.client()?;
    let name = match args.user {
        Some(name) => name,
        None => client.get::<UserInfo>(Route::new("/api/whoami")).await?.name,
    };
    let question = format!("New password for {name}:");
    let password = prompt::password(program, &args.password, &question, true)?;
    let patch = UserPatch { password: Some(password), ..UserPatch::default() };
    let user: UserInfo = client.patch(route(&name), &patch).await?;
    program.output.item(&user)
}

fn route(name: &str) -> Route {
    Route::new("/api/users").segment(name)
}
