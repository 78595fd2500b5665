//! A requirement as a tree, and how it prints.

use std::fmt;

use crate::capability::requirement::bytes;
use crate::capability::requirement::field::Field;
use crate::capability::requirement::field::LABEL;
use crate::capability::requirement::field::Type;

/// Where something stands in a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// An expression. Chains of `&&` and of `||` are flat and have two parts at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Condition { check: Check, at: Span },
}

/// One condition. The parser makes only those whose operator fits the field's type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Check {
    /// `os == "linux"`, or with `!=` where `equal` is false.
    Text { subject: Subject, equal: bool, value: String },
    /// `label.role in ["a", "b"]`.
    OneOf { subject: Subject, values: Vec<String> },
    /// `cpu.cores >= 4`, `memory >= 16GiB`.
    Number { field: Field, compare: Compare, value: u64 },
    /// `"browser" in skills`.
    Has { field: Field, value: String },
    /// `label.role`, alone.
    Labelled { key: String },
}

/// What a condition is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Field(Field),
    Label(String),
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Compare {
    Equal,
    Differs,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Expression {
    /// All parts must hold.
    pub(super) fn all(parts: Vec<Self>) -> Self {
        Self::flat(parts, Self::All, |part| match part {
            Self::All(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// One part must hold.
    pub(super) fn any(parts: Vec<Self>) -> Self {
        Self::flat(parts, Self::Any, |part| match part {
            Self::Any(inner) => Ok(inner),
            other => Err(other),
        })
    }

    fn flat(
        mut parts: Vec<Self>,
        make: fn(Vec<Self>) -> Self,
        open: fn(Self) -> Result<Vec<Self>, Self>,
    ) -> Self {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            match open(part) {
                Ok(inner) => all.extend(inner),
                Err(part) => all.push(part),
            }
        }
        make(all)
    }
}

impl Check {
    /// What it is about.
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Check::Text { subject, .. } | Check::OneOf { subject, .. } => subject.clone(),
            Check::Number { field, .. } | Check::Has { field, .. } => Subject::Field(*field),
            Check::Labelled { key } => Subject::Label(key.clone()),
        }
    }
}

impl Compare {
    /// Says whether it holds between two numbers.
    pub(crate) fn holds(self, left: u64, right: u64) -> bool {
        match self {
            Compare::Equal => left == right,
            Compare::Differs => left != right,
            Compare::Less => left < right,
            Compare::AtMost => left <= right,
            Compare::More => left > right,
            Compare::AtLeast => left >= right,
        }
    }

    /// The one that holds where this one does not.
    pub(crate) fn opposite(self) -> Self {
        match self {
            Compare::Equal => Compare::Differs,
            Compare::Differs => Compare::Equal,
            Compare::Less => Compare::AtLeast,
            Compare::AtMost => Compare::More,
            Compare::More => Compare::AtMost,
            Compare::AtLeast => Compare::Less,
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Compare::Equal => "==",
            Compare::Differs => "!=",
            Compare::Less => "<",
            Compare::AtMost => "<=",
            Compare::More => ">",
            Compare::AtLeast => ">=",
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::All(parts) => chain(f, parts, " && "),
            Expression::Any(parts) => chain(f, parts, " || "),
            Expression::Not(inner) => match inner.as_ref() {
                Expression::Not(_)
                | Expression::Condition { check: Check::Labelled { .. }, .. } => {
                    write!(f, "!{inner}")
                }
                _ => write!(f, "!({inner})"),
            },
            Expression::Condition { check, .. } => write!(f, "{check}"),
        }
    }
}

fn chain(f: &mut fmt::Formatter<'_>, parts: &[Expression], joint: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(joint)?;
        }
        match part {
            // `&&` binds tighter, so that only this needs its parentheses.
            Expression::Any(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::Text { subject, equal, value } => {
                write!(f, "{subject} {} {}", if *equal { "==" } else { "!=" }, quoted(value))
            }
            Check::OneOf { subject, values } => write!(f, "{subject} in [{}]", listed(values)),
            Check::Number { field, compare, value } => {
                let value = match field.kind() {
                    Type::Bytes => bytes::exact(*value),
                    _ => value.to_string(),
                };
                write!(f, "{field} {} {value}", compare.symbol())
            }
            Check::Has { field, value } => write!(f, "{} in {field}", quoted(value)),
            Check::Labelled { key } => write!(f, "{LABEL}{key}"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Field(field) => write!(f, "{field}"),
            Subject::Label(key) => write!(f, "{LABEL}{key}"),
        }
    }
}

/// A text in quotes, as it is written in an expression.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Texts in quotes, with commas between them.
pub(super) fn listed<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(|text| quoted(text.as_ref())).collect::<Vec<_>>().join(", ")
}
