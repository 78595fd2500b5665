//! `token create`, `list` and `revoke`.

use cortex_proto::json::TokenCreated;
use cortex_proto::json::TokenInfo;
use cortex_proto::json::TokenRequest;
use serde_json::json;

use crate::args::Format;
use crate::args::account::TokenCommand;
use crate::args::account::TokenCreateArgs;
use crate::args::value;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::exit::Exit;
use crate::exit::Result;
use crate::output;
use crate::program::Program;

/// Runs a command of the group.
///
/// # Errors
/// What the hub refuses.
pub(crate) async fn run(program: &Program, command: TokenCommand) -> Result<Exit> {
    match command {
        TokenCommand::Create(args) => create(program, args).await?,
        TokenCommand::List => {
            let page = program.client()?.list::<TokenInfo>(Route::new("/api/tokens")).await?;
            program.output.list(&page)?;
        }
        TokenCommand::Revoke(args) => {
            let call = Call::delete(Route::new("/api/tokens").segment(&args.id));
            program.client()?.done(call).await?;
            let document = json!({ "id": args.id, "revoked": true });
            program.output.document_or(&document, format_args!("{}\n", args.id))?;
        }
    }
    Ok(Exit::OK)
}

async fn create(program: &Program, args: TokenCreateArgs) -> Result<()> {
    let request = TokenRequest {
        name: args.name,
        scopes: args.scopes.iter().map(|scope| scope.word().to_owned()).collect(),
        expires_in_ms: args.expires.map(value::millis),
    };
    let token: TokenCreated = program.client()?.post(Route::new("/api/tokens"), &request).await?;
    match program.output.format() {
        Format::Json | Format::Jsonl => program.output.document(&token),
        Format::Name => output::write_stdout(format!("{}\n", token.id).as_bytes()),
        Format::Table => {
            output::write_stdout(format!("{}\n", token.token.expose()).as_bytes())?;
            program.output.note(format_args!(
                "{} \"{}\": the token above is shown this once",
                token.id, token.name
            ));
            Ok(())
        }
    }
}
