//! Values, rules and seams of Cortex: what both hub and node agree on.
//!
//! No sockets, files, clock or SQL here: rules are pure functions that take `now` as an argument,
//! and the world is reached through four traits.
//!
//! Read in this order: [`id`] and [`error`], then [`task`] (the state machine that everything
//! turns around), [`envelope`] (what is signed), [`ring`] and [`bundle`] (which keys count),
//! [`policy`] (what may run), [`placement`] (where it runs), and the seams [`registry`], [`session`],
//! [`mirror`] and [`skill`]. [`memory`] has a strict backend for each seam; `contract` (feature of
//! that name) has the suite that every backend passes.

pub mod account;
pub mod audit;
mod base64_bytes;
pub mod bundle;
pub mod capability;
pub mod chain;
pub mod change;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod digest;
pub mod envelope;
pub mod error;
pub mod id;
pub mod invite;
mod layout;
pub mod memory;
pub mod mirror;
pub mod node;
pub mod path;
pub mod placement;
pub mod policy;
pub mod proof;
pub mod receipt;
pub mod registry;
pub mod report;
pub mod ring;
pub mod session;
pub mod skill;
pub mod task;
pub mod timestamp;
pub mod tree;

pub use error::Error;
pub use error::Kind as ErrorKind;
pub use error::Result;
