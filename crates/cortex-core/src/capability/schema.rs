//! JSON Schemas of skills: a value is checked against what the author of a skill wrote down.
//!
//! A schema comes from another machine and is judged on the hub, too. So it is judged in bounded
//! time and by what it says of a value's form: types, properties, items, ranges, lengths,
//! alternatives, references within itself. What would need more (`pattern`, `format`, `not` and the
//! like) is not judged here: it is left to the skill, which reads its input anyway.

mod judge;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use judge::Judge;

/// A JSON Schema as its text; an empty one lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema(Box<str>);

/// Why a text is no schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// It is no JSON.
    #[error("it is no JSON: {0}")]
    Json(String),
    /// It is another kind of JSON than a schema.
    #[error("a schema is an object, or true or false")]
    Kind,
}

/// Where a value does not fit a schema, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The way to the place, e.g. `hosts[2].port`; empty for the value itself.
    pub path: String,
    /// What is wrong there, e.g. `must be an integer, not "x"`.
    pub message: String,
}

impl Schema {
    /// The schema that a JSON value is.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self(value.to_string().into())
    }

    /// A schema of a text that nobody has looked at; [`Self::read`] does.
    #[must_use]
    pub fn unread(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Reads the text; an empty one as `true`.
    ///
    /// # Errors
    /// [`SchemaError`]: it is no schema.
    pub fn read(&self) -> Result<Value, SchemaError> {
        if self.0.is_empty() {
            return Ok(Value::Bool(true));
        }
        let value: Value =
            serde_json::from_str(&self.0).map_err(|error| SchemaError::Json(error.to_string()))?;
        match value {
            Value::Object(_) | Value::Bool(_) => Ok(value),
            _ => Err(SchemaError::Kind),
        }
    }

    /// Checks a value. What cannot be judged is let through.
    ///
    /// # Errors
    /// [`Mismatch`]: the first place that does not fit.
    pub fn check(&self, value: &Value) -> Result<(), Mismatch> {
        // Whoever offered it was told that it is none.
        let Ok(schema) = self.read() else { return Ok(()) };
        Judge::new(&schema).check(value)
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "it {}", self.message),
            path => write!(f, "{path} {}", self.message),
        }
    }
}

#[cfg(test)]
mod tests;
