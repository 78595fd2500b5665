//! What may run on a node: rules over programs, judged before a process exists.
//!
//! A [`SandboxPolicy`] has a [`Mode`] and two lists of [`Rule`]s. It is asked in this order:
//!
//! 1. Built-in rules: an empty argument list, a NUL character, no program name — refused.
//! 2. Any deny rule that matches — refused, whatever else is written.
//! 3. A *command line*, that is a text for a shell — allowed only by an allow rule with
//!    `shell: true` that names the shell, in both modes; else refused.
//! 4. Any allow rule that matches — allowed.
//! 5. STRICT — refused; PERMISSIVE — allowed.
//!
//! **Names and paths.** The two lists err to different sides. An allow rule `git` is satisfied by
//! the bare name `git`, or by the path that the node's own search path gives for it, never by
//! `./git` or `/tmp/git`; an allow rule `/usr/bin/git` only by that very file. A deny rule `rm` is
//! hit by `rm`, `/bin/rm`, `./rm`, `RM`, `rm.exe` and by a link that leads to a file of that name.
//!
//! **What this does not do.** It judges the program that is started, not what that program starts
//! in turn: who may run `env`, `sudo`, `xargs`, `timeout`, `busybox` or an interpreter may run what
//! these can run, denied or not. A shell that is started with `-c` in an argument list is judged as
//! the ordinary program that it is; the text of a command line is not read. Deny rules with
//! argument patterns are a fence against accidents: options can be spelled in many ways. What must
//! not happen is kept out by STRICT mode with narrow allow rules.

mod form;
mod layers;
mod pattern;
mod program;
mod rule;
mod verdict;

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::policy::form::Canonical;
use crate::policy::form::Written;
use crate::policy::program::components;
use crate::policy::program::is_absolute;
use crate::policy::program::is_plain;

pub use layers::Effective;
pub use layers::Origin;
pub use rule::MAX_ARGS;
pub use rule::MAX_NAME_BYTES;
pub use rule::MAX_PATTERN_BYTES;
pub use rule::MAX_REASON_BYTES;
pub use rule::Rule;
pub use rule::RuleError;
pub use verdict::Command;
pub use verdict::Invocation;
pub use verdict::Verdict;

/// How many rules each list of a policy may have.
pub const MAX_RULES: usize = 1024;
/// How many bytes the workspace root may have.
pub const MAX_ROOT_BYTES: usize = 4096;

/// What is allowed where no rule says anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing runs unless a rule allows it.
    #[default]
    #[serde(alias = "STRICT")]
    Strict,
    /// Everything runs unless a rule denies it; command lines still need a rule.
    #[serde(alias = "PERMISSIVE")]
    Permissive,
}

/// Which programs may run on a node, and in which directory.
///
/// The default is STRICT with empty lists: nothing runs. Reading one checks it; one that is put
/// together in code is checked by [`SandboxPolicy::validate`].
///
/// ```yaml
/// mode: strict
/// allow:
///   - cargo test
///   - /usr/bin/git
///   - { program: sh, shell: true }
/// deny:
///   - { program: git, args: [push], name: no-push, reason: "people push here" }
/// workspace_root: /home/ada/work
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct SandboxPolicy {
    /// What is allowed where no rule says anything.
    pub mode: Mode,
    /// What may run; at most [`MAX_RULES`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Rule>,
    /// What must not run, whatever `allow` says; at most [`MAX_RULES`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Rule>,
    /// The directory in or below which tasks must run; an absolute path. `None`: anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_root: Option<String>,
}

/// Why a policy is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A list has more rules than [`MAX_RULES`].
    #[error("{list} has {found} rules, at most {MAX_RULES} are allowed")]
    TooManyRules {
        /// The list, `allow` or `deny`.
        list: &'static str,
        /// How many rules it has.
        found: usize,
    },
    /// A deny rule has `shell: true`, which only means something in an allow rule.
    #[error("deny[{index}] {label:?} has \"shell\", which is only for allow rules")]
    ShellInDeny {
        /// Which rule, counted from 0.
        index: usize,
        /// Its name or text.
        label: String,
    },
    /// An allow rule has both `shell: true` and argument patterns.
    #[error("allow[{index}] {label:?} has \"shell\" and argument patterns; a shell takes any line")]
    ShellWithArgs {
        /// Which rule, counted from 0.
        index: usize,
        /// Its name or text.
        label: String,
    },
    /// The workspace root is no absolute path in its plain spelling.
    #[error("workspace_root must be an absolute path without \".\", \"..\" or empty components")]
    Root,
}

impl SandboxPolicy {
    /// Makes the policy that allows every program, but no command lines.
    #[must_use]
    pub fn permissive() -> Self {
        Self { mode: Mode::Permissive, ..Self::default() }
    }

    /// Checks what concerns the policy as a whole; its rules are checked when they are made.
    ///
    /// # Errors
    /// [`PolicyError`] names the list and the rule.
    pub fn validate(&self) -> Result<(), PolicyError> {
        for (list, rules) in [("allow", &self.allow), ("deny", &self.deny)] {
            if rules.len() > MAX_RULES {
                return Err(PolicyError::TooManyRules { list, found: rules.len() });
            }
        }
        if let Some(index) = self.deny.iter().position(Rule::is_shell) {
            return Err(PolicyError::ShellInDeny { index, label: label(&self.deny[index]) });
        }
        let torn = |rule: &Rule| rule.is_shell() && (rule.is_exact() || !rule.args().is_empty());
        if let Some(index) = self.allow.iter().position(torn) {
            return Err(PolicyError::ShellWithArgs { index, label: label(&self.allow[index]) });
        }
        match self.workspace_root.as_deref() {
            Some(root) if root.len() > MAX_ROOT_BYTES || root.contains('\0') => {
                Err(PolicyError::Root)
            }
            Some(root) if root != "/" && !is_plain(root) => Err(PolicyError::Root),
            _ => Ok(()),
        }
    }

    /// Judges an invocation by the order that the [module](self) describes.
    ///
    /// It never panics, and takes time bounded by the size of the policy and of the invocation.
    #[must_use]
    pub fn judge(&self, invocation: &Invocation<'_>) -> Verdict {
        let program = match invocation.program() {
            Ok(program) => program,
            Err(refusal) => return refusal,
        };
        let args = invocation.args();
        let shown = shown(program.given);
        if let Some(index) = self.deny.iter().position(|rule| rule.denies(&program, &args)) {
            let rule = &self.deny[index];
            let reason = rule.reason().map_or_else(|| format!("{shown} is denied"), str::to_owned);
            return Verdict::Refused { rule: placed("deny", index, rule), reason };
        }
        let is_line = matches!(invocation.command, Command::Line { .. });
        let allows = |rule: &Rule| match is_line {
            true => rule.allows_lines_of(&program),
            false => rule.allows(&program, &args),
        };
        if let Some(index) = self.allow.iter().position(allows) {
            return Verdict::Allowed { rule: Some(placed("allow", index, &self.allow[index])) };
        }
        match self.mode {
            _ if is_line => Verdict::Refused {
                rule: "command line: no allow rule with shell: true".to_owned(),
                reason: format!("no rule allows {shown} to read command lines"),
            },
            Mode::Strict => Verdict::Refused {
                rule: "mode STRICT: no allow rule".to_owned(),
                reason: format!("no rule allows {shown} with these arguments"),
            },
            Mode::Permissive => Verdict::Allowed { rule: None },
        }
    }

    /// Judges the directory in which a task is to run.
    ///
    /// The path is compared as text: whoever asks follows all symbolic links first. A relative
    /// path is refused where there is a workspace root.
    #[must_use]
    pub fn judge_cwd(&self, cwd: &str) -> Verdict {
        if cwd.contains('\0') {
            return Verdict::built_in("no NUL", "the working directory holds a NUL character");
        }
        let Some(root) = &self.workspace_root else {
            return Verdict::Allowed { rule: None };
        };
        let rule = format!("workspace_root {root:?}");
        // A backslash is a letter on one system and a separator on another: not after a slash.
        let mixed = cwd.starts_with('/') && cwd.contains('\\');
        if is_absolute(cwd) && !mixed && components(cwd).starts_with(&components(root)) {
            return Verdict::Allowed { rule: Some(rule) };
        }
        let reason = format!("the working directory {} is not below it", shown(cwd));
        Verdict::Refused { rule, reason }
    }

    /// Narrows this policy, the hub's, by a node's own: the result allows what both allow.
    #[must_use]
    pub fn narrow(&self, local: &SandboxPolicy) -> Effective {
        Effective::of(self.clone()).narrowed_by(local.clone())
    }

    /// The bytes over which a digest names this policy: the same for the same rules in the same
    /// order, however they were written. They read back as the policy.
    #[must_use]
    pub fn to_canonical_json(&self) -> Vec<u8> {
        serde_json::to_vec(&Canonical::of(self))
            .expect("texts, flags and lists always have a JSON form")
    }
}

impl TryFrom<Written> for SandboxPolicy {
    type Error = PolicyError;

    fn try_from(written: Written) -> Result<Self, PolicyError> {
        let Written { mode, allow, deny, workspace_root } = written;
        let policy = Self { mode, allow, deny, workspace_root };
        policy.validate()?;
        Ok(policy)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Strict => "STRICT",
            Mode::Permissive => "PERMISSIVE",
        })
    }
}

fn label(rule: &Rule) -> String {
    rule.name().map_or_else(|| rule.to_string(), str::to_owned)
}

fn placed(list: &str, index: usize, rule: &Rule) -> String {
    format!("{list}[{index}] \"{}\"", label(rule))
}

/// A text of any content and length, escaped and cut so that it can be printed.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(120).collect();
    format!("{cut:?}{}", if cut.len() < text.len() { "…" } else { "" })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
