//! The only place of the hub that asks the system's clock; rules get `now` from here as an argument.

use cortex_core::timestamp::Timestamp;

/// The time by the system's clock.
#[must_use]
pub(crate) fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}
