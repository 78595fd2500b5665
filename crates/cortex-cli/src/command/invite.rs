//! `invite create`, `list` and `revoke`.

use std::path::Path;

use cortex_core::ErrorKind;
use cortex_proto::json::InviteCreated;
use cortex_proto::json::InviteInfo;
use cortex_proto::json::InviteRequest;

use crate::args::invite::CreateArgs;
use crate::args::invite::InviteCommand;
use crate::args::value;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::context::file::write_private;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::output::span;
use crate::program::Program;

/// Runs a command of the group.
///
/// # Errors
/// What the hub refuses; a file that cannot be written.
pub(crate) async fn run(program: &Program, command: InviteCommand) -> Result<Exit> {
    match command {
        InviteCommand::Create(args) => create(program, args).await?,
        InviteCommand::List => {
            let page = program.client()?.list::<InviteInfo>(Route::new("/api/invites")).await?;
            program.output.list(&page)?;
        }
        InviteCommand::Revoke(args) => {
            let call = Call::delete(Route::new("/api/invites").segment(&args.id));
            let invite: InviteInfo = program.client()?.answer(call).await?;
            program.output.item(&invite)?;
        }
    }
    Ok(Exit::OK)
}

async fn create(program: &Program, args: CreateArgs) -> Result<()> {
    // Looked at first: an invite whose file cannot be written helps nobody.
    if let Some(path) = &args.out {
        check_target(program, path)?;
    }
    let request = InviteRequest {
        name: args.name,
        labels: args.labels.into_iter().map(|label| (label.key, label.value)).collect(),
        expires_in_ms: args.expires.map(value::millis),
    };
    let mut client = program.client()?;
    let invite: InviteCreated = client.post(Route::new("/api/nodes/invite"), &request).await?;
    if let Some(path) = &args.out {
        write_private(path, invite.config.as_bytes())?;
    }
    print(program, &invite, args.out.as_deref())
}

fn print(program: &Program, invite: &InviteCreated, out: Option<&Path>) -> Result<()> {
    let output = &program.output;
    let life = span::until(Some(&invite.expires_at), output::now());
    if output.is_json() {
        return output.document(invite);
    }
    match out {
        Some(path) => {
            output::write_stdout(format!("{}\n", invite.id).as_bytes())?;
            output.note(format_args!(
                "{} lets node \"{}\" in, once; it ends {life}. On that machine:",
                path.display(),
                invite.name
            ));
            output.note(format_args!("  cortex-node run --config {}", path.display()));
        }
        None if program.globals.output == crate::args::Format::Name => {
            output::write_stdout(format!("{}\n", invite.id).as_bytes())?;
        }
        None => {
            output::write_stdout(invite.config.as_bytes())?;
            output.note(format_args!(
                "{} lets node \"{}\" in, once; it ends {life}. Save the above as node.yaml.",
                invite.id, invite.name
            ));
        }
    }
    Ok(())
}

fn check_target(program: &Program, path: &Path) -> Result<()> {
    if path.exists() && !program.globals.yes {
        return Err(Failure::new(ErrorKind::Exists, format!("{} exists already", path.display()))
            .or_hint("name another file, or give --yes to replace it"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(Failure::new(ErrorKind::NotFound, format!("{} is no directory", folder.display())))
        }
        _ => Ok(()),
    }
}
