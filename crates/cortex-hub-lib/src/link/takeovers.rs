//! Counts how often one process of a node throws another out.

use std::collections::HashMap;
use std::time::Duration;

use cortex_core::id::NodeId;
use cortex_core::timestamp::Timestamp;

/// Takeovers within [`WINDOW`] that are put up with.
const MOST: usize = 3;

const WINDOW: Duration = Duration::from_secs(60);

/// The takeovers of the last minute, by node. Holds no more than [`MOST`] a node, and only of nodes
/// that had one within the last minute.
#[derive(Debug, Default)]
pub(super) struct Takeovers {
    recent: HashMap<NodeId, Vec<Timestamp>>,
}

impl Takeovers {
    /// Counts one; says whether that is one too many. Then the count begins anew.
    pub(super) fn count(&mut self, node: NodeId, now: Timestamp) -> bool {
        self.recent.retain(|_, at| {
            at.retain(|at| now.since(*at) < WINDOW);
            !at.is_empty()
        });
        let recent = self.recent.entry(node).or_default();
        if recent.len() < MOST {
            recent.push(now);
            return false;
        }
        self.recent.remove(&node);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_takeover_within_a_minute_is_too_many() {
        let mut takeovers = Takeovers::default();
        let (node, other) = (NodeId::from_bytes([1; 16]), NodeId::from_bytes([2; 16]));
        let at = |seconds| Timestamp::from_millis(seconds * 1_000);
        let counts = |takeovers: &mut Takeovers, times: &[i64]| -> Vec<bool> {
            times.iter().map(|seconds| takeovers.count(node, at(*seconds))).collect()
        };
        assert_eq!(counts(&mut takeovers, &[0, 10, 59]), [false; 3]);
        assert!(!takeovers.count(other, at(59)), "each node has its own count");
        assert_eq!(counts(&mut takeovers, &[60, 70, 71]), [false, false, true]);
        assert_eq!(counts(&mut takeovers, &[72, 73, 74, 75]), [false, false, false, true]);
        assert!(!takeovers.count(node, at(1_000)));
        assert_eq!(takeovers.recent.len(), 1, "what is old is forgotten");
    }
}
