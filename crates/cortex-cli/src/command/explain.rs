//! `explain`: which nodes could take a task, and why the others cannot.

use cortex_proto::json::DispatchRequest;
use cortex_proto::json::FitInfo;
use cortex_proto::json::Page;
use cortex_proto::json::SkillCall;

use crate::args::exec::ExplainArgs;
use crate::client::address::Route;
use crate::exit::Exit;
use crate::exit::Result;
use crate::program::Program;

/// Runs the command.
///
/// # Errors
/// What the hub refuses.
pub(crate) async fn run(program: &Program, args: ExplainArgs) -> Result<Exit> {
    let route = Route::new("/api/sessions").segment(&args.session).segment("explain");
    let request = DispatchRequest {
        node: args.node,
        first_of: args.choice.first_of,
        require: args.choice.require,
        any: args.choice.any,
        skill: args.skill.map(|name| SkillCall { name, ..SkillCall::default() }),
        ..DispatchRequest::default()
    };
    let page: Page<FitInfo> = program.client()?.post(route, &request).await?;
    program.output.list(&page)?;
    if page.items.is_empty() {
        program.output.note("no node is attached to the session");
        program.output.note("cortex-cli session attach SESSION NODE");
    }
    Ok(Exit::OK)
}
