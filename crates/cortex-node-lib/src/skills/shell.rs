//! The shell skill: runs a program with arguments, or a command line, under the node's policy.
//!
//! **Which program.** A bare name is looked up in the node's own search path, never in the task's
//! `PATH`; a path with a slash is taken as it is, below the working directory where it is
//! relative. The policy judges name, found file and the file behind all links; what is then
//! started is the very file that was found, with `argv[0]` as the task wrote it. A command line
//! runs as `sh -c LINE`, and only where the policy allows `sh` to read lines.
//!
//! **Environment.** The node's own, without `CORTEX_…`, the loader's `LD_PRELOAD` and `LD_AUDIT`,
//! and the shell's `BASH_ENV` and `ENV`; the task's variables go on top, and then `CORTEX_TASK` and
//! `CORTEX_ATTEMPT`, which say what the process is part of. Under a STRICT policy a
//! task may not set variables that make the loader or the shell run something else (`LD_…`,
//! `BASH_ENV`, `ENV`); other programs have variables of their own that steer them, which a policy
//! does not know.
//!
//! **In a terminal** the program leads a session of its own, and may be left out: then it is the
//! node's own `$SHELL`, or `/bin/sh`, as a login shell.
//!
//! **Output** is read as it comes and goes out as it is. When the program has ended, what is in
//! its pipes is still read; a background process that keeps them open is listened to for one more
//! second and then left alone, as ssh does.
//!
//! **The end.** A task that is stopped gets TERM for its whole process group and for all relatives
//! that left the group, see [`family`]; what is alive after the grace time is frozen and gets KILL. When the
//! node shuts down, the grace time is at most [`SHUTDOWN_GRACE`]; when the hub locks or removes the
//! node, there is none. A program that ends by
//! itself may leave background processes behind.

mod environment;
pub mod family;
pub mod group;
mod life;
pub mod mark;
mod process;
mod program;
mod pty;
mod terminal;

use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cortex_core::Result;
use cortex_core::policy::Effective;
use cortex_core::policy::Invocation as Start;
use cortex_core::policy::Mode;
use cortex_core::policy::Verdict;
use cortex_core::skill::Description;
use cortex_core::skill::Invocation;
use cortex_core::skill::Skill;
use cortex_core::task::Outcome;
use cortex_core::task::ShellWork;
use tokio::sync::watch;

pub use environment::BaseEnvironment;

use mark::Mark;
use program::Found;
use program::Search;

/// The name under which tasks find it.
pub const NAME: &str = "shell";

/// The most grace that a task has when the node shuts down.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// How a task ended whose node was locked or removed.
pub(crate) const REVOKED: &str = "the hub locked or removed the node";

/// The shell that reads command lines.
const LINE_SHELL: &str = "sh";

/// The shell of a node whose environment names none.
const OWN_SHELL: &str = "/bin/sh";

/// Runs programs.
#[derive(Debug)]
pub struct Shell {
    policy: watch::Receiver<Arc<Effective>>,
    workspace: PathBuf,
    environment: BaseEnvironment,
    search: Search,
}

/// A program that may start.
#[derive(Debug)]
struct Ready {
    file: PathBuf,
    argv: Vec<String>,
    cwd: PathBuf,
    work: ShellWork,
    mark: Mark,
}

impl Shell {
    /// Makes the skill; `policy` shows the policy in force, `workspace` is where tasks run that do
    /// not say where.
    #[must_use]
    pub fn new(
        policy: watch::Receiver<Arc<Effective>>,
        workspace: PathBuf,
        environment: BaseEnvironment,
    ) -> Self {
        let search = Search::of(environment.get("PATH"));
        Self { policy, workspace, environment, search }
    }

    /// Looks at everything that decides whether and how a program starts; starts nothing.
    fn prepare(&self, work: ShellWork, mark: Mark) -> Result<Ready, Outcome> {
        let cwd = self.working_directory(work.cwd.as_deref())?;
        let argv = match &work.line {
            Some(line) => vec![LINE_SHELL.to_owned(), "-c".to_owned(), line.clone()],
            None if work.argv.is_empty() && work.terminal.is_some() => {
                vec![self.own_shell().to_owned(), "-l".to_owned()]
            }
            None => work.argv.clone(),
        };
        let Some(name) = argv.first().filter(|name| !name.is_empty()) else {
            return Err(broken("give either \"argv\" with at least the program, or \"line\""));
        };
        let found = self.search.find(name, &cwd);
        let policy = Arc::clone(&self.policy.borrow());
        judge(&policy, &work, &argv, &cwd, &found)?;
        let Some(file) = found.file else {
            return Err(broken(self.search.not_found(name, &cwd)));
        };
        Ok(Ready { file, argv, cwd, work, mark })
    }

    /// The shell that somebody gets who asks for a terminal and for nothing in it.
    fn own_shell(&self) -> &str {
        let named = self.environment.get("SHELL").and_then(OsStr::to_str);
        named.filter(|path| Path::new(path).is_absolute()).unwrap_or(OWN_SHELL)
    }

    fn working_directory(&self, asked: Option<&str>) -> Result<PathBuf, Outcome> {
        let cwd = match asked {
            Some(asked) => self.workspace.join(asked),
            None => self.workspace.clone(),
        };
        let real = std::fs::canonicalize(&cwd).map_err(|error| {
            broken(format!("the working directory {} cannot be used: {error}", cwd.display()))
        })?;
        if !real.is_dir() {
            return Err(broken(format!("{} is no directory", cwd.display())));
        }
        Ok(real)
    }
}

#[async_trait]
impl Skill for Shell {
    fn describe(&self) -> Description {
        Description {
            name: NAME.to_owned(),
            version: "1".to_owned(),
            summary: "Runs a program with arguments, or a command line.".to_owned(),
            input: input_schema(),
            output: serde_json::json!({ "type": "null" }),
        }
    }

    async fn run(&self, invocation: &Invocation, input: serde_json::Value) -> Result<Outcome> {
        let mut work: ShellWork = match serde_json::from_value(input) {
            Ok(work) => work,
            Err(error) => return Ok(broken(format!("input does not fit shell: {error}"))),
        };
        let secrets = invocation.secrets().iter();
        work.env.extend(secrets.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let ready = match self.prepare(work, Mark::of(invocation)) {
            Ok(ready) => ready,
            Err(outcome) => return Ok(outcome),
        };
        match ready.work.terminal.clone() {
            Some(terminal) => terminal::run(invocation, ready, &terminal, &self.environment).await,
            None => process::run(invocation, ready, &self.environment).await,
        }
    }
}

fn judge(
    policy: &Effective,
    work: &ShellWork,
    argv: &[String],
    cwd: &Path,
    found: &Found,
) -> Result<(), Outcome> {
    let mut start = match &work.line {
        Some(line) => Start::line(LINE_SHELL, line),
        None => Start::argv(argv),
    };
    let (by_name, real) = (lossless(found.by_name.as_deref())?, lossless(found.real.as_deref())?);
    if let Some(path) = by_name {
        start = start.resolved(path);
    }
    if let Some(path) = real {
        start = start.real(path);
    }
    refuse(policy.judge(&start))?;
    let cwd = lossless(Some(cwd))?.unwrap_or_default();
    refuse(policy.judge_cwd(cwd))?;
    let is_strict = policy.layers().any(|(_, layer)| layer.mode == Mode::Strict);
    match work.env.keys().find(|name| environment::steers_loader(name)) {
        Some(name) if is_strict => Err(Outcome::Rejected {
            rule: "built-in rule \"environment\"".to_owned(),
            reason: format!("{name} could make the program run something else"),
        }),
        _ => Ok(()),
    }
}

/// The path as text: the policy compares texts, so what has none cannot be judged.
fn lossless(path: Option<&Path>) -> Result<Option<&str>, Outcome> {
    path.map(|path| {
        path.to_str().ok_or_else(|| broken(format!("{} is no UTF-8 path", path.display())))
    })
    .transpose()
}

fn refuse(verdict: Verdict) -> Result<(), Outcome> {
    match verdict {
        Verdict::Allowed { .. } => Ok(()),
        Verdict::Refused { rule, reason } => Err(Outcome::Rejected { rule, reason }),
    }
}

fn broken(message: impl Into<String>) -> Outcome {
    Outcome::Broken { message: message.into() }
}

fn input_schema() -> serde_json::Value {
    serde_json::json!({
        "type": "object",
        "properties": {
            "argv": { "type": "array", "items": { "type": "string" } },
            "line": { "type": "string" },
            "cwd": { "type": "string" },
            "env": { "type": "object", "additionalProperties": { "type": "string" } },
            "stdin": { "type": "string", "contentEncoding": "base64" },
            "open_stdin": { "type": "boolean" },
            "terminal": { "type": "object" },
        },
        "anyOf": [{ "required": ["argv"] }, { "required": ["line"] }, { "required": ["terminal"] }],
    })
}

#[cfg(test)]
mod tests;
