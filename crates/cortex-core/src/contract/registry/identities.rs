//! Cases: a node replaces its identity key.

use futures::future::join_all;

use super::at;
use super::enroll;
use super::get;
use super::node_id;
use crate::contract::promise::kept;
use crate::contract::promise::one_winner;
use crate::contract::promise::refused;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::node::FormerKey;
use crate::node::Node;
use crate::node::Rekey;
use crate::registry::NodeChange;
use crate::registry::NodeRegistry;

fn rekey(from: u8, to: u8, seconds: u64) -> Vec<NodeChange> {
    let rekey = Rekey { from: [from; 32], to: [to; 32], at: at(seconds) };
    vec![NodeChange::Rekey(rekey)]
}

/// A change of the key keeps the former ones in mind and changes nothing else; its repeat changes
/// nothing at all.
pub async fn an_identity_key_is_replaced_and_kept_in_mind(registry: &dyn NodeRegistry) {
    let before = enroll(registry, 1, "lab").await;
    let bystander = enroll(registry, 2, "other").await;
    let mut former_keys = Vec::new();
    for (from, to, seconds) in [(1, 7, 5), (7, 8, 9)] {
        former_keys.push(FormerKey { key: [from; 32], until: at(seconds) });
        for repeat in 0..2 {
            let changed = rekey(from, to, seconds + repeat);
            let changed = registry.amend(node_id(1), changed, at(seconds + repeat)).await;
            let changed = kept(changed, "a node can replace its key, and repeat that");
            let former_keys = former_keys.clone();
            let promised = Node { identity: [to; 32], former_keys, ..before.clone() };
            same(&changed, &promised, "a new key replaces the old one, and nothing else");
            same(&get(registry, 1).await, &promised, "a new key is stored");
        }
    }
    same(&get(registry, 2).await, &bystander, "a change of the key is of one node");
}

/// What does not start from the key that counts, or leads back to one, is refused.
pub async fn a_stale_or_former_key_changes_nothing(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    kept(registry.amend(node_id(1), rekey(1, 7, 2), at(2)).await, "a node can replace its key");
    let before = get(registry, 1).await;
    let copy = registry.amend(node_id(1), rekey(1, 8, 3), at(3)).await;
    let promise = "a key that was replaced replaces nothing";
    refused_as(copy, Kind::Conflict, "identity_stale", promise);
    for former in [7, 1] {
        let back = registry.amend(node_id(1), rekey(7, former, 3), at(3)).await;
        refused_as(back, Kind::Invalid, "identity_reused", "no key counts twice");
    }
    same(&get(registry, 1).await, &before, "a refused change of the key changes nothing");

    let lock = vec![NodeChange::Lock(true)];
    kept(registry.amend(node_id(1), lock, at(4)).await, "a node can be locked");
    let locked = registry.amend(node_id(1), rekey(7, 9, 5), at(5)).await;
    refused(locked, Kind::Denied, "a locked node replaces no key");
    let retire = vec![NodeChange::Retire];
    kept(registry.amend(node_id(1), retire, at(6)).await, "a node can be retired");
    let retired = registry.amend(node_id(1), rekey(7, 9, 7), at(7)).await;
    refused(retired, Kind::Precondition, "a retired node replaces no key");
}

/// Of changes that start from one key, one is made.
pub async fn of_racing_changes_of_the_key_one_wins(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    let racing = (11..27).map(|to| registry.amend(node_id(1), rekey(1, to, 2), at(2)));
    let results = join_all(racing).await;
    let promise = "of racing changes of the key one wins";
    let won = one_winner(results, Kind::Conflict, Some("identity_stale"), promise);
    same(&get(registry, 1).await, &won, promise);
}
