//! The seam for what a node can do: run a program, drive a browser, or whatever you write.
//!
//! Implement [`TypedSkill`] where input and output are Rust types; every [`TypedSkill`] is a
//! [`Skill`]. Implement [`Skill`] itself where the outcome is more than a value, as the shell does.

mod typed;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;

pub use typed::SkillError;
pub use typed::TypedSkill;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::id::SessionId;
use crate::id::TaskId;
use crate::task::Input;
use crate::task::Outcome;
use crate::task::Progress;
use crate::task::Secrets;
use crate::task::Signal;
use crate::task::Stream;

/// Something a node can do.
///
/// One value serves all its tasks at once; state that belongs to one task lives in [`Self::run`].
#[async_trait]
pub trait Skill: Send + Sync + fmt::Debug {
    /// Says what it is called and what it takes.
    ///
    /// The answer never changes while the node runs; the name is unique on a node.
    fn describe(&self) -> Description;

    /// Does the work and says how it ended.
    ///
    /// `input` fits [`Description::input`] as far as a [`Schema`](crate::capability::Schema) is
    /// judged: what is wrong beyond that is [`Outcome::Broken`] with words that help its author. Output goes through [`Invocation::write`], which waits while the
    /// reader is slow. After [`Invocation::cancelled`] resolves, the skill has the task's grace
    /// time to end by itself; then the future is dropped.
    ///
    /// # Errors
    /// Only for failures of the node itself; the task then ends as failed with this error.
    async fn run(&self, invocation: &Invocation, input: serde_json::Value) -> Result<Outcome>;
}

/// What a skill is called and what it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Its name: 1 to 64 characters of `a-z 0-9 - _ .`.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// JSON Schema of its input.
    pub input: serde_json::Value,
    /// JSON Schema of the value it returns.
    pub output: serde_json::Value,
}

/// Why a skill is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// Somebody cancelled the task.
    Cancel,
    /// Its time limit passed.
    Timeout,
    /// The node is shutting down.
    Shutdown,
    /// The hub locked or removed the node: there is no grace.
    Revoked,
}

/// The world outside a skill, provided by whoever runs it.
#[async_trait]
pub trait Console: Send + Sync + fmt::Debug {
    /// Reports that the work has begun, with the process id where there is one. Once per task;
    /// later calls do nothing.
    async fn started(&self, pid: Option<u32>);

    /// Takes output of a standard stream; waits while what was taken before is still on its way.
    async fn write(&self, stream: Stream, data: Bytes);

    /// How many bytes of a stream have gone out: less or more than was written where secrets among
    /// it are replaced.
    async fn put_out(&self, stream: Stream) -> u64;

    /// Notes that there was more on this stream than was written.
    fn cut(&self, stream: Stream);

    /// Takes how far the work has come, in place of what was taken before. Never waits; does
    /// nothing where nobody wants to know.
    fn progress(&self, progress: Progress) {
        drop(progress);
    }

    /// Takes a file for whoever called; waits while what was taken before is still on its way.
    /// Returns when all of it is taken.
    ///
    /// # Errors
    /// `Invalid`: its name, or a path that leads out of the call's directory. `Exists`: one of that
    /// name was published. `Exhausted`: there are too many, or they are too large. `Unavailable`:
    /// nobody takes files here. `Internal`: it cannot be read.
    async fn publish(&self, name: &str, content: FileContent) -> Result<()> {
        drop(content);
        let message = format!("{name:?} cannot be published: nobody takes files here");
        Err(Error::new(Kind::Unavailable, "publish file", message))
    }

    /// A directory of the call's own, with the files that came with it.
    ///
    /// # Errors
    /// `Internal`: it cannot be made or written.
    async fn workdir(&self) -> Result<Workdir>;

    /// Waits for the next signal for the task's program; for ever where none can come.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    async fn signal(&self) -> Signal {
        std::future::pending().await
    }

    /// Waits for what is put into the task next; for ever where nothing can be.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    async fn input(&self) -> Input {
        std::future::pending().await
    }

    /// Resolves when the task is to stop, and says why; at once if it already is.
    async fn stopped(&self) -> StopReason;
}

/// What is in a file that a skill publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// These bytes.
    Bytes(Bytes),
    /// What this file has, which lies in the call's directory.
    Path(PathBuf),
}

/// A directory of one call, which is there until the call has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workdir {
    /// Where it is; nobody but the node's user may look into it.
    pub path: PathBuf,
    /// The files that came with the call, in their order; they lie in it.
    pub files: Vec<PathBuf>,
}

/// One call of a skill: for which task, and the way to the world.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The task.
    pub task: TaskId,
    /// Its attempt, from 1.
    pub attempt: u32,
    /// The session.
    pub session: SessionId,
    /// How long there is between the request to stop and the end.
    pub grace: std::time::Duration,
    secrets: Arc<Secrets>,
    console: Arc<dyn Console>,
}

impl Invocation {
    /// Makes an invocation; done by whoever runs skills.
    #[must_use]
    pub fn new(
        task: TaskId,
        attempt: u32,
        session: SessionId,
        grace: std::time::Duration,
        console: Arc<dyn Console>,
    ) -> Self {
        Self { task, attempt, session, grace, secrets: Arc::default(), console }
    }

    /// Gives it the task's secrets.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Arc<Secrets>) -> Self {
        self.secrets = secrets;
        self
    }

    /// The secrets that were given with the task. What is put out of them is replaced.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Reports that the work has begun; see [`Console::started`].
    pub async fn started(&self, pid: Option<u32>) {
        self.console.started(pid).await;
    }

    /// Puts out bytes; waits while the reader is slow.
    pub async fn write(&self, stream: Stream, data: impl Into<Bytes> + Send) {
        self.console.write(stream, data.into()).await;
    }

    /// How many bytes of a stream have gone out; see [`Console::put_out`].
    pub async fn put_out(&self, stream: Stream) -> u64 {
        self.console.put_out(stream).await
    }

    /// Says that there was more on this stream than was written: the task's receipt says so too.
    pub fn cut(&self, stream: Stream) {
        self.console.cut(stream);
    }

    /// Puts out one line of text on standard output.
    pub async fn line(&self, text: impl fmt::Display + Send) {
        self.write(Stream::Stdout, format!("{text}\n")).await;
    }

    /// Says how far the work has come. May be called as often as you like: the hub is told the
    /// newest, at most four times a second.
    pub fn progress(&self, progress: Progress) {
        self.console.progress(progress);
    }

    /// A directory of this call's own, with the files that came with it. It is made when it is first
    /// asked for, and removed with all that is in it when the call has ended.
    ///
    /// # Errors
    /// `Internal`: it cannot be made or written, as where the disk is full.
    pub async fn workdir(&self) -> Result<Workdir> {
        self.console.workdir().await
    }

    /// Publishes a file: who called finds it under this name on the hub, with the task, and reads it
    /// with `cortex-cli task files`. When this returns, the file is on its way, as output is: it is
    /// there once the hub has all of it.
    ///
    /// A name is one part of a path that [every system takes](crate::task::is_portable), used once a
    /// call. A task publishes [`MAX_PUBLISHED`](crate::task::MAX_PUBLISHED) files at most, of
    /// [`MAX_PUBLISHED_FILE`](crate::task::MAX_PUBLISHED_FILE) bytes each and
    /// [`MAX_PUBLISHED_BYTES`](crate::task::MAX_PUBLISHED_BYTES) together. Secrets are not looked for
    /// in files.
    ///
    /// # Errors
    /// `Invalid`: the name. `Exists`: one of that name was published. `Exhausted`: there are too
    /// many, or they are too large.
    ///
    /// # Cancel safety
    /// If the future is dropped, the file is not published; what of it went out counts.
    pub async fn publish(&self, name: &str, bytes: impl Into<Bytes> + Send) -> Result<()> {
        self.console.publish(name, FileContent::Bytes(bytes.into())).await
    }

    /// Publishes a file of the call's [directory](Self::workdir) as [`Self::publish`] does; it is read
    /// piece by piece. A relative path begins there. Links that lead out of it are not followed.
    ///
    /// # Errors
    /// Those of [`Self::publish`]. `Invalid`: the path leads out of the directory, or to no file.
    /// `Internal`: it cannot be read.
    pub async fn publish_file(&self, name: &str, path: impl Into<PathBuf> + Send) -> Result<()> {
        self.console.publish(name, FileContent::Path(path.into())).await
    }

    /// Waits for the next signal that somebody sends to the task; only programs are sent any.
    pub async fn signal(&self) -> Signal {
        self.console.signal().await
    }

    /// Waits for what is put into the task next; for ever where its spec does not let it take
    /// [any](crate::task::TaskSpec::takes_input). Who does not ask for it makes the sender wait.
    pub async fn input(&self) -> Input {
        self.console.input().await
    }

    /// Resolves when the task is to stop.
    pub async fn cancelled(&self) -> StopReason {
        self.console.stopped().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traits_are_dyn_compatible() {
        fn _takes(_: &dyn Skill, _: &dyn Console) {}
    }
}
