//! `events`: what happened in a session, or what happens anywhere.

use cortex_proto::json::EventInfo;
use cortex_proto::json::HubEvent;
use cortex_proto::json::Page;
use serde::de::DeserializeOwned;

use crate::args::Format;
use crate::args::task::EventsArgs;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::sse::Event;
use crate::client::stream::Item;
use crate::client::stream::Stream;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::output::row;
use crate::output::style;
use crate::output::style::Tone;
use crate::program::Program;

/// Runs the command.
///
/// # Errors
/// What the hub refuses; `-f` together with `-o json`.
pub(crate) async fn run(program: &Program, args: EventsArgs) -> Result<Exit> {
    if args.follow && program.output.format() == Format::Json {
        return Err(Failure::usage("-o json prints one document, and -f has no end")
            .or_hint("use -o jsonl: one document a line"));
    }
    match (args.follow, &args.session) {
        (false, session) => {
            list(program, session.as_deref().unwrap_or("default"), args.since).await?;
        }
        (true, Some(session)) => follow_session(program, session, args.since).await?,
        (true, None) => follow_hub(program).await?,
    }
    Ok(Exit::OK)
}

fn route(session: &str) -> Route {
    Route::new("/api/sessions").segment(session).segment("events")
}

/// Prints a log page by page; as one document only if one is asked for.
async fn list(program: &Program, session: &str, since: u64) -> Result<()> {
    let mut client = program.client()?;
    let first = since.to_string();
    if program.output.format() == Format::Json {
        let mut items: Vec<EventInfo> = Vec::new();
        let mut cursor = Some(first);
        while let Some(from) = cursor {
            let page: Page<EventInfo> = client.get(route(session).query("cursor", &from)).await?;
            items.extend(page.items);
            cursor = page.next_cursor;
        }
        return program.output.list(&Page { items, next_cursor: None });
    }
    let mut cursor = Some(first);
    while let Some(from) = cursor {
        let page: Page<EventInfo> = client.get(route(session).query("cursor", &from)).await?;
        for event in &page.items {
            print_entry(program, event)?;
        }
        cursor = page.next_cursor;
    }
    Ok(())
}

async fn follow_session(program: &Program, session: &str, since: u64) -> Result<()> {
    let last_id = (since > 0).then(|| since.to_string());
    let mut stream = Stream::new(program.client()?, Call::get(route(session)), last_id);
    loop {
        if let Some(event) = next(program, &mut stream).await? {
            let entry: EventInfo = parse(&event)?;
            print_entry(program, &entry)?;
            if entry.kind == "session.closed" {
                program.output.note("the session is closed; tasks that run there still end here");
            }
        }
    }
}

async fn follow_hub(program: &Program) -> Result<()> {
    let mut stream = Stream::new(program.client()?, Call::get(Route::new("/api/events")), None);
    loop {
        if let Some(event) = next(program, &mut stream).await? {
            print_change(program, &parse(&event)?)?;
        }
    }
}

async fn next(program: &Program, stream: &mut Stream) -> Result<Option<Event>> {
    match stream.next().await? {
        Item::Event(event) => Ok(Some(event)),
        Item::Lost(reason) => {
            program.output.note(format_args!("lost the hub ({reason}); trying again"));
            Ok(None)
        }
    }
}

fn parse<T: DeserializeOwned>(event: &Event) -> Result<T> {
    serde_json::from_slice(&event.data).map_err(|error| {
        Failure::new(
            cortex_core::ErrorKind::Internal,
            format!("the hub sent an event \"{}\" of another version: {error}", event.name),
        )
        .with_code("bad_answer")
    })
}

fn print_entry(program: &Program, event: &EventInfo) -> Result<()> {
    match program.output.format() {
        Format::Json | Format::Jsonl => program.output.document(event),
        Format::Name => print_words(std::slice::from_ref(&event.kind)),
        Format::Table => {
            let data = row::pairs(&event.data);
            let task = event.task.clone().unwrap_or_default();
            let seq = format!("{:>6}", event.seq);
            print_words(&[seq, event.at.clone(), event.kind.clone(), task, data])
        }
    }
}

fn print_change(program: &Program, change: &HubEvent) -> Result<()> {
    if program.output.is_json() {
        return program.output.document(change);
    }
    let at = output::now().to_string();
    match change {
        HubEvent::NodeStatus { node } => {
            let (dot, tone) = match node.status.as_str() {
                "online" => ("●", Tone::Good),
                "offline" => ("■", Tone::Bad),
                "revoked" => ("⊘", Tone::Bad),
                _ => ("○", Tone::Dim),
            };
            let status =
                program.output.stdout(&format!("{dot} {}", style::inert(&node.status)), tone);
            let name = style::inert(&node.name);
            output::write_stdout(format!("{at}  node  {name}  {status}\n").as_bytes())
        }
        HubEvent::TaskState { task } => {
            let command = task.command.join(" ");
            print_words(&[at, "task".into(), task.id.clone(), task.state.clone(), command])
        }
        _ => {
            program.output.warn("some changes were missed: look at the lists anew");
            Ok(())
        }
    }
}

fn print_words(words: &[String]) -> Result<()> {
    let words: Vec<String> =
        words.iter().filter(|word| !word.is_empty()).map(|word| style::inert(word)).collect();
    output::write_stdout(format!("{}\n", words.join("  ")).as_bytes())
}
