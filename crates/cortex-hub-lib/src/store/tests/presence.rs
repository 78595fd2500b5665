//! Heartbeats are seen at once and stored together, later.

use std::collections::BTreeMap;
use std::time::Duration;

use cortex_core::id::BootId;
use cortex_core::id::InviteId;
use cortex_core::id::NodeId;
use cortex_core::invite::Fate;
use cortex_core::invite::Invite;
use cortex_core::node::Health;
use cortex_core::node::Node;
use cortex_core::node::Sighting;
use cortex_core::registry::Enrolment;
use cortex_core::registry::InviteAct;

use super::NOW;
use super::OWNER;
use super::directory;
use super::open;
use crate::store::Store;

#[tokio::test]
async fn heartbeats_cost_few_commits_and_survive_a_close() {
    let directory = directory();
    let store = open(&directory).await;
    let nodes: Vec<NodeId> = (0..20).map(|number| NodeId::from_bytes([number; 16])).collect();
    for id in &nodes {
        enroll(&store, *id).await;
    }
    let before = store.commits();
    // Two minutes of heartbeats.
    for beat in 1..=24 {
        for id in &nodes {
            let now = NOW + Duration::from_secs(5 * beat);
            store.registry().touch(*id, heartbeat(beat), now).await.unwrap();
            assert_eq!(store.registry().get(*id).await.unwrap().presence.last_seen, Some(now));
        }
    }
    store.ping().await.unwrap();
    let commits = store.commits() - before;
    assert!((1..=8).contains(&commits), "{commits} commits");
    store.close().await.unwrap();

    let store = open(&directory).await;
    for id in &nodes {
        let Node { presence, .. } = store.registry().get(*id).await.unwrap();
        assert_eq!(presence.last_seen, Some(NOW + Duration::from_secs(120)));
        assert_eq!(presence.health.map(|health| health.disk_free), Some(24));
    }
}

#[tokio::test]
async fn stored_heartbeats_never_undo_a_newer_stream() {
    let directory = directory();
    let store = open(&directory).await;
    let id = NodeId::from_bytes([1; 16]);
    enroll(&store, id).await;
    let boot = BootId::from_bytes([9; 16]);
    let registry = store.registry();
    registry.touch(id, heartbeat(1), NOW).await.unwrap();
    let stale = store.inner.registry.flush();
    let opened = Sighting::Opened { boot, capabilities: None, version: "2".into() };
    let opened = registry.touch(id, opened, NOW + Duration::from_secs(1));
    let (opened, stale) = futures::join!(opened, stale);
    stale.unwrap();
    assert_eq!(opened.unwrap().epoch, 2);
    drop((registry, store));
    let store = open(&directory).await;
    let node = store.registry().get(id).await.unwrap();
    assert_eq!((node.presence.epoch, node.presence.boot), (2, Some(boot)));
    assert_eq!(node.presence.last_seen, Some(NOW + Duration::from_secs(1)));
}

#[tokio::test]
async fn a_report_that_is_no_number_can_be_read_back() {
    let directory = directory();
    let store = open(&directory).await;
    let id = NodeId::from_bytes([1; 16]);
    enroll(&store, id).await;
    let health = Health { cpu_percent: f32::NAN, load_one: f32::INFINITY, ..Health::default() };
    store.registry().touch(id, Sighting::Beat { epoch: 1, health }, NOW).await.unwrap();
    store.close().await.unwrap();
    let store = open(&directory).await;
    let health = store.registry().get(id).await.unwrap().presence.health;
    assert_eq!(health, Some(Health::default()));
}

fn heartbeat(number: u64) -> Sighting {
    Sighting::Beat { epoch: 1, health: Health { disk_free: number, ..Health::default() } }
}

async fn enroll(store: &Store, id: NodeId) {
    let invite = Invite {
        id: InviteId::from_bytes(*id.as_bytes()),
        secret_digest: [3; 32],
        owner: OWNER,
        name: "lab".into(),
        labels: BTreeMap::new(),
        created_at: NOW,
        expires_at: NOW + Duration::from_secs(60),
        fate: Fate::Open,
    };
    let enrolment = Enrolment {
        invite: invite.id,
        secret_digest: [3; 32],
        node: id,
        identity: [4; 32],
        version: "1".into(),
    };
    let registry = store.registry();
    registry.invite(InviteAct::Issue(invite), NOW).await.unwrap();
    registry.enroll(enrolment, NOW).await.unwrap();
    let boot = BootId::from_bytes([5; 16]);
    let opened = Sighting::Opened { boot, capabilities: None, version: "1".into() };
    registry.touch(id, opened, NOW).await.unwrap();
}
