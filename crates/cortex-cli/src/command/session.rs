//! `session create`, `list`, `show`, `attach`, `detach` and `close`.

use cortex_proto::json::SessionInfo;
use cortex_proto::json::SessionRequest;

use crate::args::session::MemberArgs;
use crate::args::session::SessionCommand;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::program::Program;

/// Runs a command of the group.
///
/// # Errors
/// What the hub refuses.
pub(crate) async fn run(program: &Program, command: SessionCommand) -> Result<Exit> {
    match command {
        SessionCommand::Create(args) => {
            let request = SessionRequest { name: args.name, nodes: args.nodes };
            let route = Route::new("/api/sessions");
            let session: SessionInfo = program.client()?.post(route, &request).await?;
            program.output.item(&session)?;
        }
        SessionCommand::List => {
            let page = program.client()?.list::<SessionInfo>(Route::new("/api/sessions")).await?;
            program.output.list(&page)?;
        }
        SessionCommand::Show(args) => one(program, Call::get(route(&args.session))).await?,
        SessionCommand::Close(args) => one(program, Call::delete(route(&args.session))).await?,
        SessionCommand::Attach(args) => members(program, &args, Call::put).await?,
        SessionCommand::Detach(args) => members(program, &args, Call::delete).await?,
    }
    Ok(Exit::OK)
}

fn route(session: &str) -> Route {
    Route::new("/api/sessions").segment(session)
}

async fn one(program: &Program, call: Call) -> Result<()> {
    let session: SessionInfo = program.client()?.answer(call).await?;
    program.output.item(&session)
}

/// Attaches or detaches nodes one after the other; says how far it came if one is refused.
async fn members(program: &Program, args: &MemberArgs, verb: fn(Route) -> Call) -> Result<()> {
    let mut client = program.client()?;
    let mut session: Option<SessionInfo> = None;
    for (done, node) in args.nodes.iter().enumerate() {
        let call = verb(route(&args.session).segment("nodes").segment(node));
        let failed = |failure: Failure| match done {
            0 => failure,
            done => failure
                .context(format_args!("{node}, after {done} of {} were done", args.nodes.len())),
        };
        session = Some(client.answer(call).await.map_err(failed)?);
    }
    match session {
        Some(session) => program.output.item(&session),
        None => Ok(()),
    }
}
