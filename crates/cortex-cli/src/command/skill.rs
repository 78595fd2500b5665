//! `skill list`, `show` and `call`.

mod form;
mod input;

use std::cell::RefCell;

use cortex_core::ErrorKind;
use cortex_proto::json::DispatchRequest;
use cortex_proto::json::Page;
use cortex_proto::json::SkillCall;
use cortex_proto::json::SkillInfo;
use cortex_proto::json::TaskInfo;
use serde_json::Value;
use tokio::sync::watch;

use crate::args::Format;
use crate::args::skill::CallArgs;
use crate::args::skill::SkillCommand;
use crate::args::value;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::command::exec::Attended;
use crate::command::exec::Hold;
use crate::command::exec::Sink;
use crate::command::exec::exit_of;
use crate::command::exec::interruptible;
use crate::command::files::Target;
use crate::command::files::fetch;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::output::style::inert_lines;
use crate::output::table::Row as _;
use crate::program::Program;

/// Runs a command of the group.
///
/// # Errors
/// What the hub refuses. `skill call` exits with 255 for every failure that is not its own input's.
pub(crate) async fn run(program: &Program, command: SkillCommand) -> Result<Exit> {
    match command {
        SkillCommand::List(args) => {
            let route = Route::new("/api/skills").maybe("node", args.node.as_ref());
            let page: Page<SkillInfo> = program.client()?.get(route).await?;
            program.output.list(&page)?;
            Ok(Exit::OK)
        }
        SkillCommand::Show(args) => {
            let skills = offers(&mut program.client()?, &args.name).await?;
            show(program, &skills)?;
            Ok(Exit::OK)
        }
        SkillCommand::Call(args) => call(program, &args).await,
    }
}

/// What nodes offer under this name.
async fn offers(client: &mut Client, name: &str) -> Result<Vec<SkillInfo>> {
    let page: Page<SkillInfo> = client.get(Route::new("/api/skills").segment(name)).await?;
    match page.items.is_empty() {
        true => Err(Failure::new(ErrorKind::NotFound, format!("no node offers a skill {name:?}"))),
        false => Ok(page.items),
    }
}

fn show(program: &Program, skills: &[SkillInfo]) -> Result<()> {
    if program.output.format() != Format::Table {
        return match skills {
            [skill] => program.output.item(skill),
            several => program.output.list(&Page { items: several.to_vec(), next_cursor: None }),
        };
    }
    for (at, skill) in skills.iter().enumerate() {
        if at > 0 {
            output::write_stdout(b"\n")?;
        }
        let mut details = skill.details(output::now());
        details.extend(form::details(skill));
        program.output.details(&details)?;
        let fields = form::fields(skill.input.as_ref());
        if !fields.is_empty() {
            output::write_stdout(b"\n")?;
            program.output.rows(&fields)?;
        }
    }
    Ok(())
}

async fn call(program: &Program, args: &CallArgs) -> Result<Exit> {
    let remote = |failure: Failure| failure.with_exit(Exit::NOT_REMOTE);
    let target = Target::of(&args.place)?;
    let mut client = program.client()?;
    let offers = offers(&mut client, &args.name).await.map_err(remote)?;
    let skill = chosen(&offers, args.on.as_deref());
    let input = match &args.input {
        Some(text) => input::read(text)?,
        None => input::of_fields(&args.fields, skill.input.as_ref())?,
    };
    let request = DispatchRequest {
        skill: Some(SkillCall {
            name: args.name.clone(),
            input,
            files: input::files(&args.files)?,
        }),
        node: args.on.clone().or_else(|| only_place(skill, args)),
        timeout_ms: args.timeout.map(value::millis),
        queue: args.queue,
        first_of: args.choice.first_of.clone(),
        require: args.choice.require.clone(),
        any: args.choice.any,
        ..DispatchRequest::default()
    };
    let mut files = client.another();
    let route = Route::new("/api/sessions").segment(&args.session).segment("dispatch");
    let key = uuid::Uuid::new_v4().simple().to_string();
    let dispatch = Call::post(route, &request)?.header("idempotency-key", &key);
    let sink = match program.output.format() {
        Format::Table | Format::Name => Sink::Aside,
        format => Sink::new(format, &[String::new()]),
    };
    let sink = RefCell::new(sink);
    let (counter, count) = watch::channel(0_u8);
    let mut attended = Attended::new(client, dispatch, 0, None, Hold::Skill);
    let running = attended.run(program, &sink, count.clone());
    let ended = interruptible(running, &counter).await?.map_err(remote)?;
    let exit = exit_of(&ended, *count.borrow() > 0);
    let mut sink = sink.into_inner();
    sink.finish()?;
    let task = ended.id.clone();
    match program.output.format() {
        Format::Table | Format::Name => print_value(&ended)?,
        Format::Json => program.output.document(&sink.complete(0, ended))?,
        Format::Jsonl => {}
    }
    if let Some(target) = target {
        fetch(program, &mut files, &task, &target).await.map_err(remote)?;
    }
    Ok(exit)
}

/// The offer that the node makes; the first one where it is left open which node that is.
fn chosen<'s>(offers: &'s [SkillInfo], node: Option<&str>) -> &'s SkillInfo {
    let is_there = |skill: &&SkillInfo| {
        let mut places = skill.nodes.iter();
        places.any(|place| node.is_some_and(|node| place.name == node || place.id == node))
    };
    offers.iter().find(is_there).unwrap_or(&offers[0])
}

/// The node, where nobody said which and only one is there: it need not be attached first.
fn only_place(skill: &SkillInfo, args: &CallArgs) -> Option<String> {
    let choice = &args.choice;
    if choice.any || choice.require.is_some() || !choice.first_of.is_empty() {
        return None;
    }
    let online = |place: &&cortex_proto::json::SkillPlace| place.status == "online";
    match (skill.online_count, skill.node_count) {
        (1, _) => skill.nodes.iter().find(online).map(|place| place.id.clone()),
        (0, 1) => skill.nodes.first().map(|place| place.id.clone()),
        _ => None,
    }
}

/// Prints what the skill returned: a text as it is, anything else as JSON.
fn print_value(task: &TaskInfo) -> Result<()> {
    let Some(value) = task.outcome.as_ref().and_then(|outcome| outcome.get("value")) else {
        return Ok(());
    };
    let text = match value {
        Value::String(text) => inert_lines(text),
        other => other.to_string(),
    };
    output::write_stdout(format!("{text}\n").as_bytes())
}
