//! Cases: a node is shared.

use super::at;
use super::enroll;
use super::get;
use super::node_id;
use super::user;
use crate::contract::promise::kept;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::node::Grant;
use crate::registry::NodeChange;
use crate::registry::NodeFilter;
use crate::registry::NodeRegistry;

/// A user has one grant of a node: the newest, until it is taken back.
pub async fn a_grant_is_given_changed_and_taken_back(registry: &dyn NodeRegistry) {
    let mut promised = enroll(registry, 1, "lab").await;
    let bystander = enroll(registry, 2, "other").await;
    let steps = [
        (NodeChange::Grant(user(2), Grant::Use), Some(Grant::Use), None),
        (NodeChange::Grant(user(3), Grant::Manage), Some(Grant::Use), Some(Grant::Manage)),
        (NodeChange::Grant(user(2), Grant::Manage), Some(Grant::Manage), Some(Grant::Manage)),
        (NodeChange::Ungrant(user(3)), Some(Grant::Manage), None),
        (NodeChange::Ungrant(user(2)), None, None),
    ];
    for (change, second, third) in steps {
        let grants = [(user(2), second), (user(3), third)];
        let given = grants.into_iter().filter_map(|(user, grant)| Some((user, grant?)));
        promised.grants = given.collect();
        let promise = format!("{change:?} changes that grant and nothing else");
        let changed = kept(registry.amend(node_id(1), vec![change], at(2)).await, &promise);
        same(&changed, &promised, &promise);
        same(&get(registry, 1).await, &promised, &promise);
    }
    same(&get(registry, 2).await, &bystander, "a grant is of one node");
}

/// A node is not shared with its owner, and what was not given is not taken back.
pub async fn a_grant_that_makes_no_sense_is_refused(registry: &dyn NodeRegistry) {
    let before = enroll(registry, 1, "lab").await;
    let own = vec![NodeChange::Cordon(true), NodeChange::Grant(user(1), Grant::Use)];
    let own = registry.amend(node_id(1), own, at(2)).await;
    refused_as(own, Kind::Invalid, "grant_to_owner", "a node is not shared with its owner");
    let never = registry.amend(node_id(1), vec![NodeChange::Ungrant(user(2))], at(2)).await;
    let promise = "what was not given is not taken back";
    refused_as(never, Kind::NotFound, "grant_not_found", promise);
    same(&get(registry, 1).await, &before, "a refused grant changes nothing");
}

/// A filter by visibility lists what a user owns and what is shared with them.
pub async fn a_shared_node_is_listed_for_its_grantee(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    enroll(registry, 2, "other").await;
    let share = vec![NodeChange::Grant(user(2), Grant::Use)];
    let shared = kept(registry.amend(node_id(1), share, at(2)).await, "a node can be shared");
    let visible_to = async |number| {
        let filter = NodeFilter { visible_to: Some(user(number)), ..NodeFilter::default() };
        kept(registry.list(filter).await, "nodes are listed")
    };
    same(&visible_to(2).await, &vec![shared], "a shared node is listed for its grantee");
    same(&visible_to(3).await, &Vec::new(), "a node is listed for nobody else");
    same(&visible_to(1).await.len(), &2, "what is shared stays its owner's");
    let owned = NodeFilter { owner: Some(user(2)), ..NodeFilter::default() };
    let owned = kept(registry.list(owned).await, "nodes are listed");
    same(&owned, &Vec::new(), "a grant makes nobody an owner");
    let unshare = registry.amend(node_id(1), vec![NodeChange::Ungrant(user(2))], at(3)).await;
    kept(unshare, "a grant can be taken back");
    same(&visible_to(2).await, &Vec::new(), "what is shared no more is not listed");
}
