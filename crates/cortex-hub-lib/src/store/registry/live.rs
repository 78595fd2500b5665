//! Live nodes in memory, newer than the database by the heartbeats of some seconds.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use cortex_core::Result;
use cortex_core::id::NodeId;
use cortex_core::node::Node;
use cortex_core::node::Presence;
use cortex_core::node::Sighting;
use cortex_core::registry::NodeFilter;
use cortex_core::timestamp::Timestamp;

use super::forms::Forms;
use super::is_live;

/// Time between two storings of heartbeats.
const FLUSH_EVERY: Duration = Duration::from_secs(20);

/// All nodes that are not retired.
#[derive(Debug)]
pub(super) struct LiveNodes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    nodes: HashMap<NodeId, Node>,
    forms: Forms,
    /// Nodes with heartbeats that are not stored.
    beaten: HashSet<NodeId>,
    flush_at: Option<Timestamp>,
}

impl LiveNodes {
    pub(super) fn new(nodes: Vec<Node>) -> Self {
        let mut state = State::default();
        for mut node in nodes {
            state.forms.share(&mut node);
            state.nodes.insert(node.id, node);
        }
        Self { state: Mutex::new(state) }
    }

    /// Records a heartbeat; `None` if the node is not here.
    pub(super) fn beat(
        &self,
        id: NodeId,
        sighting: &Sighting,
        now: Timestamp,
    ) -> Option<Result<Presence>> {
        let mut state = self.lock();
        let presence = &mut state.nodes.get_mut(&id)?.presence;
        if let Err(fenced) = presence.apply(sighting, now) {
            return Some(Err(fenced.into()));
        }
        let presence = presence.clone();
        state.beaten.insert(id);
        Some(Ok(presence))
    }

    /// Whether heartbeats are to be stored at `now`; if so, the next time is set.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let mut state = self.lock();
        let flush_at = *state.flush_at.get_or_insert(now + FLUSH_EVERY);
        // A clock that was set back must not stop the storing.
        let is_due = now >= flush_at || now + FLUSH_EVERY < flush_at;
        if is_due {
            state.flush_at = Some(now + FLUSH_EVERY);
        }
        is_due
    }

    /// Takes the presences with heartbeats that are not stored.
    pub(super) fn take_beats(&self) -> Vec<(NodeId, Presence)> {
        let mut state = self.lock();
        let beaten = std::mem::take(&mut state.beaten);
        let presence = |id| Some((id, state.nodes.get(&id)?.presence.clone()));
        beaten.into_iter().filter_map(presence).collect()
    }

    /// Takes a node as it was committed, or forgets it if it is retired.
    pub(super) fn put(&self, node: &Node) {
        let mut state = self.lock();
        let mut node = state.newest(node.clone());
        state.forms.share(&mut node);
        if is_live(&node) {
            state.nodes.insert(node.id, node);
        } else {
            state.nodes.remove(&node.id);
        }
    }

    /// Gives a node from the database the heartbeats that are here only.
    pub(super) fn newest(&self, node: Node) -> Node {
        self.lock().newest(node)
    }

    pub(super) fn get(&self, id: NodeId) -> Option<Node> {
        self.lock().nodes.get(&id).cloned()
    }

    pub(super) fn list(&self, filter: &NodeFilter) -> Vec<Node> {
        let state = self.lock();
        state.nodes.values().filter(|node| filter.fits(node)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one insertion, so even a panic leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn newest(&self, mut node: Node) -> Node {
        let Some(known) = self.nodes.get(&node.id).map(|known| &known.presence) else {
            return node;
        };
        if known.epoch == node.presence.epoch && known.last_seen > node.presence.last_seen {
            node.presence.last_seen = known.last_seen;
            node.presence.health = known.health.clone();
        }
        node
    }
}
