//! Who did what to which thing: records that are only ever added, chained so that a later change
//! is found.
//!
//! A record's bytes are fixed: big-endian, every field always present, texts with their length; the
//! layout is drawn in `docs/design/audit.md`. Each record is a link of one
//! [chain](crate::chain) of its hub.

mod action;
mod record;

pub use action::Action;
pub use action::UnknownAction;
pub use record::Actor;
pub use record::MAX_TEXT;
pub use record::Object;
pub use record::Outcome;
pub use record::ParseNameError;
pub use record::Record;

use crate::chain::Head;
use crate::id::HubId;

/// What the chain of a hub's records is called.
const CHAIN: &str = "cortex/audit/v1";

/// The chain of a hub that has recorded nothing yet.
#[must_use]
pub fn chain_of(hub: HubId) -> Head {
    Head::begin(CHAIN, hub.as_bytes())
}

#[cfg(test)]
mod tests;
