//! What is judged, and the answer.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::policy::program::Program;

/// What a task wants to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// A program and its arguments, started without a shell.
    Argv(&'a [String]),
    /// A text that a shell reads.
    Line {
        /// The shell: a bare name or a path.
        shell: &'a str,
        /// The text; it is handed to the shell as it is, and the policy does not read it.
        line: &'a str,
    },
}

/// A [`Command`] with what the node found out about its program.
///
/// Whoever runs tasks must give [`resolved`](Invocation::resolved) and [`real`](Invocation::real),
/// and must then start the very file that it resolved: a second search could find another one.
/// Without them the judgement holds for the names only, which is enough for a preview on the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invocation<'a> {
    pub(super) command: Command<'a>,
    resolved: Option<&'a str>,
    real: Option<&'a str>,
}

/// The answer of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may start.
    Allowed {
        /// The allow rule that says so; `None` where PERMISSIVE mode allows it without a rule.
        rule: Option<String>,
    },
    /// It must not start.
    Refused {
        /// What refuses it: a rule such as `deny[0] "rm"`, the mode, or a built-in rule.
        rule: String,
        /// Why, in a sentence for the person who asked for it.
        reason: String,
    },
}

impl<'a> Invocation<'a> {
    /// Makes the invocation of a program with its arguments; `argv[0]` is the program.
    #[must_use]
    pub fn argv(argv: &'a [String]) -> Self {
        Self { command: Command::Argv(argv), resolved: None, real: None }
    }

    /// Makes the invocation of a command line.
    #[must_use]
    pub fn line(shell: &'a str, line: &'a str) -> Self {
        Self { command: Command::Line { shell, line }, resolved: None, real: None }
    }

    /// States the absolute path that the node's own search path gives for the program's name:
    /// for the whole of a bare name, for the last component of a path.
    ///
    /// For a path this is not what starts; it only tells whether the path is the same file that
    /// the bare name would have given.
    #[must_use]
    pub fn resolved(mut self, path: &'a str) -> Self {
        self.resolved = Some(path);
        self
    }

    /// States the path of the file that would start, with all symbolic links followed.
    #[must_use]
    pub fn real(mut self, path: &'a str) -> Self {
        self.real = Some(path);
        self
    }

    /// What the task wants to start.
    #[must_use]
    pub fn command(&self) -> Command<'a> {
        self.command
    }

    /// The program, or the built-in rule that refuses the invocation whatever the policy says.
    pub(super) fn program(&self) -> Result<Program<'a>, Verdict> {
        let (given, texts) = match self.command {
            Command::Argv(argv) => {
                let Some(first) = argv.first() else {
                    return Err(Verdict::built_in("program", "the argument list is empty"));
                };
                (first.as_str(), argv.iter().any(|arg| arg.contains('\0')))
            }
            Command::Line { shell, line } => (shell, shell.contains('\0') || line.contains('\0')),
        };
        if texts {
            return Err(Verdict::built_in("no NUL", "an argument holds a NUL character"));
        }
        let program = Program { given, resolved: self.resolved, real: self.real };
        if !program.has_name() {
            return Err(Verdict::built_in("program", "the first argument names no program"));
        }
        Ok(program)
    }

    /// The arguments after the program; a command line counts as `SHELL -c LINE`.
    pub(super) fn args(&self) -> Vec<&'a str> {
        match self.command {
            Command::Argv(argv) => argv.iter().skip(1).map(String::as_str).collect(),
            Command::Line { line, .. } => vec!["-c", line],
        }
    }
}

impl Verdict {
    /// Says whether it may start.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Verdict::Allowed { .. })
    }

    /// Turns a refusal into an error with the code `policy_refused`.
    ///
    /// # Errors
    /// `Denied`: the verdict is a refusal; the message names the rule and its reason.
    pub fn into_result(self, operation: &'static str) -> Result<()> {
        match self {
            Verdict::Allowed { .. } => Ok(()),
            Verdict::Refused { rule, reason } => {
                let message = format!("refused by {rule}: {reason}");
                Err(Error::new(Kind::Denied, operation, message).with_code("policy_refused"))
            }
        }
    }

    pub(super) fn built_in(name: &str, reason: &str) -> Self {
        Verdict::Refused { rule: format!("built-in rule \"{name}\""), reason: reason.to_owned() }
    }

    /// Puts the name of a layer before the name of the rule.
    pub(super) fn of_layer(self, layer: &str) -> Self {
        match self {
            Verdict::Allowed { rule } => {
                Verdict::Allowed { rule: rule.map(|rule| format!("{layer} {rule}")) }
            }
            Verdict::Refused { rule, reason } => {
                Verdict::Refused { rule: format!("{layer} {rule}"), reason }
            }
        }
    }
}
