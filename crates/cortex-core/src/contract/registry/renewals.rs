//! Cases: a node renews its certificate, and copies of it are told apart.

use futures::future::join_all;

use super::at;
use super::enroll;
use super::get;
use super::node_id;
use super::opened;
use crate::contract::promise::kept;
use crate::contract::promise::one_winner;
use crate::contract::promise::refused;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::node::Admission;
use crate::node::JoinState;
use crate::node::Node;
use crate::node::Renewal;
use crate::node::Suspicion;
use crate::registry::NodeChange;
use crate::registry::NodeRegistry;

fn renew(generation: u64, key: u8) -> Vec<NodeChange> {
    vec![NodeChange::Renew(Renewal { generation, key: [key; 32] })]
}

/// A renewal moves the join state on and nothing else; its repeat changes nothing.
pub async fn a_renewal_moves_the_generation_on(registry: &dyn NodeRegistry) {
    let before = enroll(registry, 1, "lab").await;
    let bystander = enroll(registry, 2, "other").await;
    for (generation, key) in [(1, 7), (1, 7), (2, 8), (2, 8)] {
        let renewed = registry.amend(node_id(1), renew(generation, key), at(2)).await;
        let renewed = kept(renewed, "a node can renew, and repeat that");
        let join = JoinState { generation: generation + 1, renewed_for: Some([key; 32]) };
        let promised = Node { join, ..before.clone() };
        same(&renewed, &promised, "a renewal moves the generation on, and nothing else");
        same(&get(registry, 1).await, &promised, "a renewal is stored");
    }
    same(&get(registry, 2).await, &bystander, "a renewal is of one node");
}

/// Whoever renews from a generation that was left behind is refused.
pub async fn a_stale_renewal_changes_nothing(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    kept(registry.amend(node_id(1), renew(1, 7), at(2)).await, "a node can renew");
    let before = get(registry, 1).await;
    let copy = registry.amend(node_id(1), renew(1, 8), at(3)).await;
    let promise = "of two copies of a node the second to renew is refused";
    refused_as(copy, Kind::Conflict, "generation_stale", promise);
    same(&get(registry, 1).await, &before, "a refused renewal changes nothing");

    kept(
        registry.amend(node_id(1), vec![NodeChange::Lock(true)], at(4)).await,
        "a node can be locked",
    );
    let locked = registry.amend(node_id(1), renew(2, 9), at(5)).await;
    refused(locked, Kind::Denied, "a locked node does not renew");
    kept(
        registry.amend(node_id(1), vec![NodeChange::Retire], at(6)).await,
        "a node can be retired",
    );
    let retired = registry.amend(node_id(1), renew(2, 9), at(7)).await;
    refused(retired, Kind::Precondition, "a retired node does not renew");
}

/// A suspicion locks the node and is kept; unlocking drops both.
pub async fn a_suspected_node_is_locked_until_unlocked(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    kept(registry.touch(node_id(1), opened(1), at(2)).await, "a stream can be opened");
    for suspicion in [Suspicion::Cloned, Suspicion::Flapping] {
        let suspect = NodeChange::Suspect(suspicion);
        kept(registry.amend(node_id(1), vec![suspect], at(3)).await, "a node can be suspected");
        let node = get(registry, 1).await;
        let found = (node.admission, node.suspicion);
        same(&found, &(Admission::Locked, Some(suspicion)), "a suspected node is locked");
    }
    let refusal = registry.touch(node_id(1), opened(2), at(4)).await;
    refused_as(refusal, Kind::Denied, "node_locked", "a suspected node opens no stream");
    let unlocked = registry.amend(node_id(1), vec![NodeChange::Lock(false)], at(5)).await;
    let unlocked = kept(unlocked, "a suspected node can be unlocked");
    let found = (unlocked.admission, unlocked.suspicion);
    same(&found, &(Admission::Active, None), "an unlocked node is not suspected");
}

/// Of many copies that renew at once, one gets the next generation.
pub async fn of_racing_renewals_one_wins(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    let race = (1..=16).map(|key| registry.amend(node_id(1), renew(1, key), at(2)));
    let promise = "of many copies that renew at once, one gets the next generation";
    let code = Some("generation_stale");
    let winner = one_winner(join_all(race).await, Kind::Conflict, code, promise);
    same(&winner.join.generation, &2, promise);
    same(&get(registry, 1).await, &winner, promise);
}
