//! `trust status`, `rotate`, and its single steps.

use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_core::ring::Act;
use cortex_proto::json::Page;
use cortex_proto::json::TrustInfo;
use cortex_proto::json::TrustRequest;
use cortex_proto::json::TrustRingInfo;
use tokio::time::Instant;

use crate::args::trust::Ring;
use crate::args::trust::RotateArgs;
use crate::args::trust::TrustCommand;
use crate::client::Client;
use crate::client::address::Route;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output::row::KeyRow;
use crate::output::span;
use crate::program::Program;

/// How often the hub is asked while something is waited for.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// Runs a command of the group.
///
/// # Errors
/// What the hub refuses; nodes that do not get the next key in time.
pub(crate) async fn run(program: &Program, command: TrustCommand) -> Result<Exit> {
    let mut client = program.client()?;
    let client = &mut client;
    let info = match command {
        TrustCommand::Status => look(client).await?,
        TrustCommand::Rotate(args) => rotate(program, client, &args).await?,
        TrustCommand::Prepare(args) => turn(client, args.ring, Act::Prepare, false).await?,
        TrustCommand::Activate(args) => turn(client, args.ring, Act::Activate, args.force).await?,
        TrustCommand::Taint(args) => turn(client, args.ring, Act::Taint, false).await?,
        TrustCommand::Revoke(args) => turn(client, args.ring, Act::Revoke, args.force).await?,
        TrustCommand::Rollback(args) => turn(client, args.ring, Act::Rollback, false).await?,
    };
    print(program, &info)?;
    Ok(Exit::OK)
}

async fn look(client: &mut Client) -> Result<TrustInfo> {
    client.get(Route::new("/api/trust")).await
}

async fn turn(client: &mut Client, ring: Ring, act: Act, force: bool) -> Result<TrustInfo> {
    let route = Route::new("/api/trust").segment(ring.word()).segment(act.word());
    client.post(route, &TrustRequest { force }).await
}

/// Takes all steps that are left, in order.
async fn rotate(program: &Program, client: &mut Client, args: &RotateArgs) -> Result<TrustInfo> {
    let (ring, output) = (args.ring, &program.output);
    let mut info = look(client).await?;
    if next(&info, ring)? == Act::Prepare {
        info = turn(client, ring, Act::Prepare, false).await?;
        output.note(format_args!(
            "prepared: the next {} key is made, {} connected nodes are told",
            ring.word(),
            info.nodes_online
        ));
    }
    if next(&info, ring)? == Act::Activate {
        if !args.force {
            wait_for_nodes(client, args.patience).await?;
        }
        info = turn(client, ring, Act::Activate, args.force).await?;
        output.note("activated: the next key is used, the former one retires");
    }
    if next(&info, ring)? == Act::Taint {
        info = turn(client, ring, Act::Taint, false).await?;
        let until = find(&info, ring)?.keys.iter().find_map(|key| key.accepted_until.as_deref());
        output.note(format_args!(
            "tainted: the former key is accepted until {} ({}), and then revoked",
            until.unwrap_or("now"),
            span::until(until, crate::output::now())
        ));
    }
    if args.wait {
        while next(&info, ring)? == Act::Revoke {
            tokio::time::sleep(ASK_EVERY).await;
            info = look(client).await?;
        }
        output.note("revoked: the former key is gone");
    }
    Ok(info)
}

async fn wait_for_nodes(client: &mut Client, patience: Duration) -> Result<()> {
    let end = Instant::now() + patience;
    loop {
        let info = look(client).await?;
        if info.nodes_behind.is_empty() {
            return Ok(());
        }
        if Instant::now() >= end {
            let names = info.nodes_behind.join(", ");
            let message = format!("nodes have not got the next key in time: {names}");
            return Err(Failure::new(ErrorKind::Timeout, message)
                .or_hint("run it again to go on, or with --force to leave them behind"));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn find(info: &TrustInfo, ring: Ring) -> Result<&TrustRingInfo> {
    let found = info.rings.iter().find(|found| found.ring == ring.word());
    found.ok_or_else(|| unknown(format!("the hub has no {} ring", ring.word())))
}

fn next(info: &TrustInfo, ring: Ring) -> Result<Act> {
    let next = &find(info, ring)?.next;
    next.parse().map_err(|_| unknown(format!("the hub speaks of an unknown step: {next}")))
}

fn unknown(message: String) -> Failure {
    Failure::new(ErrorKind::Internal, message).or_hint("use a cortex-cli of the hub's version")
}

fn print(program: &Program, info: &TrustInfo) -> Result<()> {
    let output = &program.output;
    if output.is_json() {
        return output.document(info);
    }
    output.list(&Page { items: KeyRow::all(info), next_cursor: None })?;
    output.note(match info.nodes_behind.as_slice() {
        [] => format!("all {} connected nodes have these keys", info.nodes_online),
        behind => format!("connected nodes without the newest keys: {}", behind.join(", ")),
    });
    Ok(())
}
