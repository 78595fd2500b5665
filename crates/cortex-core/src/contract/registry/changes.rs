//! Cases: people change a node.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::all;
use super::at;
use super::enroll;
use super::enrolment;
use super::get;
use super::invite;
use super::issue;
use super::node_id;
use super::opened;
use super::user;
use crate::contract::promise::kept;
use crate::contract::promise::one_winner;
use crate::contract::promise::refused;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::invite::Invite;
use crate::node::Admission;
use crate::node::Node;
use crate::node::Sighting;
use crate::registry::NodeChange;
use crate::registry::NodeFilter;
use crate::registry::NodeRegistry;

fn rename(name: &str) -> NodeChange {
    NodeChange::Rename(name.to_owned())
}

/// Every change returns and stores the node with that change and no other.
pub async fn each_change_changes_what_it_says(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    let bystander = enroll(registry, 2, "other").await;
    kept(registry.touch(node_id(1), opened(1), at(2)).await, "a stream can be opened");
    let mut promised = get(registry, 1).await;
    let labels = BTreeMap::from([("zone".to_owned(), "eu".to_owned())]);
    type Effect = Box<dyn Fn(&mut Node) + Send>;
    let steps: Vec<(NodeChange, Effect)> = vec![
        (rename("new \u{1f980}"), Box::new(|node| node.name = "new \u{1f980}".to_owned())),
        (
            NodeChange::Relabel(labels.clone()),
            Box::new(move |node| node.labels.clone_from(&labels)),
        ),
        (NodeChange::Cordon(true), Box::new(|node| node.cordoned = true)),
        (NodeChange::Lock(true), Box::new(|node| node.admission = Admission::Locked)),
        (NodeChange::Cordon(false), Box::new(|node| node.cordoned = false)),
        (NodeChange::Lock(false), Box::new(|node| node.admission = Admission::Active)),
        (NodeChange::Relabel(BTreeMap::new()), Box::new(|node| node.labels.clear())),
        (NodeChange::Retire, Box::new(|node| node.admission = Admission::Retired)),
    ];
    for (change, effect) in steps {
        effect(&mut promised);
        let promise = format!("{change:?} changes what it says, and nothing else");
        let changed = kept(registry.amend(node_id(1), vec![change], at(3)).await, &promise);
        same(&changed, &promised, &promise);
        same(&get(registry, 1).await, &promised, &promise);
    }
    same(&get(registry, 2).await, &bystander, "a change changes one node");
}

/// A name that another live node of the owner has is refused; others are free.
pub async fn a_new_name_must_be_free(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    enroll(registry, 2, "other").await;
    issue(registry, Invite { owner: user(2), ..invite(3, "theirs") }).await;
    kept(registry.enroll(enrolment(3), at(1)).await, "a good invite makes a node");

    let before = get(registry, 2).await;
    let clash = registry.amend(node_id(2), vec![rename("lab")], at(2)).await;
    let promise = "a name that another node of the owner has is refused";
    refused_as(clash, Kind::Exists, "name_taken", promise);
    same(&get(registry, 2).await, &before, "a refused change changes nothing");

    let own = registry.amend(node_id(1), vec![rename("lab")], at(3)).await;
    kept(own, "a node can get the name that it has");
    let theirs = registry.amend(node_id(1), vec![rename("theirs")], at(4)).await;
    kept(theirs, "the names of another owner's nodes are free");
    let left = registry.amend(node_id(2), vec![rename("lab")], at(5)).await;
    kept(left, "a name that its node gave up is free");
    kept(
        registry.amend(node_id(1), vec![NodeChange::Retire], at(6)).await,
        "a node can be retired",
    );
    let left = registry.amend(node_id(2), vec![rename("theirs")], at(7)).await;
    kept(left, "the name of a retired node is free");
}

/// A retired node is kept and never changes again.
pub async fn a_retired_node_stays_so(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    let retired = registry.amend(node_id(1), vec![NodeChange::Retire], at(2)).await;
    let retired = kept(retired, "a node can be retired");
    same(&retired.admission, &Admission::Retired, "a retired node is returned as such");
    let changes = [
        rename("new"),
        NodeChange::Relabel(BTreeMap::new()),
        NodeChange::Cordon(true),
        NodeChange::Lock(false),
        NodeChange::Retire,
    ];
    for change in changes {
        let promise = format!("{change:?} of a retired node is refused");
        let refusal = registry.amend(node_id(1), vec![change], at(3)).await;
        refused(refusal, Kind::Precondition, &promise);
    }
    same(&get(registry, 1).await, &retired, "a retired node is kept as it is");
    same(&all(registry).await, &vec![retired], "a retired node is listed when asked for");
    let listed = kept(registry.list(NodeFilter::default()).await, "nodes are listed");
    same(&listed, &Vec::new(), "a retired node is not listed unless asked for");
}

/// Whatever is asked of an unknown node, it is not found.
pub async fn an_unknown_node_is_not_found(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    let (unknown, promise) = (node_id(9), "an unknown node is not found");
    let found = registry.get(unknown).await;
    refused_as(found, Kind::NotFound, "node_not_found", promise);
    let changed = registry.amend(unknown, vec![rename("lab")], at(2)).await;
    refused_as(changed, Kind::NotFound, "node_not_found", promise);
    for sighting in [opened(1), Sighting::Closed { epoch: 0 }] {
        let seen = registry.touch(unknown, sighting, at(2)).await;
        refused_as(seen, Kind::NotFound, "node_not_found", promise);
    }
    same(&all(registry).await.len(), &1, "what is not found is not made");
}

/// Of many nodes that take one name at once, one gets it.
pub async fn of_racing_renames_one_wins(registry: &dyn NodeRegistry) {
    for number in 1..=16 {
        enroll(registry, number, "lab").await;
    }
    let race = (1..=16).map(|number| registry.amend(node_id(number), vec![rename("best")], at(2)));
    let promise = "of many nodes that take one name at once, one gets it";
    let winner = one_winner(join_all(race).await, Kind::Exists, Some("name_taken"), promise);
    let named: Vec<_> =
        all(registry).await.into_iter().filter(|node| node.name == "best").collect();
    same(&named, &vec![winner], promise);
}

/// Several changes at once are all made, or none of them.
pub async fn changes_are_made_all_or_none(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    enroll(registry, 2, "other").await;
    let labels = BTreeMap::from([("zone".to_owned(), "eu".to_owned())]);
    let changes = |name: &str| {
        let relabel = NodeChange::Relabel(labels.clone());
        vec![relabel, NodeChange::Cordon(true), rename(name), NodeChange::Lock(true)]
    };
    let before = get(registry, 1).await;
    let refusal = registry.amend(node_id(1), changes("other"), at(2)).await;
    let promise = "of refused changes none is made";
    refused_as(refusal, Kind::Exists, "name_taken", promise);
    same(&get(registry, 1).await, &before, promise);

    let made = registry.amend(node_id(1), changes("new"), at(3)).await;
    let made = kept(made, "several changes can be made at once");
    let promised = Node {
        name: "new".to_owned(),
        labels,
        cordoned: true,
        admission: Admission::Locked,
        ..before
    };
    same(&made, &promised, "of several changes all are made");
    same(&get(registry, 1).await, &promised, "of several changes all are stored");
    let none = kept(registry.amend(node_id(1), Vec::new(), at(4)).await, "no change is one too");
    same(&none, &promised, "no change changes nothing");
}
