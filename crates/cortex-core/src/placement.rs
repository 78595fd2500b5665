//! Which node gets which task: pure rules over what is known.
//!
//! [`judge`] says why a node cannot take a task, [`Rank`] which of those that can comes first, and
//! [`plan`] gives the slots of many nodes to many waiting tasks, fair between users.

mod bits;
mod ground;
mod index;
mod judge;
mod plan;
mod rank;
mod room;
mod turns;

pub use ground::Ground;
pub use judge::Candidate;
pub use judge::Objection;
pub use judge::judge;
pub use plan::Plan;
pub use plan::Scope;
pub use plan::Seats;
pub use plan::Waiting;
pub use plan::plan;
pub use rank::Rank;
pub use rank::weight;
pub use turns::Shares;
