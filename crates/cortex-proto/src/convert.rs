//! Wire messages to the checked values of `cortex-core`, and back.
//!
//! `TryFrom` and `parse` on the way in, `From` on the way out.

pub mod bundle;
mod capability;
mod control;
mod health;
mod input;
pub mod policy;
mod pool;
mod report;
mod task;

pub use control::ControlAct;
pub use control::ControlOrder;
pub use input::InputOrder;
pub use pool::Offers;
pub use pool::parse_claims;
pub use report::parse_ack;
pub use report::parse_attempt;
pub use report::parse_report;
pub use task::CancelOrder;
pub use task::TaskOrder;

/// A message that came in cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// A field that must be there is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field has a value that cannot be.
    #[error("{field}: {reason}")]
    Bad {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl ConvertError {
    pub(crate) fn bad(field: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Bad { field, reason: reason.to_string() }
    }
}

impl From<ConvertError> for cortex_core::Error {
    fn from(error: ConvertError) -> Self {
        Self::new(cortex_core::ErrorKind::Invalid, "read message", error.to_string())
            .with_code("bad_message")
    }
}

pub(crate) fn parse_id<K: cortex_core::id::Kind>(
    field: &'static str,
    text: &str,
) -> Result<cortex_core::id::Id<K>, ConvertError> {
    text.parse().map_err(|error| ConvertError::bad(field, error))
}
