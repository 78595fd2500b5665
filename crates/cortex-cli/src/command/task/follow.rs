//! `task follow`: staying with a task that is there already.

use std::cell::RefCell;

use cortex_core::ErrorKind;
use cortex_proto::json::TaskInfo;
use tokio::sync::watch;

use crate::args::Format;
use crate::args::task::FollowArgs;
use crate::client::cursor::OutputCursor;
use crate::command::exec::Attended;
use crate::command::exec::Sink;
use crate::command::exec::exit_of;
use crate::command::exec::interruptible;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::program::Program;

/// Runs the command.
///
/// # Errors
/// What the hub refuses; the task is a terminal.
pub(super) async fn run(program: &Program, args: &FollowArgs) -> Result<Exit> {
    let mut client = program.client()?;
    let task: TaskInfo = client.get(super::route(&args.id)).await?;
    if task.terminal {
        let message = format!("task {} runs in a terminal", task.id);
        return Err(Failure::new(ErrorKind::Precondition, message)
            .or_hint(format!("cortex-cli attach {}", task.id)));
    }
    let since = match args.from_now {
        true => OutputCursor { stdout: task.output.stdout_bytes, stderr: task.output.stderr_bytes },
        false => OutputCursor::default(),
    };
    let sink = RefCell::new(Sink::new(program.output.format(), &[String::new()]));
    let (counter, count) = watch::channel(0_u8);
    let mut attended = Attended::guest(client, &task.id, since);
    let ended = interruptible(attended.run(program, &sink, count), &counter).await??;
    let exit = exit_of(&ended, false);
    let mut sink = sink.into_inner();
    sink.finish()?;
    if program.output.format() == Format::Json {
        program.output.document(&sink.complete(0, ended))?;
    }
    Ok(exit)
}
