//! Cases: an invite makes one node.

use std::collections::BTreeMap;
use std::time::Duration;

use super::all;
use super::at;
use super::enroll;
use super::enrolment;
use super::fate;
use super::get;
use super::invite;
use super::invite_id;
use super::issue;
use super::node_id;
use super::user;
use crate::contract::promise::kept;
use crate::contract::promise::refused;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::invite::Fate;
use crate::invite::Invite;
use crate::invite::REPLAY_WINDOW;
use crate::node::Admission;
use crate::node::JoinState;
use crate::node::Node;
use crate::node::Presence;
use crate::registry::Enrolment;
use crate::registry::InviteAct;
use crate::registry::NodeChange;
use crate::registry::NodeRegistry;

/// A good invite makes a node with its owner, name and labels, and is used by that.
pub async fn an_enrolment_makes_the_node_of_its_invite(registry: &dyn NodeRegistry) {
    let mut open = invite(1, "lab");
    open.labels.insert("gpu".to_owned(), "a100".to_owned());
    let open = issue(registry, open).await;
    // The last millisecond of the invite's life is part of it.
    let now = open.expires_at - Duration::from_millis(1);
    let node = registry.enroll(Enrolment { identity: [0xf0; 32], ..enrolment(1) }, now).await;
    let promised = Node {
        id: node_id(1),
        name: "lab".to_owned(),
        owner: user(1),
        grants: BTreeMap::new(),
        identity: [0xf0; 32],
        former_keys: Vec::new(),
        labels: open.labels,
        admission: Admission::Active,
        suspicion: None,
        join: JoinState::default(),
        cordoned: false,
        capabilities: None,
        version: "1.2.3".to_owned(),
        enrolled_at: now,
        presence: Presence::default(),
    };
    let node = kept(node, "an invite is good until it expires");
    same(&node, &promised, "an enrolment returns the node that the invite describes");
    same(&get(registry, 1).await, &promised, "an enrolled node is stored as it was returned");
    let used = Fate::Used { node: node_id(1), identity: [0xf0; 32], at: now };
    same(&fate(registry, 1).await, &used, "an enrolment and the use of its invite are one");
}

/// Unknown, wrong, expired and withdrawn invites are refused, each with its code.
pub async fn a_bad_invite_makes_no_node(registry: &dyn NodeRegistry) {
    issue(registry, invite(1, "lab")).await;
    issue(registry, invite(2, "lab")).await;
    let withdrawn = registry.invite(InviteAct::Withdraw(invite_id(2)), at(0)).await;
    kept(withdrawn, "an open invite can be withdrawn");

    let unknown = registry.enroll(enrolment(7), at(1)).await;
    let promise = "an unknown invite is refused as if its secret were wrong";
    refused_as(unknown, Kind::Denied, "invite_wrong_secret", promise);
    let wrong = Enrolment { secret_digest: [9; 32], ..enrolment(1) };
    let wrong = registry.enroll(wrong, at(1)).await;
    refused_as(wrong, Kind::Denied, "invite_wrong_secret", "a wrong secret is refused");
    let expired = registry.enroll(enrolment(1), at(1_800)).await;
    refused_as(expired, Kind::Denied, "invite_expired", "an expired invite is refused");
    let withdrawn = registry.enroll(enrolment(2), at(1)).await;
    refused_as(withdrawn, Kind::Denied, "invite_withdrawn", "a withdrawn invite is refused");

    same(&all(registry).await, &Vec::new(), "a refused enrolment makes no node");
    same(&fate(registry, 1).await, &Fate::Open, "a refused enrolment does not use the invite");
    let node = registry.enroll(enrolment(1), at(2)).await;
    kept(node, "an invite is good after others failed to use it");
}

/// Without the secret nobody learns what became of an invite.
pub async fn the_secret_is_judged_first(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    issue(registry, invite(2, "lab")).await;
    let withdrawn = registry.invite(InviteAct::Withdraw(invite_id(2)), at(0)).await;
    kept(withdrawn, "an open invite can be withdrawn");
    issue(registry, invite(3, "lab")).await;
    for number in [1, 2, 3] {
        let guess = Enrolment { secret_digest: [9; 32], ..enrolment(number) };
        let refusal = registry.enroll(guess, at(5_000)).await;
        let promise = "with a wrong secret, used, withdrawn and expired invites look alike";
        refused_as(refusal, Kind::Denied, "invite_wrong_secret", promise);
    }
}

/// The same key gets the same node again while the replay window lasts; nobody else does.
pub async fn a_repeat_gets_the_same_node(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    // The hub chooses a new id for each attempt; the one of the first counts.
    let repeat = || Enrolment { node: node_id(9), version: "9.9.9".to_owned(), ..enrolment(1) };
    let last = at(1) + REPLAY_WINDOW;
    for now in [at(1), last] {
        let again = kept(registry.enroll(repeat(), now).await, "an enrolment can be repeated");
        same(&again, &get(registry, 1).await, "a repeated enrolment returns the same node");
    }

    let other = Enrolment { identity: [9; 32], ..repeat() };
    let other = registry.enroll(other, at(2)).await;
    let promise = "another key does not get the node of a used invite";
    refused_as(other, Kind::Denied, "invite_already_used", promise);
    let late = registry.enroll(repeat(), last + Duration::from_millis(1)).await;
    let promise = "after the replay window an invite is used up";
    refused_as(late, Kind::Denied, "invite_already_used", promise);
    let used = Fate::Used { node: node_id(1), identity: [1; 32], at: at(1) };
    same(&fate(registry, 1).await, &used, "a repeat does not move the use of the invite");

    let renamed =
        registry.amend(node_id(1), vec![NodeChange::Rename("new".to_owned())], at(3)).await;
    let renamed = kept(renamed, "a node can be renamed");
    let again = kept(registry.enroll(repeat(), at(4)).await, "an enrolment can be repeated");
    same(&again, &renamed, "a repeated enrolment returns the node as it is now");
    same(&all(registry).await.len(), &1, "a repeated enrolment makes no second node");
}

/// An enrolment under the id of a stored node, retired or not, is refused and uses nothing.
pub async fn a_used_id_leaves_the_invite_open(registry: &dyn NodeRegistry) {
    let first = enroll(registry, 1, "lab").await;
    issue(registry, invite(2, "other")).await;
    let clash = || Enrolment { node: node_id(1), ..enrolment(2) };
    let refusal = registry.enroll(clash(), at(2)).await;
    refused(refusal, Kind::Exists, "the id of a stored node is not used again");
    let promise = "an invite is used only if its node is made";
    same(&fate(registry, 2).await, &Fate::Open, promise);
    same(&all(registry).await, &vec![first], "a refused enrolment changes no node");

    let retired = registry.amend(node_id(1), vec![NodeChange::Retire], at(3)).await;
    kept(retired, "a node can be retired");
    let refusal = registry.enroll(clash(), at(4)).await;
    refused(refusal, Kind::Exists, "the id of a retired node is not used again");
    same(&fate(registry, 2).await, &Fate::Open, promise);
    kept(registry.enroll(enrolment(2), at(5)).await, "the invite is good with a free id");
}

/// A name that a live node of the owner has gets the first free number behind it.
pub async fn a_taken_name_gets_a_number(registry: &dyn NodeRegistry) {
    for (number, promised) in [(1, "lab"), (2, "lab-2"), (3, "lab-3")] {
        let name = enroll(registry, number, "lab").await.name;
        same(&name.as_str(), &promised, "a taken name gets a number");
    }
    issue(registry, Invite { owner: user(2), ..invite(4, "lab") }).await;
    let other = kept(registry.enroll(enrolment(4), at(1)).await, "a good invite makes a node");
    same(&other.name.as_str(), &"lab", "the names of another owner's nodes are free");

    let locked = registry.amend(node_id(3), vec![NodeChange::Lock(true)], at(2)).await;
    kept(locked, "a node can be locked");
    let retired = registry.amend(node_id(2), vec![NodeChange::Retire], at(2)).await;
    kept(retired, "a node can be retired");
    for (number, promised) in [(5, "lab-2"), (6, "lab-4")] {
        let name = enroll(registry, number, "lab").await.name;
        same(&name.as_str(), &promised, "retired nodes give up their names, locked ones do not");
    }
}
