//! Cases: which nodes are listed, in which order.

use std::collections::BTreeMap;

use super::all;
use super::at;
use super::enrolment;
use super::invite;
use super::issue;
use super::node_id;
use super::user;
use crate::contract::promise::kept;
use crate::contract::promise::same;
use crate::invite::Invite;
use crate::registry::NodeChange;
use crate::registry::NodeFilter;
use crate::registry::NodeRegistry;

/// Nodes are listed by name; nodes of one name, of different owners, by id.
pub async fn nodes_are_listed_by_name_then_by_id(registry: &dyn NodeRegistry) {
    let nodes =
        [(5, 1, "delta"), (2, 2, "alpha"), (4, 3, "alpha"), (1, 1, "gamma"), (3, 1, "alpha")];
    for (number, owner, name) in nodes {
        issue(registry, Invite { owner: user(owner), ..invite(number, name) }).await;
        kept(registry.enroll(enrolment(number), at(1)).await, "a good invite makes a node");
    }
    let ids: Vec<_> = all(registry).await.iter().map(|node| node.id).collect();
    let promised = [2, 3, 4, 5, 1].map(node_id).to_vec();
    same(&ids, &promised, "nodes are listed by name, then by id");
}

/// A filter lists exactly the nodes that fit all of it.
pub async fn filters_combine(registry: &dyn NodeRegistry) {
    for number in 1..=16u8 {
        let gpu = if number & 2 == 0 { "a100" } else { "h100" };
        let mut labels = BTreeMap::from([("gpu".to_owned(), gpu.to_owned())]);
        if number & 4 == 0 {
            labels.insert("rack".to_owned(), String::new());
        }
        let owner = user(1 + (number & 1));
        issue(registry, Invite { owner, labels, ..invite(number, "lab") }).await;
        kept(registry.enroll(enrolment(number), at(1)).await, "a good invite makes a node");
        if number & 8 == 0 {
            let retired = registry.amend(node_id(number), vec![NodeChange::Retire], at(2)).await;
            kept(retired, "a node can be retired");
        }
    }
    let everything = all(registry).await;
    same(&everything.len(), &16, "all nodes are listed when retired ones are asked for");
    let selectors = [None, Some(""), Some("gpu=a100"), Some("gpu!=a100,rack"), Some("zone")];
    for owner in [None, Some(1), Some(2), Some(3)] {
        for labels in selectors {
            for retired in [false, true] {
                let labels = labels.map(|text| text.parse().expect("the selector is right"));
                let owner = owner.map(user);
                let filter = NodeFilter { owner, labels, retired, ..NodeFilter::default() };
                let fitting = everything.iter().filter(|node| filter.fits(node));
                let promised = fitting.cloned().collect::<Vec<_>>();
                let listed = kept(registry.list(filter.clone()).await, "nodes are listed");
                same(
                    &listed,
                    &promised,
                    &format!("exactly the nodes that fit {filter:?} are listed"),
                );
            }
        }
    }
}
