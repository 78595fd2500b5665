//! Requirements: what a node must have for a task, as an expression that a person can read.
//!
//! `os == "linux" && gpu.memory >= 16GiB && "browser" in skills && !(label.role in ["a", "b"])`
//!
//! A [`Requirement`] is checked when it is read: fields, types, units and values, so that what is
//! left for later is only whether a node has it. What a node did not say is not known, and what is
//! not known never makes a node fit, whether it is asked for or asked to be missing.
//! `docs/requirements.md` has the grammar and the fields.

mod bytes;
mod evaluate;
mod expression;
mod facts;
mod fault;
mod field;
mod lexer;
mod parser;
mod reason;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

pub use facts::Facts;
pub use fault::Fault;
pub use fault::RequirementError;
pub use field::FIELDS;
pub use field::Field;
pub use field::Type;
pub use reason::Reason;

pub(crate) use evaluate::Leaf;
pub(crate) use evaluate::walk;
pub(crate) use expression::Check;
pub(crate) use expression::Expression;
pub(crate) use expression::Subject;
pub(crate) use facts::Value;

/// How many bytes a requirement may have, as it is written and as it is printed.
pub const MAX_REQUIREMENT_BYTES: usize = 2048;
/// How many conditions a requirement may have.
pub const MAX_CONDITIONS: usize = 64;
/// How deep parentheses and `!` may be nested.
pub const MAX_DEPTH: usize = 32;

/// A checked expression over a node's capabilities and labels.
///
/// It prints in one way however it was written: `a&&(b&&c)` is `a && b && c`. Two requirements are
/// equal where they print the same. Cloning is cheap.
#[derive(Clone)]
pub struct Requirement(Arc<Inner>);

struct Inner {
    /// As it prints; the spans in `root` are places in it.
    text: String,
    root: Expression,
}

impl Requirement {
    /// The expression, as it prints.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Says whether a node of which these facts are known fits.
    #[must_use]
    pub fn fits(&self, facts: &Facts<'_>) -> bool {
        evaluate::fits(&self.0.root, facts)
    }

    /// All reasons why a node of which these facts are known does not fit, in the order of the
    /// expression; none where it fits.
    #[must_use]
    pub fn unmet(&self, facts: &Facts<'_>) -> Vec<Reason> {
        evaluate::unmet(&self.0.root, &self.0.text, facts)
    }

    pub(crate) fn root(&self) -> &Expression {
        &self.0.root
    }
}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        let printed = parser::parse(text)?.to_string();
        // Read once more, so that its places are those of the text that it is known by.
        let root = parser::parse(&printed)?;
        Ok(Self(Arc::new(Inner { text: printed, root })))
    }
}

impl PartialEq for Requirement {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.text == other.0.text
    }
}

impl Eq for Requirement {}

impl std::hash::Hash for Requirement {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.text, f)
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text)
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod properties;
#[cfg(test)]
mod tests;
