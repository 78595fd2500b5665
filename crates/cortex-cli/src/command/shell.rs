//! `shell` and `attach`: a terminal on a node as if it were here.

mod escape;
pub(super) mod local;

use std::time::Instant;

use cortex_proto::json::DispatchRequest;
use cortex_proto::json::TaskInfo;
use cortex_proto::json::TerminalEvent;
use cortex_proto::json::TerminalRequest;
use tokio::signal::unix::SignalKind;

use crate::args::shell::AttachArgs;
use crate::args::shell::ShellArgs;
use crate::client::CallError;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::connection::Lost;
use crate::client::retry;
use crate::client::retry::Retry;
use crate::client::stream::may_pass;
use crate::client::terminal::Join;
use crate::client::terminal::Keyboard;
use crate::client::terminal::Seen;
use crate::client::terminal::Wire;
use crate::command::exec::exit_of;
use crate::command::exec::tell_end;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::program::Program;

use escape::Escape;
use escape::Wish;
use local::Here;
use local::Local;

/// Typed bytes that may wait for a slow connection; no more are read then.
const MOST_WAITING: usize = 64 << 10;

/// What Ctrl-C types.
const INTERRUPT: u8 = 3;

const HELP: &str = "\
~.   leave; the terminal goes on
~^Z  suspend cortex-cli
~?   this
~~   type one ~";

/// Variables of the user's own that programs in a terminal go by, and that go along; as Debian's ssh
/// has it.
const TAKEN_ALONG: [&str; 3] = ["LANG", "COLORTERM", "NO_COLOR"];
const LOCALE: &str = "LC_";

/// Runs `shell`.
///
/// # Errors
/// What the hub refuses, with the exit code 255.
pub(crate) async fn run(program: &Program, args: ShellArgs) -> Result<Exit> {
    let mut client = program.client()?;
    let joined = match open(&mut client, &args).await {
        Ok(task) => attend(client, task.id, true, Some(0)).await,
        Err(failure) => Err(failure),
    };
    conclude(program, joined)
}

/// Runs `attach`.
///
/// # Errors
/// As [`run`].
pub(crate) async fn attach(program: &Program, args: AttachArgs) -> Result<Exit> {
    let client = program.client()?;
    let joined = attend(client, args.task, !args.read_only, None).await;
    conclude(program, joined)
}

/// How it came to an end; the user's terminal is its own again.
enum End {
    /// The program has ended.
    Exit(Box<TaskInfo>),
    /// The user left this task.
    Left(String),
    /// The system wants this program to end; the task goes on.
    Ended(SignalKind, String),
}

/// How one connection came to its end.
enum Parted {
    Exit(Box<TaskInfo>),
    Left,
    Ended(SignalKind),
    /// The screen was not seen for a while, and is to be drawn.
    Away,
    Lost(String),
}

/// What becomes of keys.
enum Typed {
    /// They are passed on.
    Passed(Vec<u8>),
    /// The user leaves.
    Left,
    /// This program was stopped, and goes on.
    Resumed,
}

/// The terminal as it is attended here.
struct Attended {
    local: Local,
    types: bool,
    escape: Escape,
    /// Bytes that were shown; nothing before the first screen.
    offset: Option<u64>,
    /// What the bytes that come next will have drawn.
    drawn: Option<u64>,
}

async fn open(client: &mut Client, args: &ShellArgs) -> Result<TaskInfo> {
    let own = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let is_taken = TAKEN_ALONG.contains(&name.as_str()) || name.starts_with(LOCALE);
        is_taken.then_some((name, value))
    });
    // What was asked for comes over it.
    let env = own.chain(args.env.iter().map(|pair| (pair.key.clone(), pair.value.clone())));
    let request = DispatchRequest {
        node: Some(args.node.clone()),
        argv: args.argv.clone(),
        cwd: args.cwd.clone(),
        env: env.collect(),
        secrets: args.secrets.read()?,
        terminal: Some(local::draft()),
        ..DispatchRequest::default()
    };
    let route = Route::new("/api/sessions").segment(&args.session).segment("dispatch");
    let key = uuid::Uuid::new_v4().simple().to_string();
    client.answer(Call::post(route, &request)?.header("idempotency-key", &key)).await
}

fn conclude(program: &Program, joined: Result<End>) -> Result<Exit> {
    match joined {
        Ok(End::Exit(task)) => {
            tell_end(program, "", &task);
            Ok(exit_of(&task, false))
        }
        Ok(End::Left(task)) => {
            program.output.note(format_args!("the terminal goes on: cortex-cli attach {task}"));
            Ok(Exit::OK)
        }
        Ok(End::Ended(signal, task)) => {
            program.output.note(format_args!("the terminal goes on: cortex-cli attach {task}"));
            Ok(Exit(128 + u8::try_from(signal.as_raw_value()).unwrap_or(0)))
        }
        Err(failure) => Err(failure.with_exit(Exit::NOT_REMOTE)),
    }
}

/// Attends a terminal to its end, over as many connections as it takes.
async fn attend(mut client: Client, task: String, types: bool, offset: Option<u64>) -> Result<End> {
    let local = Local::begin()?;
    let escape = Escape::default();
    let mut here = Attended { local, types, escape, offset, drawn: None };
    let (mut retry, mut is_lost) = (Retry::default(), false);
    loop {
        let join = Join { types, offset: here.offset };
        let joined = tokio::select! {
            joined = client.join(&task, join) => joined,
            signal = here.leave() => return Ok(here.left(signal, task)),
        };
        let lost = match joined {
            Ok(wire) => {
                if std::mem::take(&mut is_lost) {
                    here.local.say("the hub is back");
                }
                retry.succeeded();
                match here.run(wire).await? {
                    Parted::Exit(task) => return Ok(End::Exit(task)),
                    Parted::Left => return Ok(here.left(None, task)),
                    Parted::Ended(signal) => return Ok(here.left(Some(signal), task)),
                    Parted::Away => {
                        here.offset = None;
                        continue;
                    }
                    Parted::Lost(reason) => CallError::Lost(Lost::Broken(reason)),
                }
            }
            // It may have ended while nobody looked.
            Err(CallError::Refused(failure)) if failure.code() == "task_ended" => {
                let route = Route::new("/api/tasks").segment(&task);
                return Ok(End::Exit(Box::new(client.get(route).await?)));
            }
            Err(error) if may_pass(&error) => error,
            Err(error) => return Err(client.told(error)),
        };
        let Some(pause) = retry.failed(Instant::now(), retry::random()) else {
            here.local.put_right();
            return Err(client.told(lost).or_hint(format!("cortex-cli attach {task}")));
        };
        if here.local.is_screen() {
            // What is said here is no part of it: it is drawn anew.
            here.offset = None;
        }
        if retry.is_first() {
            is_lost = true;
            here.local.say("lost the hub, trying again; ~. leaves");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            signal = here.leave() => return Ok(here.left(signal, task)),
        }
    }
}

impl Attended {
    /// Shows and types over one connection.
    async fn run(&mut self, wire: Wire) -> Result<Parted> {
        let Wire { mut display, mut keyboard } = wire;
        if self.types {
            resize(&mut keyboard);
        }
        loop {
            let has_room = keyboard.waiting() < MOST_WAITING;
            tokio::select! {
                seen = display.next() => match seen {
                    Ok(seen) => if let Some(task) = self.show(seen)? {
                        return Ok(Parted::Exit(task));
                    },
                    Err(reason) => return Ok(Parted::Lost(reason)),
                },
                sent = keyboard.send() => match sent {
                    Ok(never) => match never {},
                    Err(reason) => return Ok(Parted::Lost(reason)),
                },
                happened = self.local.next(has_room) => match happened {
                    Here::Keys(keys) => match self.typed(&keys)? {
                        Typed::Passed(passed) if self.types => keyboard.keys(passed),
                        Typed::Passed(_) => {}
                        Typed::Left => {
                            keyboard.close().await;
                            return Ok(Parted::Left);
                        }
                        Typed::Resumed => return Ok(Parted::Away),
                    },
                    Here::Closed if self.types => keyboard.ask(TerminalRequest::Close),
                    Here::Resized if self.types => resize(&mut keyboard),
                    Here::Closed | Here::Resized => {}
                    Here::Ended(signal) => return Ok(Parted::Ended(signal)),
                },
            }
        }
    }

    /// Shows what came; the task, where its program has ended.
    fn show(&mut self, seen: Seen) -> Result<Option<Box<TaskInfo>>> {
        match seen {
            Seen::Bytes(bytes) => {
                output::write_stdout(&bytes)?;
                self.offset = match (self.drawn.take(), self.offset) {
                    // What draws a screen is no output.
                    (Some(drawn), _) => Some(drawn),
                    (None, shown) => shown.map(|shown| shown + bytes.len() as u64),
                };
            }
            Seen::Event(TerminalEvent::Screen { offset, .. }) => self.drawn = Some(offset),
            Seen::Event(TerminalEvent::Exit { task }) => return Ok(Some(task)),
            Seen::Event(TerminalEvent::Problem { problem }) => {
                return Err(Failure::of_problem(problem));
            }
            Seen::Event(_) => {}
        }
        Ok(None)
    }

    /// Takes out of the keys what is for this program.
    fn typed(&mut self, keys: &[u8]) -> Result<Typed> {
        if !self.local.is_terminal() {
            return Ok(Typed::Passed(keys.to_owned()));
        }
        if !self.types && keys.contains(&INTERRUPT) {
            return Ok(Typed::Left);
        }
        Ok(match self.escape.take(keys) {
            (_, Some(Wish::Leave)) => Typed::Left,
            (_, Some(Wish::Suspend)) => {
                self.local.suspend()?;
                Typed::Resumed
            }
            (passed, Some(Wish::Help)) => {
                self.local.say(HELP);
                Typed::Passed(passed)
            }
            (passed, None) => Typed::Passed(passed),
        })
    }

    /// Waits until the user leaves while there is no connection, or the system wants that; other
    /// keys go nowhere, but what is no terminal is not read.
    async fn leave(&mut self) -> Option<SignalKind> {
        loop {
            match self.local.next(self.local.is_terminal()).await {
                Here::Keys(keys) => {
                    if matches!(self.typed(&keys), Ok(Typed::Left) | Err(_)) {
                        return None;
                    }
                }
                Here::Closed | Here::Resized => {}
                Here::Ended(signal) => return Some(signal),
            }
        }
    }

    fn left(&self, signal: Option<SignalKind>, task: String) -> End {
        self.local.put_right();
        match signal {
            Some(signal) => End::Ended(signal, task),
            None => End::Left(task),
        }
    }
}

/// Gives the terminal on the node the size of the one here.
fn resize(keyboard: &mut Keyboard) {
    if let Some((cols, rows)) = local::size() {
        keyboard.ask(TerminalRequest::Resize { cols, rows });
    }
}
