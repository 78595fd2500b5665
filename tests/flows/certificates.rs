//! Node certificates: got, renewed, run out, copied.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::node::Admission;
use cortex_core::node::Node;
use cortex_core::node::Suspicion;
use cortex_core::registry::NodeChange;
use cortex_core::task::State;
use cortex_core::task::TaskSpec;
use cortex_core::timestamp::Timestamp;
use cortex_hub_lib::AuditFilter;
use cortex_hub_lib::HubConfig;
use cortex_hub_lib::config::NodeTls;
use cortex_hub_lib::trust::Purpose;
use cortex_node_lib::Status;
use ed25519_dalek::SigningKey;
use rcgen::KeyPair;
use serde_json::Value;

use crate::impersonation::Member;
use crate::sandbox::RunningNode;
use crate::sandbox::Sandbox;
use crate::sandbox::wait;

fn mutual(life_s: u64) -> impl FnOnce(&mut HubConfig) {
    move |config| {
        config.tls.nodes = NodeTls::Mutual;
        config.tls.node_certificate_s = life_s;
    }
}

async fn lab(sandbox: &Sandbox) -> Node {
    sandbox.hub.node(&sandbox.who, "lab").await.unwrap()
}

/// Waits until the node has renewed up to this generation.
async fn renewed(sandbox: &Sandbox, generation: u64) {
    let reached = async {
        while lab(sandbox).await.join.generation < generation {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    wait(reached).await;
}

/// Waits until the node was told that it is locked, and stops it: by itself it would dial again.
async fn locked_out(node: RunningNode) {
    let mut status = node.status();
    let is_told = |status: &Status| {
        let Status::Waiting { reason, .. } = status else { return false };
        reason.contains("the node was locked") || reason.contains("a copy of this node's")
    };
    wait(status.wait_for(is_told)).await.unwrap();
    node.stop().await;
}

/// What the records of an action say, newest first; all are the hub's own.
async fn by_hub(sandbox: &Sandbox, action: Action) -> Vec<String> {
    let filter = AuditFilter { action: Some(action), limit: 99, ..AuditFilter::default() };
    let records = sandbox.hub.audit(&sandbox.who, filter).await.unwrap();
    assert!(records.iter().all(|record| record.actor == Actor::Hub), "{records:?}");
    records.into_iter().map(|record| record.detail).collect()
}

/// A task that waits for its node to come back.
fn patient() -> TaskSpec {
    let mut spec = TaskSpec::argv(["true"]);
    spec.queue = true;
    spec
}

async fn runs(sandbox: &Sandbox, node: &RunningNode) {
    let session = sandbox.session(&[node]).await;
    let task = sandbox.run(session, patient()).await;
    assert_eq!(task.state, State::Succeeded);
}

fn enrolment(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("enrolment.json")).unwrap()).unwrap()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mutual_a_node_enrols_renews_and_comes_back_after_its_certificate_ran_out() {
    let sandbox = Sandbox::with_config(mutual(2)).await;
    let config = sandbox.invite("lab").await;
    let node = sandbox.start_node(&config, "lab", |builder| builder).await;
    renewed(&sandbox, 3).await;
    runs(&sandbox, &node).await;
    node.stop().await;
    let dir = sandbox.path("lab-data");
    let kept = enrolment(&dir);
    let ends: Timestamp = kept["certificate"]["to"].as_str().unwrap().parse().unwrap();
    let left = ends.since(Timestamp::from(std::time::SystemTime::now()));
    tokio::time::sleep(left + Duration::from_millis(10)).await;
    let node = sandbox.start_node(&config, "lab", |builder| builder).await;
    assert!(lab(&sandbox).await.join.generation > kept["generation"].as_u64().unwrap());
    runs(&sandbox, &node).await;
    node.stop().await;
    let keys = std::fs::read_dir(&dir).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("tls-")
    });
    assert!(keys.count() <= 2, "the keys of old certificates are removed");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_enrolled_by_token_goes_on_when_its_hub_turns_to_mutual_and_back() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    runs(&sandbox, &node).await;
    let sandbox = sandbox.restart_with(mutual(3600)).await;
    sandbox.online("lab").await;
    runs(&sandbox, &node).await;
    let sandbox = sandbox.restart_with(|config| config.tls.nodes = NodeTls::Token).await;
    sandbox.online("lab").await;
    runs(&sandbox, &node).await;
    node.stop().await;
    sandbox.stop().await;
}

/// The hub has renewed, and the node crashed before it had the answer: all that it has is the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_a_crash_cut_off_is_brought_to_its_end() {
    let sandbox = Sandbox::with_config(mutual(3600)).await;
    let config = sandbox.invite("lab").await;
    let node = sandbox.start_node(&config, "lab", |builder| builder).await;
    let id = node.node.id().unwrap();
    node.stop().await;
    let dir = sandbox.path("lab-data");
    let key = KeyPair::generate().unwrap();
    std::fs::write(dir.join("tls-2.key"), key.serialize_pem()).unwrap();
    let seed = std::fs::read_to_string(dir.join("identity.key")).unwrap();
    let seed = cortex_node_lib::config::Pin::from_str(seed.trim()).unwrap();
    let member = Member::of(id, SigningKey::from_bytes(seed.as_bytes()));
    assert_eq!(member.renew(&sandbox, 1, &key).await.unwrap(), 2);

    let node = sandbox.start_node(&config, "lab", |builder| builder).await;
    runs(&sandbox, &node).await;
    let known = lab(&sandbox).await;
    assert_eq!((known.join.generation, known.admission), (2, Admission::Active));
    assert_eq!(enrolment(&dir)["generation"], 2);
    node.stop().await;
    sandbox.stop().await;
}

/// Without a good certificate it gets no further than the door, and is told there.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_removed_while_its_certificate_ran_out_erases_itself() {
    let sandbox = Sandbox::with_config(mutual(1)).await;
    let node = sandbox.node("lab").await;
    node.stop().await;
    let dir = sandbox.path("lab-data");
    let ends: Timestamp = enrolment(&dir)["certificate"]["to"].as_str().unwrap().parse().unwrap();
    sandbox.hub.amend_node(&sandbox.who, "lab", vec![NodeChange::Retire]).await.unwrap();
    let left = ends.since(Timestamp::from(std::time::SystemTime::now()));
    tokio::time::sleep(left + Duration::from_millis(10)).await;
    let error = sandbox.restart_node("lab").ended().await.expect_err("it is no node any more");
    assert_eq!(error.code(), "node_revoked");
    assert!(!dir.join("identity.key").exists() && !dir.join("enrolment.json").exists());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_09_of_a_copied_directory_both_copies_are_locked_and_the_newer_comes_back() {
    let sandbox = Sandbox::with_config(|config| config.tls.node_certificate_s = 3).await;
    let config = sandbox.invite("lab").await;
    let node = sandbox.start_node(&config, "lab", |builder| builder).await;
    node.stop().await;
    copy(&sandbox.path("lab-data"), &sandbox.path("copy-data"));

    let original = sandbox.start_node(&config, "lab", |builder| builder).await;
    renewed(&sandbox, 2).await;
    let copied = sandbox.launch(&config, "copy", |builder| builder);
    locked_out(copied).await;
    locked_out(original).await;
    let locked = lab(&sandbox).await;
    let found = (locked.admission, locked.suspicion);
    assert_eq!(found, (Admission::Locked, Some(Suspicion::Cloned)));
    assert_eq!(by_hub(&sandbox, Action::NodeSuspect).await, ["lab cloned"]);
    let renewals = by_hub(&sandbox, Action::NodeRenew).await;
    assert_eq!(renewals.last().unwrap(), "lab from generation 1");

    sandbox.hub.amend_node(&sandbox.who, "lab", vec![NodeChange::Lock(false)]).await.unwrap();
    assert_eq!(lab(&sandbox).await.suspicion, None);
    let original = sandbox.start_node(&config, "lab", |builder| builder).await;
    runs(&sandbox, &original).await;
    let copied = sandbox.launch(&config, "copy", |builder| builder);
    locked_out(copied).await;
    assert_eq!(lab(&sandbox).await.suspicion, Some(Suspicion::Cloned));
    locked_out(original).await;
    sandbox.stop().await;
}

/// Both are cut off when the authority is revoked that has signed their certificates: one while it is
/// there, the other while it is away, so that it meets an unknown authority too.
#[tokio::test(flavor = "multi_thread")]
async fn in_mutual_nodes_come_back_by_themselves_after_their_authority_was_revoked() {
    let sandbox = Sandbox::with_config(mutual(24 * 3600)).await;
    let (node, away) = (sandbox.node("lab").await, sandbox.node("away").await);
    away.stop().await;
    for generation in [2, 3] {
        sandbox.rotate(Purpose::Ca, 1).await;
        renewed(&sandbox, generation).await;
        runs(&sandbox, &node).await;
    }
    let sandbox = sandbox.restart().await;
    let config = sandbox.path("away.yaml");
    let away = sandbox.start_node(&config, "away", |builder| builder).await;
    runs(&sandbox, &away).await;
    sandbox.online("lab").await;
    runs(&sandbox, &node).await;
    assert_eq!(lab(&sandbox).await.join.generation, 3, "a restart costs no renewal");
    node.stop().await;
    away.stop().await;
    sandbox.stop().await;
}

/// Each connection ends with the certificate that opened it; meanwhile, the authority is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn row_13_in_mutual_certificates_run_out_and_authorities_go_without_a_failed_task() {
    let sandbox = Sandbox::with_config(mutual(2)).await;
    let node = sandbox.node("lab").await;
    let session = sandbox.session(&[&node]).await;
    let over = AtomicBool::new(false);
    let work = async {
        let mut done = 0;
        while !over.load(Ordering::Relaxed) {
            let tasks = (0..4).map(|_| sandbox.run(session, patient()));
            for ended in futures::future::join_all(tasks).await {
                assert_eq!(ended.state, State::Succeeded, "{ended:?}");
                done += 1;
            }
        }
        done
    };
    let turning = async {
        let mut status = node.node.status();
        for round in 1..=3 {
            sandbox.rotate(Purpose::Ca, 1).await;
            renewed(&sandbox, 1 + round).await;
            // Stream after stream: the hub itself never stops.
            let is_next =
                |status: &Status| matches!(status, Status::Online { epoch } if *epoch > 2 * round);
            wait(status.wait_for(is_next)).await.unwrap();
        }
        over.store(true, Ordering::Relaxed);
    };
    let (done, ()) = tokio::join!(work, turning);
    assert!(done > 0);
    node.stop().await;
    sandbox.stop().await;
}
