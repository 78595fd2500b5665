//! `task list`, `show`, `explain`, `logs`, `files`, `follow`, `wait`, `cancel` and `signal`.

mod follow;

use std::time::Duration;
use std::time::Instant;

use cortex_core::ErrorKind;
use cortex_proto::json::CancelBody;
use cortex_proto::json::ExplanationInfo;
use cortex_proto::json::GapEvent;
use cortex_proto::json::GapInfo;
use cortex_proto::json::Page;
use cortex_proto::json::SignalRequest;
use cortex_proto::json::TaskInfo;
use cortex_proto::json::Text;
use serde::Serialize;
use serde_json::json;

use crate::args::Format;
use crate::args::amount::Tail;
use crate::args::task::ListArgs;
use crate::args::task::LogsArgs;
use crate::args::task::TaskCommand;
use crate::args::task::WaitArgs;
use crate::client::CallError;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::connection::Lost;
use crate::client::cursor::OutputCursor;
use crate::client::output::Channel;
use crate::client::output::Follow;
use crate::client::output::OutputReader;
use crate::client::retry;
use crate::client::retry::Retry;
use crate::command::exec;
use crate::command::files;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::program::Program;

/// One call waits so long for a task's end; then it is made again.
const POLL: Duration = Duration::from_secs(30);
/// The most output that is put into one JSON document, in bytes.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;

/// Runs a command of the group.
///
/// # Errors
/// What the hub refuses. `task wait` exits with 255 for every failure.
pub(crate) async fn run(program: &Program, command: TaskCommand) -> Result<Exit> {
    match command {
        TaskCommand::List(args) => list(program, &args).await?,
        TaskCommand::Show(args) => {
            let task: TaskInfo = program.client()?.get(route(&args.id)).await?;
            program.output.item(&task)?;
        }
        TaskCommand::Explain(args) => explain(program, &args.id).await?,
        TaskCommand::Logs(args) => logs(program, &args).await?,
        TaskCommand::Files(args) => files::run(program, &args).await?,
        TaskCommand::Wait(args) => {
            let ended = wait(program, &args).await;
            return ended.map_err(|failure| failure.with_exit(Exit::NOT_REMOTE));
        }
        TaskCommand::Follow(args) => {
            let ended = follow::run(program, &args).await;
            return ended.map_err(|failure| failure.with_exit(Exit::NOT_REMOTE));
        }
        TaskCommand::Signal(args) => {
            let body = SignalRequest { signal: args.signal.word().to_owned() };
            let call = Call::post(route(&args.id).segment("signal"), &body)?;
            program.client()?.done(call).await?;
            program.output.note(format_args!("{} is on its way to {}", args.signal, args.id));
        }
        TaskCommand::Cancel(args) => {
            let body = CancelBody { reason: args.reason };
            let route = route(&args.id).segment("cancel");
            let task: TaskInfo = program.client()?.post(route, &body).await?;
            program.output.item(&task)?;
        }
    }
    Ok(Exit::OK)
}

fn route(id: &str) -> Route {
    Route::new("/api/tasks").segment(id)
}

/// What it waits for or where it is, and while it waits, the nodes.
async fn explain(program: &Program, id: &str) -> Result<()> {
    let route = route(id).segment("explain");
    let explanation: ExplanationInfo = program.client()?.get(route).await?;
    program.output.item(&explanation)?;
    if program.output.format() == Format::Table && !explanation.nodes.is_empty() {
        output::write_stdout(b"\n")?;
        program.output.rows(&explanation.nodes)?;
    }
    Ok(())
}

async fn list(program: &Program, args: &ListArgs) -> Result<()> {
    let mut route = Route::new("/api/tasks")
        .maybe("session", args.session.as_ref())
        .maybe("node", args.node.as_ref())
        .query("limit", args.limit);
    if args.open {
        route = route.query("open", "true");
    }
    let page: Page<TaskInfo> = program.client()?.get(route).await?;
    program.output.list(&page)?;
    if page.next_cursor.is_some() && !program.output.is_json() {
        program.output.note("there are more: --limit N shows them");
    }
    Ok(())
}

/// A task's output as one document.
#[derive(Debug, Serialize)]
struct Logs {
    task: String,
    /// Where the output begins, and where to go on with `--since`.
    since: String,
    cursor: String,
    ended: bool,
    /// What is left out of the streams, for the task's cap.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<GapEvent>,
    stdout: Text,
    stderr: Text,
}

async fn logs(program: &Program, args: &LogsArgs) -> Result<()> {
    let mut client = program.client()?;
    let task: TaskInfo = client.get(route(&args.id)).await?;
    let stored =
        OutputCursor { stdout: task.output.stdout_bytes, stderr: task.output.stderr_bytes };
    let is_format = program.output.format();
    let mut kept: [Vec<u8>; 2] = Default::default();
    let mut ended = task.is_ended();
    let since = match args.tail {
        Some(tail) => begin_of(&mut client, &task.id, tail).await?,
        None => args.since,
    };
    let mut reader = OutputReader::of_task(client, &task.id, since);
    let mut left_out = Vec::new();
    // Without -f, what was stored when the command began is enough.
    while args.follow || !reader.cursor().reaches(stored) {
        match reader.next().await? {
            Follow::Task(_) | Follow::Progress(_) => {}
            Follow::Lost(reason) => {
                program.output.note(format_args!("lost the hub ({reason}); trying again"));
            }
            Follow::End(_) => {
                ended = true;
                break;
            }
            Follow::Gap { channel, from, to } => match is_format {
                Format::Json => left_out.push(gap_of(channel, from, to)),
                Format::Jsonl => print_gap_line(&task.id, &gap_of(channel, from, to))?,
                Format::Table | Format::Name if task.terminal && channel == Channel::Stderr => {}
                Format::Table | Format::Name => exec::print_gap("", channel, (from, to))?,
            },
            Follow::Output { channel, offset, data } => match is_format {
                Format::Json => keep(&mut kept, channel, &data)?,
                Format::Jsonl => print_line(&task.id, channel, offset, &data)?,
                // A terminal's changes of size are for programs.
                Format::Table | Format::Name if task.terminal && channel == Channel::Stderr => {}
                Format::Table | Format::Name => exec::print(channel, &data)?,
            },
        }
    }
    if is_format == Format::Json {
        let [stdout, stderr] = kept.map(|bytes| Text::of(&bytes));
        program.output.document(&Logs {
            task: task.id,
            since: since.to_string(),
            cursor: reader.cursor().to_string(),
            ended,
            left_out,
            stdout,
            stderr,
        })?;
    }
    Ok(())
}

/// Where the ends of both streams begin that are asked for: the hub finds them.
async fn begin_of(client: &mut Client, id: &str, tail: Tail) -> Result<OutputCursor> {
    let mut begin = [0; 2];
    for (begin, channel) in begin.iter_mut().zip([Channel::Stdout, Channel::Stderr]) {
        let route = route(id).segment("output").query("stream", channel.word()).query("limit", 0);
        let route = match tail {
            Tail::Lines(lines) => route.query("tail_lines", lines),
            Tail::Bytes(bytes) => route.query("tail", bytes),
        };
        let answer = client.send(&Call::get(route)).await.map_err(|error| client.told(error))?;
        let offset = answer.headers().get("x-cortex-offset").and_then(|value| value.to_str().ok());
        *begin = offset.and_then(|offset| offset.parse().ok()).ok_or_else(|| {
            let message = "the hub does not say where the end of the output begins";
            Failure::new(ErrorKind::Internal, message).with_code("bad_answer")
        })?;
    }
    let [stdout, stderr] = begin;
    Ok(OutputCursor { stdout, stderr })
}

fn gap_of(channel: Channel, from: u64, to: u64) -> GapEvent {
    GapEvent { stream: channel.word().to_owned(), gap: GapInfo { from, to } }
}

fn print_gap_line(id: &str, event: &GapEvent) -> Result<()> {
    let line = json!({ "type": "gap", "task": id, "stream": event.stream, "gap": event.gap });
    output::write_stdout(format!("{line}\n").as_bytes())
}

fn keep(kept: &mut [Vec<u8>; 2], channel: Channel, data: &[u8]) -> Result<()> {
    let of_channel = match channel {
        Channel::Stdout => &mut kept[0],
        Channel::Stderr => &mut kept[1],
    };
    of_channel.extend_from_slice(data);
    if kept[0].len() + kept[1].len() > MAX_DOCUMENT_BYTES {
        return Err(Failure::new(
            ErrorKind::Exhausted,
            "the output has more than 64 MiB: too much for one JSON document",
        )
        .or_hint("use -o jsonl, or no -o at all"));
    }
    Ok(())
}

fn print_line(id: &str, channel: Channel, offset: u64, data: &[u8]) -> Result<()> {
    let text = Text::of(data);
    let line = json!({
        "type": "output",
        "task": id,
        "stream": channel.word(),
        "offset": offset,
        "data": text.data,
        "encoding": text.encoding,
    });
    output::write_stdout(format!("{line}\n").as_bytes())
}

async fn wait(program: &Program, args: &WaitArgs) -> Result<Exit> {
    let mut client = program.client()?;
    let task = wait_for_end(program, &mut client, args).await?;
    if program.output.is_json() || program.output.format() == Format::Name {
        program.output.item(&task)?;
    } else {
        exec::tell_end(program, "", &task);
    }
    Ok(exec::exit_of(&task, false))
}

async fn wait_for_end(program: &Program, client: &mut Client, args: &WaitArgs) -> Result<TaskInfo> {
    let until = args.timeout.map(|span| Instant::now() + span);
    let mut retry = Retry::default();
    let mut was_reached = false;
    loop {
        let left = until.map_or(POLL, |until| until.saturating_duration_since(Instant::now()));
        // Whole seconds, rounded up: a shorter rest would be asked for again and again.
        let wait = Duration::from_secs(
            left.min(POLL).as_millis().div_ceil(1_000).try_into().unwrap_or(30),
        );
        let call = Call::get(route(&args.id).query("wait", wait.as_secs())).waiting(wait);
        match poll(client, &call).await {
            Ok(task) if task.is_ended() => return Ok(task),
            Ok(task) => {
                was_reached = true;
                retry.succeeded();
                if until.is_some_and(|until| Instant::now() >= until) {
                    let message = format!("task {} is {} still", task.id, task.state);
                    return Err(Failure::new(ErrorKind::Timeout, message)
                        .or_hint(format!("cortex-cli task cancel {}", task.id)));
                }
            }
            Err(error) => {
                let pause = match &error {
                    CallError::Lost(Lost::Connect(_) | Lost::Broken(_)) if was_reached => {
                        retry.failed(Instant::now(), retry::random())
                    }
                    CallError::Refused(failure) if was_reached && failure.status() == 503 => {
                        retry.failed(Instant::now(), retry::random())
                    }
                    _ => None,
                };
                let Some(pause) = pause else {
                    return Err(client.told(error));
                };
                tracing::debug!(?error, "lost the hub; trying again");
                if retry.is_first() {
                    program.output.note("lost the hub; the task goes on, trying again");
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

async fn poll(client: &mut Client, call: &Call) -> Result<TaskInfo, CallError> {
    let response = client.send(call).await?;
    client.read(response).await
}
