//! `top`: the mesh as it is, on the whole screen or as text.
//!
//! It asks again and again: an answer is small however large the mesh is, and nothing is left to be
//! put right after a lost connection.

mod screen;
mod view;

use std::time::Duration;

use cortex_proto::json::MeshInfo;
use cortex_proto::json::Page;
use cortex_proto::json::TaskInfo;
use serde::Serialize;
use tokio::time::Instant;

use crate::args::Format;
use crate::args::top::Sort;
use crate::args::top::TopArgs;
use crate::client::CallError;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::stream::may_pass;
use crate::command::shell::local;
use crate::command::shell::local::Here;
use crate::command::shell::local::Local;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::program::Program;

use screen::Screen;
use view::Size;
use view::View;

/// Nodes and tasks that a screen may need.
const MOST_ROWS: u32 = 200;

/// The shortest time between two looks.
const LEAST_PAUSE: Duration = Duration::from_millis(200);

/// A hub that does not answer for so long is told to be lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// What Ctrl-C types in a raw terminal.
const INTERRUPT: u8 = 3;

/// The mesh and the tasks that run.
#[derive(Debug, Clone, Default, Serialize)]
struct Look {
    mesh: MeshInfo,
    /// The newest of the tasks that have not ended.
    open_tasks: Vec<TaskInfo>,
}

/// Runs the command.
///
/// # Errors
/// What the hub refuses; there is no terminal to show it in.
pub(crate) async fn run(program: &Program, args: TopArgs) -> Result<Exit> {
    let mut client = program.client()?;
    match program.output.format() {
        Format::Json => {
            let look = told(&mut client, args.sort, args.limit).await?;
            program.output.document(&look)?;
        }
        Format::Jsonl => loop {
            let look = told(&mut client, args.sort, args.limit).await?;
            program.output.document(&look)?;
            if args.once {
                break;
            }
            tokio::time::sleep(args.every.max(LEAST_PAUSE)).await;
        },
        Format::Name => {
            let look = told(&mut client, args.sort, args.limit).await?;
            let names: String =
                look.mesh.nodes.iter().map(|node| node.name.clone() + "\n").collect();
            output::write_stdout(names.as_bytes())?;
        }
        Format::Table if args.once => {
            let look = told(&mut client, args.sort, args.limit).await?;
            let view = View::new(args.sort, false);
            let lines = view.draw(&look, &Size::unbounded(), output::now());
            output::write_stdout((lines.join("\n") + "\n").as_bytes())?;
        }
        Format::Table => watch(program, client, &args).await?,
    }
    Ok(Exit::OK)
}

async fn told(client: &mut Client, sort: Sort, limit: u32) -> Result<Look> {
    look(client, sort, limit).await.map_err(|error| client.told(error))
}

async fn look(client: &mut Client, sort: Sort, limit: u32) -> Result<Look, CallError> {
    let route = Route::new("/api/mesh").query("sort", sort.word()).query("limit", limit);
    let response = client.send(&Call::get(route)).await?;
    let mesh = client.read(response).await?;
    let route = Route::new("/api/tasks").query("open", "true").query("limit", limit.min(MOST_ROWS));
    let response = client.send(&Call::get(route)).await?;
    let page: Page<TaskInfo> = client.read(response).await?;
    Ok(Look { mesh, open_tasks: page.items })
}

/// What happens while it is watched.
enum Event {
    Look(Result<Box<Look>, String>),
    Here(Here),
}

/// Shows it on the whole screen until the user leaves.
async fn watch(program: &Program, mut client: Client, args: &TopArgs) -> Result<()> {
    local::check().map_err(|failure| failure.or_hint("cortex-cli top --once prints it as text"))?;
    // The first look tells what is wrong in the usual way.
    let mut seen = told(&mut client, args.sort, MOST_ROWS).await?;
    let mut view = View::new(args.sort, program.output.has_colors());
    let mut local = Local::begin()?;
    let screen = Screen::take()?;
    let every = args.every.max(LEAST_PAUSE);
    let mut next = Instant::now() + every;
    loop {
        let (cols, rows) = local::size().unwrap_or((80, 24));
        screen.show(&view.draw(&seen, &Size::of(cols, rows), output::now()))?;
        let event = tokio::select! {
            here = local.next(true) => Event::Here(here),
            look = look_at(&mut client, view.sort(), next) => Event::Look(look?),
        };
        match event {
            Event::Look(Ok(look)) => {
                seen = *look;
                view.lost = None;
                next = Instant::now() + every;
            }
            Event::Look(Err(reason)) => {
                view.lost = Some(reason);
                next = Instant::now() + every;
            }
            Event::Here(Here::Keys(keys)) => {
                if keys.iter().any(|key| matches!(*key, b'q' | INTERRUPT)) {
                    return Ok(());
                }
                if let Some(sort) = keys.iter().rev().find_map(|key| Sort::of_key(*key)) {
                    view.set_sort(sort);
                    next = Instant::now();
                }
            }
            Event::Here(Here::Resized) => {}
            Event::Here(Here::Ended(_) | Here::Closed) => return Ok(()),
        }
    }
}

/// Waits until it is time, then looks. What may pass is given as words; what will not is an error.
async fn look_at(
    client: &mut Client,
    sort: Sort,
    at: Instant,
) -> Result<Result<Box<Look>, String>, Failure> {
    tokio::time::sleep_until(at).await;
    match tokio::time::timeout(PATIENCE, look(client, sort, MOST_ROWS)).await {
        Ok(Ok(look)) => Ok(Ok(Box::new(look))),
        Ok(Err(error)) if may_pass(&error) => Ok(Err(client.told(error).message().to_owned())),
        Ok(Err(error)) => Err(client.told(error)),
        Err(_) => Ok(Err(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}
