//! Why a node does not fit, as a value and as a sentence.

use std::fmt;

use crate::capability::requirement::bytes;
use crate::capability::requirement::evaluate::Leaf;
use crate::capability::requirement::expression::Check;
use crate::capability::requirement::expression::Compare;
use crate::capability::requirement::expression::listed;
use crate::capability::requirement::expression::quoted;
use crate::capability::requirement::facts::Value;
use crate::capability::requirement::field::Field;
use crate::capability::requirement::field::Type;

/// How many entries of a set are named in a sentence.
const MOST_NAMED: usize = 8;

/// One reason why a node does not fit. It prints as a sentence without a full stop:
/// `gpu.memory is 8 GiB, needs at least 16 GiB`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The node did not say what it has.
    Unknown {
        /// The field, or the label as `label.KEY`.
        field: String,
        /// The condition, as the requirement has it.
        condition: String,
        /// What is needed, in words.
        needs: String,
    },
    /// The node has something else.
    Unmet {
        /// The field, or the label as `label.KEY`.
        field: String,
        /// The condition, as the requirement has it.
        condition: String,
        /// What the node has, in words.
        found: String,
        /// What is needed, in words.
        needs: String,
    },
    /// Of several alternatives, each fails for its own reasons.
    Neither {
        /// The reasons of each alternative; at least one for each.
        alternatives: Vec<Vec<Reason>>,
    },
}

impl Reason {
    /// The reason why a condition does not hold for a value.
    pub(super) fn of(leaf: Leaf<'_>, text: &str, value: &Value<'_>) -> Self {
        let condition = text[leaf.at.start..leaf.at.end].to_owned();
        let (field, needs) = (leaf.check.subject().to_string(), needs(leaf, value));
        match value {
            Value::Unknown => Reason::Unknown { field, condition, needs },
            value => Reason::Unmet { field, condition, found: found(leaf.check, value), needs },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Unknown { field, needs, .. } => {
                write!(f, "{field} is not known, since the node did not say; needs {needs}")
            }
            Reason::Unmet { field, found, needs, .. } => {
                write!(f, "{field} is {found}, needs {needs}")
            }
            Reason::Neither { alternatives } => {
                for (index, reasons) in alternatives.iter().enumerate() {
                    if index > 0 {
                        f.write_str("; or ")?;
                    }
                    for (index, reason) in reasons.iter().enumerate() {
                        let joint = if index > 0 { " and " } else { "" };
                        match reason {
                            Reason::Neither { .. } => write!(f, "{joint}({reason})")?,
                            _ => write!(f, "{joint}{reason}")?,
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

fn found(check: &Check, value: &Value<'_>) -> String {
    match value {
        Value::Unknown => "not known".to_owned(),
        Value::Absent => "not set".to_owned(),
        Value::Text(text) => quoted(text),
        Value::Number(number) => match check {
            Check::Number { field, value, .. } => amount(*field, *number, *value),
            _ => number.to_string(),
        },
        Value::Set(texts) if texts.is_empty() => "empty".to_owned(),
        Value::Set(texts) => {
            let named = listed(&texts[..texts.len().min(MOST_NAMED)]);
            match texts.len().saturating_sub(MOST_NAMED) {
                0 => named,
                more => format!("{named} and {more} more"),
            }
        }
    }
}

fn needs(leaf: Leaf<'_>, value: &Value<'_>) -> String {
    let not = leaf.negated;
    match leaf.check {
        Check::Text { value, equal, .. } if *equal != not => quoted(value),
        Check::Text { value, .. } => format!("another than {}", quoted(value)),
        Check::OneOf { values, .. } if not => format!("none of {}", listed(values)),
        Check::OneOf { values, .. } => format!("one of {}", listed(values)),
        Check::Has { value, .. } if not => format!("no {} among them", quoted(value)),
        Check::Has { value, .. } => format!("{} among them", quoted(value)),
        Check::Labelled { .. } if not => "it not to be set".to_owned(),
        Check::Labelled { .. } => "it to be set".to_owned(),
        Check::Number { field, compare, value: bound } => {
            let compare = if not { compare.opposite() } else { *compare };
            let beside = if let Value::Number(found) = value { *found } else { *bound };
            let bound = amount(*field, *bound, beside);
            match compare {
                Compare::Equal => format!("exactly {bound}"),
                Compare::Differs => format!("another than {bound}"),
                Compare::Less => format!("less than {bound}"),
                Compare::AtMost => format!("at most {bound}"),
                Compare::More => format!("more than {bound}"),
                Compare::AtLeast => format!("at least {bound}"),
            }
        }
    }
}

fn amount(field: Field, number: u64, beside: u64) -> String {
    match field.kind() {
        Type::Bytes => bytes::readable(number, beside),
        _ => number.to_string(),
    }
}
