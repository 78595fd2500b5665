//! Which node gets which task: pure rules over what is known.
//!
//! [`judge`] says why a node cannot take a task, [`Rank`] which of those that can comes first.

mod judge;
mod rank;

pub use judge::Candidate;
pub use judge::Objection;
pub use judge::judge;
pub use rank::Rank;
pub use rank::weight;
