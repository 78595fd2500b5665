//! Skills whose input and output are Rust types; one JSON Schema feeds the API and the checks.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Description;
use super::Invocation;
use super::Skill;
use crate::error::Result;
use crate::task::Outcome;

/// A skill with typed input and output; is a [`Skill`] by itself.
///
/// ```
/// use cortex_core::skill::{Invocation, SkillError, TypedSkill};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Words {
///     /// The text to count in.
///     text: String,
/// }
///
/// #[derive(Debug)]
/// struct CountWords;
///
/// #[async_trait::async_trait]
/// impl TypedSkill for CountWords {
///     const NAME: &'static str = "count_words";
///     const SUMMARY: &'static str = "Counts the words of a text.";
///     type Input = Words;
///     type Output = usize;
///
///     async fn run(&self, _: &Invocation, input: Words) -> Result<usize, SkillError> {
///         Ok(input.text.split_whitespace().count())
///     }
/// }
/// ```
#[async_trait]
pub trait TypedSkill: Send + Sync + std::fmt::Debug {
    /// Its name: 1 to 64 characters of `a-z 0-9 - _ .`.
    const NAME: &'static str;
    /// Its version.
    const VERSION: &'static str = "1";
    /// What it does, in a sentence.
    const SUMMARY: &'static str = "";
    /// What it takes.
    type Input: DeserializeOwned + JsonSchema + Send;
    /// What it returns.
    type Output: Serialize + JsonSchema + Send;

    /// Does the work.
    ///
    /// # Errors
    /// [`SkillError`]: the task ends as failed with its words.
    async fn run(
        &self,
        invocation: &Invocation,
        input: Self::Input,
    ) -> Result<Self::Output, SkillError>;
}

/// Why a skill failed, in words for the person who called it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SkillError(pub String);

impl SkillError {
    /// Takes anything that can be shown.
    pub fn new(reason: impl std::fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl From<crate::error::Error> for SkillError {
    fn from(error: crate::error::Error) -> Self {
        Self::new(error)
    }
}

impl From<std::io::Error> for SkillError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}

#[async_trait]
impl<S: TypedSkill> Skill for S {
    fn describe(&self) -> Description {
        Description {
            name: S::NAME.to_owned(),
            version: S::VERSION.to_owned(),
            summary: S::SUMMARY.to_owned(),
            input: schemars::schema_for!(S::Input).to_value(),
            output: schemars::schema_for!(S::Output).to_value(),
        }
    }

    async fn run(&self, invocation: &Invocation, input: serde_json::Value) -> Result<Outcome> {
        let input = match serde_json::from_value::<S::Input>(input) {
            Ok(input) => input,
            Err(error) => return Ok(broken(format!("input does not fit {}: {error}", S::NAME))),
        };
        invocation.started(None).await;
        let value = match TypedSkill::run(self, invocation, input).await {
            Ok(value) => value,
            Err(error) => return Ok(broken(error.to_string())),
        };
        Ok(match serde_json::to_value(value) {
            Ok(value) => Outcome::Returned { value },
            Err(error) => broken(format!("output of {} is no JSON: {error}", S::NAME)),
        })
    }
}

fn broken(message: String) -> Outcome {
    Outcome::Broken { message }
}
