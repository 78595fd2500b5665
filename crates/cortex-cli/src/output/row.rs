//! Rows of the API's things.

mod account;
mod audit;
mod node;
mod placement;
mod session;
mod skill;
mod task;
mod trust;

#[cfg(test)]
mod tests;

pub(crate) use session::pairs;
pub(crate) use task::progress;
pub(crate) use trust::KeyRow;

use std::collections::BTreeMap;

use crate::output::table::Cell;

/// `key=value` pairs, in the order of their keys.
fn labels(labels: &BTreeMap<String, String>) -> Cell {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Cell::plain(pairs.join(","))
}
