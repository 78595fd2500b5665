//! Case: everything survives a restart.

use std::sync::Arc;

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
use super::opened;
use super::user;
use crate::capability::Capabilities;
use crate::contract::promise::kept;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::id::BootId;
use crate::invite::Fate;
use crate::node::Grant;
use crate::node::Health;
use crate::node::Rekey;
use crate::node::Renewal;
use crate::node::Sighting;
use crate::node::Suspicion;
use crate::registry::InviteAct;
use crate::registry::NodeChange;
use crate::registry::NodeRegistry;

/// Writes to the registry that `make` gives for step 0, lets it go, and reads from that of step 1.
///
/// Both are to be backends of the same storage, which is empty at first. A registry that keeps
/// nothing, as the one in memory, has nothing to show here.
///
/// # Panics
/// The registry breaks a promise of [`NodeRegistry`]; the message says which.
pub async fn node_registry_reopened(make: impl AsyncFn(usize) -> Arc<dyn NodeRegistry>) {
    let before = make(0).await;
    write(&*before).await;
    let nodes = all(&*before).await;
    let invites = kept(before.invites(None).await, "invites are listed");
    drop(before);

    let after = make(1).await;
    same(&all(&*after).await, &nodes, "nodes survive a restart");
    let survivors = kept(after.invites(None).await, "invites are listed");
    same(&survivors, &invites, "invites survive a restart");
    go_on(&*after).await;
}

async fn write(registry: &dyn NodeRegistry) {
    for number in 1..=3 {
        enroll(registry, number, "lab").await;
    }
    issue(registry, invite(4, "later")).await;
    issue(registry, invite(5, "never")).await;
    let withdrawn = registry.invite(InviteAct::Withdraw(invite_id(5)), at(2)).await;
    kept(withdrawn, "an open invite can be withdrawn");
    kept(
        registry.amend(node_id(2), vec![NodeChange::Retire], at(3)).await,
        "a node can be retired",
    );
    kept(
        registry.amend(node_id(3), vec![NodeChange::Lock(true)], at(3)).await,
        "a node can be locked",
    );
    let share = vec![NodeChange::Grant(user(2), Grant::Manage)];
    kept(registry.amend(node_id(1), share, at(3)).await, "a node can be shared");
    let renew = vec![NodeChange::Renew(Renewal { generation: 1, key: [7; 32] })];
    kept(registry.amend(node_id(1), renew, at(3)).await, "a node can renew");
    let rekey = vec![NodeChange::Rekey(Rekey { from: [1; 32], to: [9; 32], at: at(3) })];
    kept(registry.amend(node_id(1), rekey, at(3)).await, "a node can replace its key");
    let suspect = vec![NodeChange::Suspect(Suspicion::Cloned)];
    kept(registry.amend(node_id(3), suspect, at(3)).await, "a node can be suspected");
    let capabilities = Capabilities { cores: 8, ..Capabilities::default() };
    let stream = Sighting::Opened {
        boot: BootId::from_bytes([7; 16]),
        capabilities: Some(capabilities),
        version: "2.0".to_owned(),
    };
    kept(registry.touch(node_id(1), opened(6), at(4)).await, "a stream can be opened");
    kept(registry.touch(node_id(1), stream, at(5)).await, "a stream can be opened");
    let described = Sighting::Described {
        capabilities: Capabilities { cores: 16, ..Capabilities::default() },
        version: "2.1".to_owned(),
    };
    kept(registry.touch(node_id(1), described, at(6)).await, "a node can describe itself");
}

async fn go_on(registry: &dyn NodeRegistry) {
    let beat = |epoch| Sighting::Beat { epoch, health: Health::default() };
    let stale = registry.touch(node_id(1), beat(1), at(10)).await;
    refused_as(stale, Kind::Conflict, "fenced", "fencing survives a restart");
    kept(registry.touch(node_id(1), beat(2), at(10)).await, "a stream's epoch survives a restart");
    let next = kept(registry.touch(node_id(1), opened(8), at(11)).await, "a stream can be opened");
    same(&next.epoch, &3, "epochs go on after a restart");

    let again = kept(registry.enroll(enrolment(1), at(12)).await, "an enrolment can be repeated");
    same(&again, &get(registry, 1).await, "a repeat after a restart gets the same node");
    let late = registry.enroll(enrolment(1), at(5_000)).await;
    let promise = "a used invite stays used after a restart";
    refused_as(late, Kind::Denied, "invite_already_used", promise);
    let later = kept(registry.enroll(enrolment(4), at(13)).await, "an open invite stays good");
    same(&later.name.as_str(), &"later", "an invite's name survives a restart");
    same(
        &fate(registry, 4).await,
        &Fate::Used { node: node_id(4), identity: [4; 32], at: at(13) },
        "an enrolment after a restart uses its invite",
    );
}
