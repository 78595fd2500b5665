//! What a task is to do, checked once where it comes in.

mod fault;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde::Serialize;

use super::Delivery;
use super::InputFile;
use super::OutputCap;
use super::SealedSecrets;
use super::Secrets;
use super::Target;
use super::Terminal;
use super::file;
use crate::id::NodeId;

pub use fault::SpecError;

/// All arguments and environment variables together, in bytes.
pub const MAX_ARG_BYTES: usize = 1 << 20;

/// Standard input that travels with the task, in bytes.
pub const MAX_STDIN_BYTES: usize = 1 << 20;

/// The longest time limit that can be asked for.
const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a process has between TERM and KILL, unless the spec says otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// What a task is to do, where, and within which limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// The work itself.
    pub work: Work,
    /// Where it may run.
    #[serde(default)]
    pub target: Target,
    /// Ends the task when it has run this long; none if absent.
    #[serde(default, with = "super::millis::option", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Time between TERM and KILL at a cancel or time-out.
    #[serde(default = "default_grace", with = "super::millis")]
    pub grace: Duration,
    /// Wait for a node instead of failing while none is online.
    #[serde(default)]
    pub queue: bool,
    /// How soon it is wanted, until when, and how often it may be tried.
    #[serde(default, skip_serializing_if = "Delivery::is_default")]
    pub delivery: Delivery,
    /// How much of its output is kept; as much as the hub keeps of any task if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_cap: Option<OutputCap>,
    /// The names of the secrets that are given with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The secrets themselves, until the task has ended. They are kept apart from the rest of the
    /// spec, and never stand in a log.
    #[serde(skip)]
    pub sealed: Option<SealedSecrets>,
    /// The secrets as they are given; the hub seals them before it stores anything.
    #[serde(skip)]
    pub given: Secrets,
}

/// The work of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Work {
    /// Runs a program.
    Shell(ShellWork),
    /// Calls a skill by its name.
    Skill {
        /// The skill's name, as the node advertises it.
        name: String,
        /// Its input; the node checks it against the skill's schema.
        input: serde_json::Value,
        /// Files that come with the call.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<InputFile>,
    },
}

/// A program to run: either an argument vector, or a line for a shell; in a terminal, the node's own
/// shell where neither is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShellWork {
    /// Program and arguments; nothing interprets them. Empty if `line` is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// A command line, run by the node's shell; needs a policy that allows that shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Working directory on the node; the session's workspace if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables set on top of the node's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Bytes for standard input, which is closed after them unless it is to stay open.
    #[serde(default, with = "crate::base64_bytes", skip_serializing_if = "Bytes::is_empty")]
    pub stdin: Bytes,
    /// Standard input stays open for what is sent to the running task.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open_stdin: bool,
    /// The program runs in a terminal: standard input, output and error are this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Terminal>,
}

impl TaskSpec {
    /// A spec with defaults for everything but the work.
    #[must_use]
    pub fn new(work: Work) -> Self {
        Self {
            work,
            target: Target::Any,
            timeout: None,
            grace: DEFAULT_GRACE,
            queue: false,
            delivery: Delivery::default(),
            output_cap: None,
            secrets: Vec::new(),
            sealed: None,
            given: Secrets::default(),
        }
    }

    /// A spec that runs a program with arguments.
    #[must_use]
    pub fn argv<I: IntoIterator<Item: Into<String>>>(argv: I) -> Self {
        let argv = argv.into_iter().map(Into::into).collect();
        Self::new(Work::Shell(ShellWork { argv, ..ShellWork::default() }))
    }

    /// A spec that calls a skill.
    #[must_use]
    pub fn skill(name: impl Into<String>, input: serde_json::Value) -> Self {
        Self::new(Work::Skill { name: name.into(), input, files: Vec::new() })
    }

    /// Sends the task to one node.
    #[must_use]
    pub fn on(mut self, node: NodeId) -> Self {
        self.target = Target::Node(node);
        self
    }

    /// Sets the time limit.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// The terminal that it runs in.
    #[must_use]
    pub fn terminal(&self) -> Option<&Terminal> {
        match &self.work {
            Work::Shell(work) => work.terminal.as_ref(),
            Work::Skill { .. } => None,
        }
    }

    /// Whether something can be put into it while it runs.
    #[must_use]
    pub fn takes_input(&self) -> bool {
        matches!(&self.work, Work::Shell(work) if work.open_stdin || work.terminal.is_some())
    }

    /// Whether it is a program, which can be sent signals.
    #[must_use]
    pub fn takes_signals(&self) -> bool {
        matches!(self.work, Work::Shell(_))
    }

    /// Checks everything that can be checked without knowing the node.
    ///
    /// # Errors
    /// [`SpecError`]: what is wrong, in words for the person who wrote it.
    pub fn check(&self) -> Result<(), SpecError> {
        let in_range = |limit: Duration| limit >= Duration::from_millis(1) && limit <= MAX_TIMEOUT;
        if self.timeout.is_some_and(|limit| !in_range(limit)) || self.grace > MAX_TIMEOUT {
            return Err(SpecError::Timeout);
        }
        self.target.check()?;
        self.delivery.check(self.takes_input())?;
        if self.output_cap.is_some_and(|cap| !cap.is_possible()) {
            return Err(SpecError::OutputCap);
        }
        match &self.work {
            Work::Shell(shell) => shell.check(),
            Work::Skill { name, .. } if name.is_empty() || name.len() > 64 => Err(SpecError::Skill),
            Work::Skill { files, .. } => file::check(files),
        }
    }
}

impl ShellWork {
    fn check(&self) -> Result<(), SpecError> {
        let has_program = self.argv.first().is_some_and(|program| !program.is_empty());
        let has_line = self.line.as_ref().is_some_and(|line| !line.trim().is_empty());
        let is_own_shell = self.terminal.is_some() && self.argv.is_empty() && self.line.is_none();
        let is_both = self.line.is_some() && !self.argv.is_empty();
        if !is_own_shell && (has_program == has_line || is_both) {
            return Err(SpecError::Command);
        }
        if let Some(terminal) = &self.terminal {
            terminal.check()?;
            if !self.stdin.is_empty() {
                return Err(SpecError::TerminalStdin);
            }
        }
        let has_nul = |text: &String| text.contains('\0');
        if self.argv.iter().chain(&self.line).any(has_nul) {
            return Err(SpecError::Nul("an argument"));
        }
        if self.cwd.as_ref().is_some_and(has_nul) {
            return Err(SpecError::Nul("cwd"));
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(SpecError::Variable(name.clone()));
            }
            if has_nul(value) {
                return Err(SpecError::Nul("an environment variable"));
            }
        }
        let arguments: usize = self.argv.iter().chain(&self.line).map(String::len).sum();
        let variables: usize = self.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        if arguments + variables > MAX_ARG_BYTES {
            return Err(SpecError::Arguments(arguments + variables));
        }
        if self.stdin.len() > MAX_STDIN_BYTES {
            return Err(SpecError::Stdin(self.stdin.len()));
        }
        Ok(())
    }
}

fn default_grace() -> Duration {
    DEFAULT_GRACE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(change: impl FnOnce(&mut ShellWork)) -> Result<(), SpecError> {
        let mut work = ShellWork { argv: vec!["ls".into()], ..ShellWork::default() };
        change(&mut work);
        TaskSpec::new(Work::Shell(work)).check()
    }

    #[test]
    fn a_command_is_argv_or_line_never_both_or_none() {
        assert_eq!(shell(|_| ()), Ok(()));
        assert_eq!(shell(|w| w.argv.clear()), Err(SpecError::Command));
        assert_eq!(shell(|w| w.line = Some("ls".into())), Err(SpecError::Command));
        assert_eq!(shell(|w| w.argv[0].clear()), Err(SpecError::Command));
    }

    #[test]
    fn in_a_terminal_the_nodes_own_shell_is_the_program_where_none_is_given() {
        let terminal = |w: &mut ShellWork| w.terminal = Some(Terminal::default());
        assert_eq!(shell(terminal), Ok(()));
        let own = |w: &mut ShellWork| {
            terminal(w);
            w.argv.clear();
        };
        assert_eq!(shell(own), Ok(()));
        let empty = shell(|w| {
            own(w);
            w.line = Some(String::new());
        });
        assert_eq!(empty, Err(SpecError::Command));
        let fed = shell(|w| {
            terminal(w);
            w.stdin = Bytes::from_static(b"x");
        });
        assert_eq!(fed, Err(SpecError::TerminalStdin));
    }

    #[test]
    fn nul_bytes_and_bad_variables_are_refused() {
        assert_eq!(shell(|w| w.argv.push("a\0b".into())), Err(SpecError::Nul("an argument")));
        let bad = shell(|w| {
            w.env.insert("A=B".into(), String::new());
        });
        assert_eq!(bad, Err(SpecError::Variable("A=B".into())));
    }

    #[test]
    fn limits_hold_at_their_edge() {
        assert_eq!(shell(|w| w.argv.push("x".repeat(MAX_ARG_BYTES - 2))), Ok(()));
        let over = shell(|w| w.argv.push("x".repeat(MAX_ARG_BYTES - 1)));
        assert_eq!(over, Err(SpecError::Arguments(MAX_ARG_BYTES + 1)));
        let zero = TaskSpec::argv(["ls"]).timeout(Duration::ZERO);
        assert_eq!(zero.check(), Err(SpecError::Timeout));
    }

    #[test]
    fn json_round_trips() {
        let spec = TaskSpec::argv(["ls", "-l"]).timeout(Duration::from_secs(3));
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<TaskSpec>(&json).unwrap(), spec);
    }
}
