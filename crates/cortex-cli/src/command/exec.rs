//! `exec`: a program on one or several nodes, as if it ran here.

mod attended;
mod feed;
mod line;
mod sink;

use std::cell::RefCell;
use std::io::Read as _;

use cortex_core::ErrorKind;
use cortex_core::timestamp::Timestamp;
use cortex_proto::json::DispatchRequest;
use cortex_proto::json::Page;
use cortex_proto::json::TaskInfo;
use cortex_proto::json::Text;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::watch;

use crate::args::Format;
use crate::args::exec::ExecArgs;
use crate::args::value;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::program::Program;

pub(crate) use attended::Attended;
pub(crate) use attended::Hold;
pub(crate) use attended::exit_of;
pub(crate) use attended::tell_end;
pub(crate) use sink::Sink;
pub(crate) use sink::print;
pub(crate) use sink::print_gap;

/// The most standard input that is passed on to a task that nobody stays with, in bytes.
const MAX_STDIN_BYTES: u64 = 1024 * 1024;

/// Runs the command.
///
/// # Errors
/// What the hub refuses. Where a remote exit code is expected, every failure exits with 255.
pub(crate) async fn run(program: &Program, args: ExecArgs) -> Result<Exit> {
    let request = request(&args)?;
    let mut client = program.client()?;
    let result = match args.detach {
        true => return detach(program, &mut client, &args, &request).await,
        false => attend(program, &client, &args, &request).await,
    };
    result.map_err(|failure| failure.with_exit(Exit::NOT_REMOTE))
}

/// The request, still without its node.
fn request(args: &ExecArgs) -> Result<DispatchRequest> {
    // Who stays passes standard input on as it comes.
    let stdin = match args.stdin && args.detach {
        true => Some(Text::of(&read_stdin()?)),
        false => None,
    };
    let (argv, line) = match args.line {
        true => (Vec::new(), Some(args.argv.join(" "))),
        false => (args.argv.clone(), None),
    };
    let env = args.env.iter().map(|pair| (pair.key.clone(), pair.value.clone()));
    Ok(DispatchRequest {
        argv,
        line,
        cwd: args.cwd.clone(),
        env: env.collect(),
        secrets: args.secrets.read()?,
        stdin,
        open_stdin: args.stdin && !args.detach,
        timeout_ms: args.timeout.map(value::millis),
        queue: args.queue,
        output_bytes: args.output_limit,
        first_of: args.choice.first_of.clone(),
        require: args.choice.require.clone(),
        any: args.choice.any,
        priority: args.delivery.priority,
        deadline: args.delivery.deadline.map(|at| at.from(now()).to_string()),
        attempts: args.delivery.attempts,
        ..DispatchRequest::default()
    })
}

fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

fn read_stdin() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().take(MAX_STDIN_BYTES + 1).read_to_end(&mut bytes).map_err(|error| {
        Failure::new(ErrorKind::Internal, format!("cannot read standard input: {error}"))
    })?;
    if bytes.len() as u64 > MAX_STDIN_BYTES {
        return Err(Failure::usage("standard input has more than 1 MiB")
            .or_hint("without --detach, it may have any length"));
    }
    Ok(bytes)
}

/// One place for each task: the nodes that were named, or one that the hub chooses.
fn places(args: &ExecArgs) -> Vec<Option<String>> {
    match args.nodes.is_empty() {
        true => vec![None],
        false => args.nodes.iter().cloned().map(Some).collect(),
    }
}

/// The call that submits the task for a place. Repeating it makes no second task.
fn dispatch(args: &ExecArgs, request: &DispatchRequest, node: Option<&str>) -> Result<Call> {
    let request = DispatchRequest { node: node.map(ToOwned::to_owned), ..request.clone() };
    let route = Route::new("/api/sessions").segment(&args.session).segment("dispatch");
    let key = uuid::Uuid::new_v4().simple().to_string();
    Ok(Call::post(route, &request)?.header("idempotency-key", &key))
}

/// Submits and returns.
async fn detach(
    program: &Program,
    client: &mut Client,
    args: &ExecArgs,
    request: &DispatchRequest,
) -> Result<Exit> {
    let mut tasks: Vec<TaskInfo> = Vec::new();
    let mut failed = None;
    for node in places(args) {
        match (client.answer(dispatch(args, request, node.as_deref())?).await, node) {
            (Ok(task), _) => tasks.push(task),
            // What is submitted must be told, whatever comes after it.
            (Err(failure), Some(node)) if args.nodes.len() > 1 => {
                failed = Some(failure.context(node));
            }
            (Err(failure), _) => return Err(failure),
        }
        if failed.is_some() {
            break;
        }
    }
    match (program.output.is_json(), tasks.as_slice()) {
        (true, [task]) if args.nodes.len() <= 1 => program.output.document(task)?,
        (true, _) => print_page(program, tasks)?,
        (false, tasks) => {
            let ids: String = tasks.iter().map(|task| format!("{}\n", task.id)).collect();
            output::write_stdout(ids.as_bytes())?;
            if let Some(task) = tasks.first() {
                program.output.note(format_args!("cortex-cli task logs {} -f", task.id));
            }
        }
    }
    failed.map_or(Ok(Exit::OK), Err)
}

fn print_page(program: &Program, items: Vec<TaskInfo>) -> Result<()> {
    program.output.list(&Page { items, next_cursor: None })
}

/// Submits and stays until all tasks have ended.
async fn attend(
    program: &Program,
    client: &Client,
    args: &ExecArgs,
    request: &DispatchRequest,
) -> Result<Exit> {
    let (counter, count) = watch::channel(0_u8);
    let places = places(args);
    let names: Vec<String> = places.iter().cloned().map(Option::unwrap_or_default).collect();
    let sink = RefCell::new(Sink::new(program.output.format(), &names));
    let mut feeds = match args.stdin {
        true => feed::read_for(places.len())?.into_iter(),
        false => Vec::new().into_iter(),
    };
    let mut attended = Vec::with_capacity(places.len());
    for (index, node) in places.into_iter().enumerate() {
        let call = dispatch(args, request, node.as_deref())?;
        let node = node.filter(|_| args.nodes.len() > 1);
        let task = Attended::new(client.another(), call, index, node, Hold::Program);
        attended.push(task.fed(feeds.next()));
    }
    let running = attended.iter_mut().map(|task| task.run(program, &sink, count.clone()));
    let results = interruptible(futures::future::join_all(running), &counter).await?;
    let was_interrupted = *count.borrow() > 0;
    conclude(program, sink.into_inner(), results, was_interrupted)
}

/// Does `work` to its end, and counts how often the user presses Ctrl-C meanwhile.
///
/// # Errors
/// Ctrl-C cannot be caught.
pub(crate) async fn interruptible<T>(
    work: impl Future<Output = T>,
    counter: &watch::Sender<u8>,
) -> Result<T> {
    let mut interrupts = signal(SignalKind::interrupt()).map_err(|error| {
        Failure::new(ErrorKind::Internal, format!("cannot catch Ctrl-C: {error}"))
    })?;
    let mut work = Box::pin(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            _ = interrupts.recv() => counter.send_modify(|count| *count = count.saturating_add(1)),
        }
    }
}

/// Prints what is left to print; the exit code is the highest.
fn conclude(
    program: &Program,
    mut sink: Sink,
    results: Vec<Result<TaskInfo>>,
    was_interrupted: bool,
) -> Result<Exit> {
    let is_single = results.len() == 1;
    let mut exit = Exit::OK;
    let mut ended = Vec::new();
    let mut failures = Vec::new();
    for (index, result) in results.into_iter().enumerate() {
        match result {
            Ok(task) => {
                exit = exit.max(exit_of(&task, was_interrupted));
                ended.push(sink.complete(index, task));
            }
            Err(failure) => failures.push(failure.with_exit(Exit::NOT_REMOTE)),
        }
    }
    sink.finish()?;
    if program.output.format() == Format::Json {
        match ended.len() {
            1 if is_single => program.output.document(&ended[0])?,
            0 if is_single => {}
            _ => print_page(program, ended)?,
        }
    }
    let last = failures.pop();
    for failure in failures {
        program.output.failure(&failure);
        exit = exit.max(failure.exit());
    }
    match last {
        // Told by the caller, and its exit code is as high as any.
        Some(failure) => {
            let exit = exit.max(failure.exit());
            Err(failure.with_exit(exit))
        }
        None => Ok(exit),
    }
}
