//! Why a text is no requirement.

use crate::capability::LabelError;
use crate::capability::MAX_TEXT_BYTES;
use crate::capability::requirement::MAX_CONDITIONS;
use crate::capability::requirement::MAX_DEPTH;
use crate::capability::requirement::MAX_REQUIREMENT_BYTES;
use crate::capability::requirement::bytes::UNIT_NAMES;
use crate::capability::requirement::field::Type;
use crate::error::Error;
use crate::error::Kind;

/// Why a text is no requirement, and at which column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {fault}")]
pub struct RequirementError {
    column: usize,
    fault: Fault,
}

/// What is wrong with a requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It has more than [`MAX_REQUIREMENT_BYTES`], as it is written or as it prints.
    #[error("a requirement may have at most {MAX_REQUIREMENT_BYTES} bytes")]
    TooLong,
    /// Parentheses and `!` are nested deeper than [`MAX_DEPTH`].
    #[error("parentheses and ! may be nested at most {MAX_DEPTH} deep")]
    TooDeep,
    /// There are more than [`MAX_CONDITIONS`].
    #[error("a requirement may have at most {MAX_CONDITIONS} conditions")]
    TooMany,
    /// A character with which nothing begins.
    #[error("{character:?} means nothing here")]
    Character {
        /// The character.
        character: char,
    },
    /// A text that does not end.
    #[error("the text that begins here has no closing {quote}")]
    Unclosed {
        /// The quote that it began with.
        quote: char,
    },
    /// A backslash before something other than a quote or a backslash.
    #[error("a backslash stands only before a quote or another backslash")]
    Escape,
    /// A text that no node can state.
    #[error("a text may have at most {MAX_TEXT_BYTES} bytes, and no control characters")]
    Text,
    /// A number with a decimal point.
    #[error("numbers are whole")]
    Fraction,
    /// A number beyond 64 bits.
    #[error("the number is too large")]
    TooLarge,
    /// Something else belongs here.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What could stand here.
        expected: &'static str,
        /// What does, cut to a readable length.
        found: String,
    },
    /// A `!` before a condition without parentheses: some would read `!a == b` as `(!a) == b`.
    #[error("a condition that is negated needs parentheses")]
    Negation,
    /// A word that is no field.
    #[error("there is no field \"{name}\"")]
    Field {
        /// The word, cut to a readable length.
        name: String,
        /// The field that may have been meant.
        near: Option<&'static str>,
    },
    /// An operator or a value that the field's type does not have.
    #[error("{field} is {}", .kind.word())]
    Mismatch {
        /// The field.
        field: String,
        /// Its type.
        kind: Type,
    },
    /// A number without a unit, with one that is none, or with one where none belongs.
    #[error("{}", match .unit.as_str() {
        "" => format!("the amount needs a unit, since {field} is counted in bytes"),
        unit if *.counts => format!("{field} is a plain number, without the unit \"{unit}\""),
        unit => format!("\"{unit}\" is no unit"),
    })]
    Unit {
        /// The field.
        field: String,
        /// What stands behind the number, cut to a readable length.
        unit: String,
        /// The field is a plain number.
        counts: bool,
        /// The unit that may have been meant.
        near: Option<&'static str>,
    },
    /// A value that no node states for this field.
    #[error("no node says that {field} is \"{value}\"")]
    Value {
        /// The field.
        field: String,
        /// The value.
        value: String,
        /// What nodes say instead.
        near: String,
    },
    /// A key or a value that no label can have.
    #[error("{0}")]
    Label(#[from] LabelError),
}

impl RequirementError {
    pub(super) fn new(fault: Fault, column: usize) -> Self {
        Self { column, fault }
    }

    /// Where in the text it is, in characters counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// A stable word for programs, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.fault {
            Fault::TooLong | Fault::TooDeep | Fault::TooMany => "requirement_limit",
            Fault::Field { .. } => "requirement_field",
            Fault::Mismatch { .. } => "requirement_type",
            Fault::Unit { .. } | Fault::Fraction | Fault::TooLarge => "requirement_unit",
            Fault::Value { .. } | Fault::Label(_) | Fault::Text => "requirement_value",
            Fault::Character { .. }
            | Fault::Unclosed { .. }
            | Fault::Escape
            | Fault::Negation
            | Fault::Unexpected { .. } => "requirement_syntax",
        }
    }

    /// What would fit instead, where that can be told.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match &self.fault {
            Fault::Field { near: Some(near), .. } => Some(format!("did you mean {near}?")),
            Fault::Field { near: None, .. } => Some(
                "docs/requirements.md has the fields, e.g. os, cpu.cores, gpu.memory".to_owned(),
            ),
            Fault::Mismatch { field, kind } => Some(kind.example(field)),
            Fault::Unit { counts: true, .. } => Some("leave the unit out".to_owned()),
            Fault::Unit { near: Some(near), .. } => Some(format!("did you mean {near}?")),
            Fault::Unit { .. } => Some(format!("the units are {UNIT_NAMES}")),
            Fault::Value { near, .. } => Some(format!("did you mean \"{near}\"?")),
            Fault::Fraction => Some("use a smaller unit, e.g. 1536MiB for 1.5 GiB".to_owned()),
            Fault::Character { character: '=' } => Some("compare with ==".to_owned()),
            Fault::Character { character: '&' } => Some("both must hold: &&".to_owned()),
            Fault::Character { character: '|' } => Some("one must hold: ||".to_owned()),
            Fault::Negation => Some("write !(…)".to_owned()),
            Fault::Unexpected { found, .. } => other_words(found),
            _ => None,
        }
    }
}

/// The operator that is meant by a word of other languages.
fn other_words(found: &str) -> Option<String> {
    let operator = match found {
        "\"and\"" | "\"AND\"" => "&&",
        "\"or\"" | "\"OR\"" => "||",
        "\"not\"" | "\"NOT\"" => "!(…)",
        _ => return None,
    };
    Some(format!("write {operator}"))
}

impl From<RequirementError> for Error {
    fn from(error: RequirementError) -> Self {
        let failure = Error::new(Kind::Invalid, "read requirement", error.to_string())
            .with_code(error.code());
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
