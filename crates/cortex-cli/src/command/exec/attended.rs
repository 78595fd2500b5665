//! One task with somebody waiting for it: output as it comes, Ctrl-C, the end.

use std::cell::RefCell;

use cortex_proto::json::CancelBody;
use cortex_proto::json::TaskInfo;
use tokio::sync::watch;

use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::output::Follow;
use crate::client::output::OutputReader;
use crate::command::exec::sink::Sink;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output::span;
use crate::output::style::inert;
use crate::program::Program;

/// One task that is being attended.
#[derive(Debug)]
pub(crate) struct Attended {
    reader: OutputReader,
    index: usize,
    /// The node's name, where there are several to tell apart.
    node: Option<String>,
    id: Option<String>,
    is_cancelled: bool,
}

enum Event {
    Interrupted(u8),
    Follow(Follow),
}

impl Attended {
    /// Attends the task that `dispatch` submits.
    pub(crate) fn new(client: Client, dispatch: Call, index: usize, node: Option<String>) -> Self {
        Self {
            reader: OutputReader::of_dispatch(client, dispatch),
            index,
            node,
            id: None,
            is_cancelled: false,
        }
    }

    /// Attends it to its end. The first count in `interrupts` cancels it, the second leaves it.
    ///
    /// # Errors
    /// What the hub refuses; the hub was lost; interrupted; nobody reads the output.
    pub(crate) async fn run(
        &mut self,
        program: &Program,
        sink: &RefCell<Sink>,
        mut interrupts: watch::Receiver<u8>,
    ) -> Result<TaskInfo> {
        let ended = self.follow(program, sink, &mut interrupts).await;
        ended.map_err(|failure| {
            let failure = match &self.id {
                Some(id) => failure.or_hint(format!("cortex-cli task wait {id}")),
                None => failure,
            };
            match &self.node {
                Some(node) => failure.context(node),
                None => failure,
            }
        })
    }

    async fn follow(
        &mut self,
        program: &Program,
        sink: &RefCell<Sink>,
        interrupts: &mut watch::Receiver<u8>,
    ) -> Result<TaskInfo> {
        loop {
            let event = tokio::select! {
                biased;
                Ok(()) = interrupts.changed() => Event::Interrupted(*interrupts.borrow_and_update()),
                follow = self.reader.next() => Event::Follow(follow?),
            };
            match event {
                Event::Interrupted(0) => {}
                Event::Interrupted(1) => self.cancel(program, interrupts).await?,
                Event::Interrupted(_) => return Err(self.left()),
                Event::Follow(Follow::Task(task)) => {
                    self.id = Some(task.id);
                    if *interrupts.borrow() > 0 {
                        self.cancel(program, interrupts).await?;
                    }
                }
                Event::Follow(Follow::Output { channel, offset, data }) => {
                    let id = self.id.as_deref().unwrap_or_default();
                    let printed = sink.borrow_mut().output(self.index, id, channel, offset, &data);
                    if let Err(failure) = printed {
                        // As with a local pipe: who writes to nobody is ended.
                        self.cancel(program, interrupts).await?;
                        return Err(failure);
                    }
                }
                Event::Follow(Follow::Gap { channel, from, to }) => {
                    let id = self.id.as_deref().unwrap_or_default();
                    sink.borrow_mut().gap(self.index, id, channel, (from, to))?;
                }
                Event::Follow(Follow::Lost(reason)) => program.output.note(format_args!(
                    "{}lost the hub ({reason}); the task goes on, trying again",
                    self.prefix()
                )),
                Event::Follow(Follow::End(task)) => {
                    sink.borrow_mut().end(self.index, &task)?;
                    if task.state == "cancelled" && *interrupts.borrow() > 0 {
                        let summary = task.summary.as_deref().unwrap_or("cancelled");
                        let prefix = self.prefix();
                        program.output.note(format_args!("{prefix}{}", inert(summary)));
                    } else if !program.output.is_json() {
                        tell_end(program, &self.prefix(), &task);
                    }
                    return Ok(*task);
                }
            }
        }
    }

    /// Asks for the task's end; a failure is told and the wait goes on.
    async fn cancel(
        &mut self,
        program: &Program,
        interrupts: &mut watch::Receiver<u8>,
    ) -> Result<()> {
        let Some(id) = self.id.clone().filter(|_| !self.is_cancelled) else {
            return Ok(());
        };
        self.is_cancelled = true;
        program.output.note(format_args!(
            "{}cancelling {id}; Ctrl-C once more leaves it to itself",
            self.prefix()
        ));
        let route = Route::new("/api/tasks").segment(&id).segment("cancel");
        let body = CancelBody { reason: Some("interrupted by the user".to_owned()) };
        let mut client = self.reader.client().another();
        let answer = tokio::select! {
            answer = client.post::<TaskInfo>(route, &body) => answer,
            Ok(()) = interrupts.changed() => return Err(self.left()),
        };
        if let Err(failure) = answer {
            let prefix = self.prefix();
            program.output.warn(format_args!("{prefix}cannot cancel {id}: {failure}"));
        }
        Ok(())
    }

    /// The user did not want to wait for the end.
    fn left(&self) -> Failure {
        match &self.id {
            Some(id) => Failure::interrupted(format!("interrupted; task {id} is left to itself")),
            None => {
                Failure::interrupted("interrupted; nobody knows whether the task was submitted")
                    .or_hint("cortex-cli task list --open")
            }
        }
    }

    fn prefix(&self) -> String {
        self.node.as_ref().map(|node| format!("{node}: ")).unwrap_or_default()
    }
}

/// The exit code of an ended task.
pub(crate) fn exit_of(task: &TaskInfo, was_interrupted: bool) -> Exit {
    match task.state.as_str() {
        "cancelled" if was_interrupted => Exit::INTERRUPTED,
        _ => task.exit_code.map_or(Exit::NOT_REMOTE, Exit),
    }
}

/// Says why a task ended, where its own output cannot have said so.
pub(crate) fn tell_end(program: &Program, prefix: &str, task: &TaskInfo) {
    if task.output.dropped_bytes > 0 {
        let size = span::bytes(task.output.dropped_bytes);
        program.output.warn(format_args!(
            "{prefix}of the output only both ends are kept, {size} between them are not"
        ));
    }
    if matches!(task.state.as_str(), "succeeded" | "failed") && task.exit_code != Some(255) {
        return;
    }
    let message = match task.summary.as_deref() {
        // The summary says it in more words.
        Some(summary) if summary.starts_with(&task.state) => {
            format!("{prefix}task {}: {summary}", task.id)
        }
        summary => {
            let summary = summary.unwrap_or("no reason was given");
            format!("{prefix}task {} is {}: {summary}", task.id, task.state)
        }
    };
    let failure = Failure::new(cortex_core::ErrorKind::Internal, message);
    program.output.failure(&failure.or_hint(format!("cortex-cli task show {}", task.id)));
}
