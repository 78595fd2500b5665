//! One task with somebody waiting for it: output as it comes, Ctrl-C, the end.

use std::cell::RefCell;
use std::io::IsTerminal as _;

use cortex_core::task::Signal;
use cortex_proto::json::CancelBody;
use cortex_proto::json::SignalRequest;
use cortex_proto::json::TaskInfo;
use tokio::sync::oneshot;
use tokio::sync::watch;

use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::client::cursor::OutputCursor;
use crate::client::output::Follow;
use crate::client::output::OutputReader;
use crate::command::exec::feed::Feed;
use crate::command::exec::line::ProgressLine;
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
    /// What Ctrl-C may do.
    hold: Hold,
    feed: Option<Feed>,
    is_cancelled: bool,
}

/// What Ctrl-C does to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// First cancels it, then kills it, then leaves it.
    Program,
    /// First cancels it, then leaves it: there is nothing to kill.
    Skill,
    /// Leaves it at once.
    Guest,
}

enum Event {
    Interrupted(u8),
    Fed(Result<()>),
    Follow(Follow),
}

impl Attended {
    /// Attends the task that `dispatch` submits.
    pub(crate) fn new(
        client: Client,
        dispatch: Call,
        index: usize,
        node: Option<String>,
        hold: Hold,
    ) -> Self {
        let reader = OutputReader::of_dispatch(client, dispatch);
        Self { reader, index, node, id: None, hold, feed: None, is_cancelled: false }
    }

    /// Attends a task that is there already, behind `since`; it is somebody else's to end.
    pub(crate) fn guest(client: Client, id: &str, since: OutputCursor) -> Self {
        let reader = OutputReader::of_task(client, id, since);
        let (id, hold) = (Some(id.to_owned()), Hold::Guest);
        Self { reader, index: 0, node: None, id, hold, feed: None, is_cancelled: false }
    }

    /// Passes standard input on to it.
    #[must_use]
    pub(crate) fn fed(mut self, feed: Option<Feed>) -> Self {
        self.feed = feed;
        self
    }

    /// Attends it to its end. What counts in `interrupts` do is said by its [`Hold`].
    ///
    /// # Errors
    /// What the hub refuses; the hub was lost; interrupted; nobody reads the output; standard input
    /// does not get through.
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
        let (known, task) = oneshot::channel();
        let mut known = Some(known);
        let (client, feed) = (self.reader.client().another(), self.feed.take());
        let feeding = async {
            match feed {
                Some(feed) => feed.run(client, task).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(feeding);
        let (mut is_fed, mut line) = (false, ProgressLine::default());
        loop {
            let event = tokio::select! {
                biased;
                Ok(()) = interrupts.changed() => Event::Interrupted(*interrupts.borrow_and_update()),
                fed = &mut feeding, if !is_fed => Event::Fed(fed),
                follow = self.reader.next() => Event::Follow(follow?),
            };
            match event {
                Event::Interrupted(count) => {
                    line.clear();
                    self.interrupted(count, program, interrupts).await?;
                }
                Event::Fed(fed) => {
                    is_fed = true;
                    if let Err(failure) = fed {
                        // A part of the input is worse than none.
                        self.cancel(program, interrupts).await?;
                        return Err(failure);
                    }
                }
                Event::Follow(Follow::Task(task)) => {
                    if let Some(known) = known.take() {
                        // Nobody waits for it where there is nothing to feed.
                        let _ = known.send(task.id.clone());
                    }
                    self.id = Some(task.id);
                    if *interrupts.borrow() > 0 {
                        self.cancel(program, interrupts).await?;
                    }
                }
                Event::Follow(Follow::Output { channel, offset, data }) => {
                    line.make_room(&data);
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
                Event::Follow(Follow::Progress(progress)) => {
                    let id = self.id.as_deref().unwrap_or_default();
                    if !sink.borrow_mut().progress(self.index, id, &progress)?
                        && program.output.is_chatty()
                        && std::io::stderr().is_terminal()
                    {
                        line.show(&progress);
                    }
                }
                Event::Follow(Follow::Lost(reason)) => {
                    line.clear();
                    program.output.note(format_args!(
                        "{}lost the hub ({reason}); the task goes on, trying again",
                        self.prefix()
                    ));
                }
                Event::Follow(Follow::End(task)) => {
                    line.clear();
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

    /// Does what the user wants who has pressed Ctrl-C so many times.
    async fn interrupted(
        &mut self,
        count: u8,
        program: &Program,
        interrupts: &mut watch::Receiver<u8>,
    ) -> Result<()> {
        match (count, self.hold) {
            (0, _) => Ok(()),
            (_, Hold::Guest) => Err(self.left()),
            (1, _) => self.cancel(program, interrupts).await,
            (2, Hold::Program) if self.id.is_some() => self.kill(program, interrupts).await,
            _ => Err(self.left()),
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
        let next = match self.hold {
            Hold::Program => "kills it",
            _ => "leaves it to itself",
        };
        let prefix = self.prefix();
        program.output.note(format_args!("{prefix}cancelling {id}; Ctrl-C once more {next}"));
        self.ask("cancel", &id, &cancel_call(&id)?, program, interrupts).await
    }

    /// Ends all processes of the task at once.
    async fn kill(
        &mut self,
        program: &Program,
        interrupts: &mut watch::Receiver<u8>,
    ) -> Result<()> {
        let Some(id) = self.id.clone() else { return Ok(()) };
        let prefix = self.prefix();
        program
            .output
            .note(format_args!("{prefix}killing {id}; Ctrl-C once more leaves it to itself"));
        // That may have been cut short, and who kills a task means to cancel it.
        self.ask("cancel", &id, &cancel_call(&id)?, program, interrupts).await?;
        let body = SignalRequest { signal: Signal::Kill.word().to_owned() };
        let call = Call::post(route(&id).segment("signal"), &body)?;
        self.ask("kill", &id, &call, program, interrupts).await
    }

    /// Makes a call, unless the user presses Ctrl-C meanwhile: then the next step comes.
    async fn ask(
        &self,
        verb: &str,
        id: &str,
        call: &Call,
        program: &Program,
        interrupts: &mut watch::Receiver<u8>,
    ) -> Result<()> {
        let mut client = self.reader.client().another();
        let answer = tokio::select! {
            answer = client.send(call) => answer,
            Ok(()) = interrupts.changed() => {
                interrupts.mark_changed();
                return Ok(());
            }
        };
        match answer.map(drop).map_err(|error| client.told(error)) {
            // It was faster.
            Err(failure) if failure.code() == "task_ended" => {}
            Err(failure) => {
                let prefix = self.prefix();
                program.output.warn(format_args!("{prefix}cannot {verb} {id}: {failure}"));
            }
            Ok(()) => {}
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

fn cancel_call(id: &str) -> Result<Call> {
    let body = CancelBody { reason: Some("interrupted by the user".to_owned()) };
    Call::post(route(id).segment("cancel"), &body)
}

fn route(id: &str) -> Route {
    Route::new("/api/tasks").segment(id)
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
