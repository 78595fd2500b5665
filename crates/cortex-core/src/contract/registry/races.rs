//! Cases: many nodes that enrol at once.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::all;
use super::at;
use super::enrolment;
use super::fate;
use super::invite;
use super::issue;
use super::node_id;
use crate::contract::promise::kept;
use crate::contract::promise::one_winner;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::invite::Fate;
use crate::registry::Enrolment;
use crate::registry::NodeRegistry;

const RACERS: u8 = 32;

/// Of many nodes that use one invite at once, one is made.
pub async fn of_racing_nodes_one_gets_the_invite(registry: &dyn NodeRegistry) {
    issue(registry, invite(1, "lab")).await;
    let race = (1..=RACERS).map(|number| {
        let identity = [number; 32];
        registry.enroll(Enrolment { node: node_id(number), identity, ..enrolment(1) }, at(1))
    });
    let promise = "of many nodes that use one invite at once, one is made";
    let results = join_all(race).await;
    let node = one_winner(results, Kind::Denied, Some("invite_already_used"), promise);
    same(&all(registry).await, &vec![node.clone()], promise);
    let used = Fate::Used { node: node.id, identity: node.identity, at: at(1) };
    same(&fate(registry, 1).await, &used, "the invite is used by the node that was made");
}

/// A node that enrols many times at once is made once.
pub async fn racing_repeats_get_the_same_node(registry: &dyn NodeRegistry) {
    issue(registry, invite(1, "lab")).await;
    let race = (1..=RACERS)
        .map(|number| registry.enroll(Enrolment { node: node_id(number), ..enrolment(1) }, at(1)));
    let mut made = BTreeSet::new();
    for result in join_all(race).await {
        made.insert(kept(result, "an enrolment can be repeated, also at once").id);
    }
    same(&made.len(), &1, "racing repeats get the same node");
    same(&all(registry).await.len(), &1, "racing repeats make one node");
}

/// Nodes that enrol at once under one name get different names.
pub async fn racing_nodes_get_different_names(registry: &dyn NodeRegistry) {
    for number in 1..=RACERS {
        issue(registry, invite(number, "lab")).await;
    }
    let race = (1..=RACERS).map(|number| registry.enroll(enrolment(number), at(1)));
    let mut names = BTreeSet::new();
    for result in join_all(race).await {
        names.insert(kept(result, "a good invite makes a node").name);
    }
    let numbered = (2..=RACERS).map(|number| format!("lab-{number}"));
    let promised = numbered.chain(["lab".to_owned()]).collect();
    same(&names, &promised, "nodes that enrol at once get different names");
}
