//! Cases: whether a node is there, and which of its streams counts.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::all;
use super::at;
use super::enroll;
use super::get;
use super::node_id;
use super::opened;
use crate::capability::Capabilities;
use crate::capability::OfferedSkill;
use crate::contract::promise::kept;
use crate::contract::promise::refused;
use crate::contract::promise::refused_as;
use crate::contract::promise::same;
use crate::error::Kind;
use crate::id::BootId;
use crate::node::Health;
use crate::node::Node;
use crate::node::Presence;
use crate::node::Sighting;
use crate::registry::NodeChange;
use crate::registry::NodeRegistry;
use crate::timestamp::Timestamp;

fn health() -> Health {
    Health {
        cpu_percent: 12.5,
        memory_used: 3 << 30,
        memory_total: 64 << 30,
        disk_free: 1 << 40,
        disk_total: 7 << 40,
        load_one: 0.25,
        tasks_running: 3,
    }
}

async fn touch(registry: &dyn NodeRegistry, sighting: Sighting, now: Timestamp) -> Presence {
    let presence = registry.touch(node_id(1), sighting, now).await;
    kept(presence, "a sighting of the newest stream is recorded")
}

/// Each opened stream counts one up and brings what the node says about itself.
pub async fn each_stream_gets_the_next_epoch(registry: &dyn NodeRegistry) {
    let enrolled = enroll(registry, 1, "lab").await;
    let (name, version) = ("shell".to_owned(), "1".to_owned());
    let skill = OfferedSkill { name, version, ..OfferedSkill::default() };
    let stated = Capabilities { cores: 8, skills: vec![skill], ..Capabilities::default() };
    let later = Capabilities { cores: 16, ..Capabilities::default() };
    for (epoch, capabilities) in [(1, stated.clone()), (2, stated), (3, later)] {
        let now = at(10 + epoch);
        let boot = BootId::from_bytes([7; 16]);
        let version = format!("2.{epoch}");
        let sighting = Sighting::Opened {
            boot,
            capabilities: Some(capabilities.clone()),
            version: version.clone(),
        };
        let presence = touch(registry, sighting, now).await;
        let promised = Presence {
            epoch,
            open: true,
            boot: Some(boot),
            since: Some(now),
            last_seen: Some(now),
            health: None,
        };
        same(&presence, &promised, "an opened stream gets the next epoch");
        let promised =
            Node { presence, version, capabilities: Some(capabilities), ..enrolled.clone() };
        let promise = "an opened stream brings the node's version and capabilities";
        same(&get(registry, 1).await, &promised, promise);
    }
}

/// A node that describes itself is known by that, with a stream or without.
pub async fn a_description_is_kept(registry: &dyn NodeRegistry) {
    let enrolled = enroll(registry, 1, "lab").await;
    for (cores, now) in [(8, at(10)), (16, at(11))] {
        let capabilities = Capabilities { cores, ..Capabilities::default() };
        let version = format!("2.{cores}");
        let sighting =
            Sighting::Described { capabilities: capabilities.clone(), version: version.clone() };
        let presence = touch(registry, sighting, now).await;
        same(&presence.open, &false, "a description opens no stream");
        let promised =
            Node { presence, version, capabilities: Some(capabilities), ..enrolled.clone() };
        same(&get(registry, 1).await, &promised, "a description is read at once");
    }
}

/// What an older stream still says is refused and changes nothing.
pub async fn an_older_stream_is_fenced(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    touch(registry, opened(1), at(10)).await;
    touch(registry, opened(2), at(11)).await;
    let before = get(registry, 1).await;
    let promise = "a sighting of another stream than the newest is fenced";
    for epoch in [0, 1, 3] {
        let beat = Sighting::Beat { epoch, health: health() };
        let beat = registry.touch(node_id(1), beat, at(20)).await;
        refused_as(beat, Kind::Conflict, "fenced", promise);
        let closed = registry.touch(node_id(1), Sighting::Closed { epoch }, at(20)).await;
        refused_as(closed, Kind::Conflict, "fenced", promise);
    }
    same(&get(registry, 1).await, &before, "a fenced sighting changes nothing");
    let closed = touch(registry, Sighting::Closed { epoch: 2 }, at(21)).await;
    same(&closed.open, &false, "the newest stream is not fenced");
}

/// A beat's report and time are returned, and read at once.
pub async fn a_beat_is_seen_at_once(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    enroll(registry, 2, "other").await;
    let open = touch(registry, opened(1), at(10)).await;
    for round in 1..=20u32 {
        let now = at(10 + 5 * u64::from(round));
        let health = Health { tasks_running: round, ..health() };
        let beat = Sighting::Beat { epoch: 1, health: health.clone() };
        let presence = touch(registry, beat, now).await;
        let promised = Presence { last_seen: Some(now), health: Some(health), ..open.clone() };
        same(&presence, &promised, "a beat moves the time and the report, and nothing else");
        same(&get(registry, 1).await.presence, &promised, "a beat is read at once");
        let listed = all(registry).await.into_iter().find(|node| node.id == node_id(1));
        let listed = listed.map(|node| node.presence);
        same(&listed, &Some(promised), "a beat is listed at once");
    }
    same(&get(registry, 2).await.presence, &Presence::default(), "a beat is of one node");
}

/// A closed stream is read at once; closing it again changes nothing.
pub async fn a_closed_stream_is_seen_at_once(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    touch(registry, opened(1), at(10)).await;
    let beating = touch(registry, Sighting::Beat { epoch: 1, health: health() }, at(15)).await;
    let promised = Presence { open: false, since: Some(at(17)), ..beating };
    for now in [at(17), at(18)] {
        let closed = touch(registry, Sighting::Closed { epoch: 1 }, now).await;
        same(&closed, &promised, "a stream closes once, and its last report stays");
        same(&get(registry, 1).await.presence, &promised, "a closed stream is read at once");
    }
    let reopened = touch(registry, opened(2), at(20)).await;
    same(&(reopened.epoch, reopened.open), &(2, true), "a closed node can come again");
}

/// A locked or retired node opens no stream; what its open one says is still recorded.
pub async fn a_locked_node_opens_no_stream(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    touch(registry, opened(1), at(10)).await;
    let amend = |change| registry.amend(node_id(1), vec![change], at(11));
    kept(amend(NodeChange::Lock(true)).await, "a node can be locked");
    let before = get(registry, 1).await;
    let refusal = registry.touch(node_id(1), opened(2), at(12)).await;
    refused(refusal, Kind::Denied, "a locked node opens no stream");
    same(&get(registry, 1).await, &before, "a refused stream changes nothing");
    let beat = Sighting::Beat { epoch: 1, health: health() };
    same(&touch(registry, beat, at(13)).await.last_seen, &Some(at(13)), "a locked node may beat");

    kept(amend(NodeChange::Lock(false)).await, "a node can be unlocked");
    same(&touch(registry, opened(3), at(14)).await.epoch, &2, "an unlocked node comes again");
    kept(amend(NodeChange::Retire).await, "a node can be retired");
    let refusal = registry.touch(node_id(1), opened(4), at(15)).await;
    refused(refusal, Kind::Denied, "a retired node opens no stream");
    let closed = touch(registry, Sighting::Closed { epoch: 2 }, at(16)).await;
    same(&closed.open, &false, "the open stream of a retired node can close");
}

/// Streams that open at once get different epochs, and one of them is the newest.
pub async fn racing_streams_get_different_epochs(registry: &dyn NodeRegistry) {
    enroll(registry, 1, "lab").await;
    let race = (1..=16).map(|boot| registry.touch(node_id(1), opened(boot), at(10)));
    let mut epochs = BTreeSet::new();
    for result in join_all(race).await {
        epochs.insert(kept(result, "a stream can be opened").epoch);
    }
    same(&epochs, &(1..=16).collect(), "each opened stream gets its own epoch");
    same(&get(registry, 1).await.presence.epoch, &16, "the newest stream has the last epoch");
}
