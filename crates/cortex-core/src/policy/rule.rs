//! One rule of a policy: a program, patterns over its arguments, and how a refusal names it.

use std::fmt;
use std::str::FromStr;

use crate::capability::text::is_inert;
use crate::policy::pattern::Side;
use crate::policy::pattern::args_match;
use crate::policy::pattern::is_separator;
use crate::policy::program::Program;
use crate::policy::program::is_absolute;
use crate::policy::program::is_plain;

/// How many bytes a rule's program, and each of its argument patterns, may have.
pub const MAX_PATTERN_BYTES: usize = 1024;
/// How many argument patterns a rule may have.
pub const MAX_ARGS: usize = 64;
/// How many bytes a rule's name may have.
pub const MAX_NAME_BYTES: usize = 64;
/// How many bytes a rule's reason may have.
pub const MAX_REASON_BYTES: usize = 256;

/// A rule over programs; what it means depends on the list it stands in.
///
/// The *program* is a bare name such as `git`, or an absolute path such as `/usr/bin/git`. A `*`
/// in it stands for any run of characters within one component.
///
/// The *argument patterns* describe how the arguments begin; more may follow, unless the rule is
/// [exact](Rule::exactly). A pattern is the argument itself, where
///
/// | pattern | stands for |
/// |---|---|
/// | `*` alone | exactly one argument, whatever it is |
/// | `**` alone | any number of arguments, also none |
/// | `*` within a text | any run of characters without `/` and `\` |
/// | `**` within a text | any run of characters |
///
/// In an allow rule, a wildcard within a text does not match an argument with a `..` component,
/// so that `src/**` does not reach `src/../../etc/passwd`.
///
/// As text, a rule is the program and the patterns between blanks: `git status`, `rm -rf /**`.
/// The text has no quotes and no escapes; a rule that needs them, or a name or reason, is written
/// as a map: `{ program: git, args: [log, "--format=%h %s"], exact: true, name: short-log }`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) exact: bool,
    pub(super) shell: bool,
    pub(super) name: Option<String>,
    pub(super) reason: Option<String>,
}

/// Why something is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The program is neither a bare name nor an absolute path.
    #[error(
        "program {program:?} must be a bare name or an absolute path without \".\", \"..\" or \
         empty components; a single * is its only wildcard"
    )]
    Program {
        /// The program, cut to a readable length.
        program: String,
    },
    /// The text form holds a quote or a backslash, which mean nothing there.
    #[error("a rule as text has no quotes and no escapes; write it as a map with program and args")]
    Quoted,
    /// A part is longer than it may be.
    #[error("{part} has more than {max} bytes")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// Its limit, in bytes.
        max: usize,
    },
    /// There are more argument patterns than [`MAX_ARGS`].
    #[error("a rule may have at most {MAX_ARGS} argument patterns")]
    TooManyArgs,
    /// A part is empty, or holds characters that are not safe to print; an argument pattern may
    /// hold all but NUL.
    #[error("{part} is empty or holds characters that it may not")]
    Text {
        /// Which part.
        part: &'static str,
    },
}

impl Rule {
    /// Makes a rule for `program` with whatever arguments.
    ///
    /// # Errors
    /// [`RuleError`]: the program is neither a bare name nor an absolute path, or too long.
    pub fn new(program: impl Into<String>) -> Result<Self, RuleError> {
        let program = program.into();
        check_text("program", &program, MAX_PATTERN_BYTES)?;
        let bare = !program.contains(is_separator) && !matches!(program.as_str(), "." | "..");
        if program.contains("**") || !(bare || is_plain(&program)) {
            return Err(RuleError::Program { program: program.chars().take(80).collect() });
        }
        debug_assert!(bare || is_absolute(&program), "a plain path is absolute");
        Ok(Self { program, args: Vec::new(), exact: false, shell: false, name: None, reason: None })
    }

    /// Sets the argument patterns.
    ///
    /// # Errors
    /// [`RuleError`]: too many, or one of them too long or with a NUL character.
    pub fn with_args<I>(mut self, args: I) -> Result<Self, RuleError>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.args = args.into_iter().take(MAX_ARGS + 1).map(Into::into).collect();
        if self.args.len() > MAX_ARGS {
            return Err(RuleError::TooManyArgs);
        }
        for arg in &self.args {
            if arg.len() > MAX_PATTERN_BYTES {
                return Err(RuleError::TooLong {
                    part: "argument pattern",
                    max: MAX_PATTERN_BYTES,
                });
            }
            if arg.contains('\0') {
                return Err(RuleError::Text { part: "argument pattern" });
            }
        }
        Ok(self)
    }

    /// Makes the patterns describe all arguments instead of only the first ones.
    #[must_use]
    pub fn exactly(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Lets the program take command lines, as a shell; only for allow rules without patterns.
    #[must_use]
    pub fn for_command_lines(mut self) -> Self {
        self.shell = true;
        self
    }

    /// Sets the name by which a verdict calls the rule, instead of its text.
    ///
    /// # Errors
    /// [`RuleError`]: the name is empty, too long, or not safe to print.
    pub fn named(mut self, name: impl Into<String>) -> Result<Self, RuleError> {
        let name = name.into();
        check_text("name", &name, MAX_NAME_BYTES)?;
        self.name = Some(name);
        Ok(self)
    }

    /// Sets the reason that a refusal by this rule gives.
    ///
    /// # Errors
    /// [`RuleError`]: the reason is empty, too long, or not safe to print.
    pub fn because(mut self, reason: impl Into<String>) -> Result<Self, RuleError> {
        let reason = reason.into();
        check_text("reason", &reason, MAX_REASON_BYTES)?;
        self.reason = Some(reason);
        Ok(self)
    }

    /// The program: a bare name or an absolute path, perhaps with `*`.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The argument patterns.
    #[must_use]
    pub fn args(&self) -> &[String] {
        &self.args
    }

    /// Whether the patterns describe all arguments.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether the program may take command lines.
    #[must_use]
    pub fn is_shell(&self) -> bool {
        self.shell
    }

    /// The name that was given to the rule.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The reason that was given for the rule.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub(super) fn allows(&self, program: &Program<'_>, args: &[&str]) -> bool {
        program.is_allowed_by(&self.program)
            && args_match(&self.args, args, self.exact, Side::Allow)
    }

    /// A pattern over the text of a command line would promise what it cannot keep, so a rule
    /// with patterns admits none.
    pub(super) fn allows_lines_of(&self, program: &Program<'_>) -> bool {
        self.shell && self.args.is_empty() && !self.exact && program.is_allowed_by(&self.program)
    }

    pub(super) fn denies(&self, program: &Program<'_>, args: &[&str]) -> bool {
        program.is_denied_by(&self.program) && args_match(&self.args, args, self.exact, Side::Deny)
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(QUOTES) {
            return Err(RuleError::Quoted);
        }
        let mut words = text.split_whitespace();
        let program = words.next().ok_or(RuleError::Text { part: "program" })?;
        Self::new(program)?.with_args(words)
    }
}

/// Prints the program and the patterns; those with blanks or odd characters in quotes.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        for arg in &self.args {
            if is_word(arg) {
                write!(f, " {arg}")?;
            } else {
                write!(f, " {arg:?}")?;
            }
        }
        Ok(())
    }
}

const QUOTES: [char; 4] = ['"', '\'', '\\', '`'];

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && is_inert(text)
        && !text.contains(char::is_whitespace)
        && !text.contains(QUOTES)
}

fn check_text(part: &'static str, text: &str, max: usize) -> Result<(), RuleError> {
    if text.len() > max {
        return Err(RuleError::TooLong { part, max });
    }
    if text.is_empty() || !is_inert(text) {
        return Err(RuleError::Text { part });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_the_program_and_its_patterns() {
        let rule: Rule = " rm  -rf /** ".parse().unwrap();
        assert_eq!(rule, Rule::new("rm").unwrap().with_args(["-rf", "/**"]).unwrap());
        assert_eq!(rule.to_string(), "rm -rf /**");
        let odd = Rule::new("git").unwrap().with_args(["a b", ""]).unwrap();
        assert_eq!(odd.to_string(), "git \"a b\" \"\"");
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_reason() {
        let error = |text: &str| text.parse::<Rule>().unwrap_err();
        assert_eq!(error(" "), RuleError::Text { part: "program" });
        assert_eq!(error("git log '--format=%h %s'"), RuleError::Quoted);
        for program in
            ["./git", "bin/git", "..", "/usr//bin/git", "/usr/../git", "/", "**", "/opt/**"]
        {
            assert_eq!(error(program), RuleError::Program { program: program.into() }, "{program}");
        }
        let long = "a".repeat(MAX_PATTERN_BYTES + 1);
        assert_eq!(error(&long), RuleError::TooLong { part: "program", max: MAX_PATTERN_BYTES });
        assert!(matches!(error(&format!("a {long}")), RuleError::TooLong { .. }));
        assert_eq!(error(&"a ".repeat(MAX_ARGS + 2)), RuleError::TooManyArgs);
        let rule = Rule::new("a").unwrap();
        assert_eq!(rule.clone().named("a\nb"), Err(RuleError::Text { part: "name" }));
        assert_eq!(rule.because("\u{202e}"), Err(RuleError::Text { part: "reason" }));
        assert!(Rule::new("C:\\Windows\\System32\\cmd.exe").is_ok());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_its_text_reads_back(text in "[a-z /*.'-]{0,16}|\\PC*") {
            if let Ok(rule) = text.parse::<Rule>() {
                prop_assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule);
            }
        }
    }
}
