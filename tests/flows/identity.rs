//! Identity keys: replaced, stolen, cut off on the way.

use std::path::Path;
use std::time::Duration;

use cortex_core::audit::Action;
use cortex_core::audit::Actor;
use cortex_core::audit::Record;
use cortex_core::node::Node;
use cortex_core::registry::NodeChange;
use cortex_core::task::State;
use cortex_core::task::TaskSpec;
use cortex_hub_lib::AuditFilter;
use cortex_hub_lib::config::NodeTls;
use cortex_hub_lib::trust::Purpose;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::Status;
use cortex_node_lib::config::Environment;
use cortex_node_lib::config::NodeConfig;
use cortex_node_lib::config::Pin;
use ed25519_dalek::SigningKey;
use tonic::Code;

use crate::impersonation::Member;
use crate::impersonation::calls;
use crate::impersonation::dial;
use crate::impersonation::stream;
use crate::impersonation::token;
use crate::receipts::verified;
use crate::sandbox::Sandbox;
use crate::sandbox::wait;

async fn lab(sandbox: &Sandbox) -> Node {
    sandbox.hub.node(&sandbox.who, "lab").await.unwrap()
}

/// The key in a node's directory.
fn key_in(dir: &Path, file: &str) -> SigningKey {
    let seed = std::fs::read_to_string(dir.join(file)).unwrap();
    let seed: Pin = seed.trim().parse().unwrap();
    SigningKey::from_bytes(seed.as_bytes())
}

/// Does what `cortex-node rotate-identity` does.
async fn rotate(sandbox: &Sandbox, name: &str) -> cortex_core::Result<[u8; 32]> {
    let file = sandbox.path(&format!("{name}.yaml"));
    let mut config = NodeConfig::load(&file, &Environment::empty()).unwrap().config;
    config.data_dir = sandbox.path(&format!("{name}-data"));
    let (_, mut driver) = NodeBuilder::new(config).build().unwrap();
    driver.rotate_identity().await
}

/// The changes of keys that are on record, the first one first.
async fn recorded(sandbox: &Sandbox) -> Vec<Record> {
    let filter = AuditFilter { action: Some(Action::NodeRekey), limit: 99, ..Default::default() };
    let mut records = sandbox.hub.audit(&sandbox.who, filter).await.unwrap();
    records.reverse();
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_replaced_opens_nothing_and_what_it_had_opened_is_shut() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.node("lab").await;
    let id = node.node.id().unwrap();
    let (old, new) = (
        Member::of(id, key_in(&sandbox.path("lab-data"), "identity.key")),
        Member::of(id, SigningKey::from_bytes(&[9; 32])),
    );
    let channel = dial(&sandbox, "", None).await;
    let stolen = token(&sandbox, channel.clone(), &old).await.unwrap();
    assert_eq!(calls(channel.clone(), &stolen, id).await[0].1, Code::Ok);
    let mut status = node.status();
    for _ in 0..2 {
        // The answer was lost: the same two keys get the same one.
        old.rekey(&sandbox, &SigningKey::from_bytes(&[9; 32])).await.unwrap();
    }
    // The stream that the old key has opened ends, and there is no other one by it.
    let is_shut = |status: &Status| matches!(status, Status::Waiting { reason, .. } if reason.contains("was replaced"));
    wait(status.wait_for(is_shut)).await.unwrap();
    node.stop().await;
    let sandbox = {
        let refused = async |sandbox: &Sandbox| {
            let channel = dial(sandbox, "", None).await;
            for (call, code) in calls(channel.clone(), &stolen, id).await {
                // A heartbeat belongs to a stream, and after a restart there is none.
                let is_refused = matches!(code, Code::Unauthenticated | Code::Aborted);
                assert!(is_refused, "{call}: {code}");
            }
            let code = stream(sandbox, channel.clone(), &stolen, &old).await;
            assert_eq!(code, Code::Unauthenticated);
            let error = token(sandbox, channel, &old).await.unwrap_err();
            assert_eq!(error.code(), Code::Unauthenticated);
            let tls = rcgen::KeyPair::generate().unwrap();
            let error = old.renew(sandbox, 1, &tls).await.unwrap_err();
            assert_eq!(error.code(), Code::Unauthenticated);
            let error = old.rekey(sandbox, &SigningKey::from_bytes(&[8; 32])).await.unwrap_err();
            assert_eq!(error.code(), Code::Unauthenticated);
        };
        refused(&sandbox).await;
        let sandbox = sandbox.restart().await;
        refused(&sandbox).await;
        sandbox
    };
    let channel = dial(&sandbox, "", None).await;
    let own = token(&sandbox, channel.clone(), &new).await.unwrap();
    assert_eq!(calls(channel.clone(), &own, id).await[0].1, Code::Ok);
    assert_eq!(stream(&sandbox, channel, &own, &new).await, Code::Ok);
    let records = recorded(&sandbox).await;
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(record.actor, Actor::Node(id));
    let keys: Vec<_> = lab(&sandbox).await.identity_keys();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let hex: String = key.key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(record.detail.contains(&hex), "{}", record.detail);
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_new_key_is_the_same_node_and_its_receipts_stay_good() {
    for tls in [NodeTls::Token, NodeTls::Mutual] {
        let sandbox = Sandbox::with_config(|config| config.tls.nodes = tls).await;
        let node = sandbox.node("lab").await;
        let session = sandbox.session(&[&node]).await;
        sandbox.run(session, TaskSpec::argv(["echo", "old"])).await;
        // One that does not come to its end under the old key.
        let cut = TaskSpec::argv(["sh", "-c", "echo on; sleep 300"]);
        let cut = sandbox.submit(session, cut).await;
        while sandbox.hub.task(&sandbox.who, cut.id).await.unwrap().output.stdout.stored == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let before = lab(&sandbox).await;
        node.crash(&sandbox.path("lab-data")).await;
        let named = rotate(&sandbox, "lab").await.unwrap();
        let node = sandbox.restart_node("lab");
        wait(node.node.wait_online()).await.unwrap();
        assert_eq!(sandbox.finish(&cut).await.state, State::Interrupted);
        let task = sandbox.run(session, TaskSpec::argv(["echo", "new"])).await;
        assert_eq!(task.state, State::Succeeded);
        let known = lab(&sandbox).await;
        assert_eq!((known.id, known.identity, known.former_keys.len()), (before.id, named, 1));
        assert_eq!(verified(&sandbox, session).await.len(), 3);
        node.stop().await;
        sandbox.stop().await;
    }
}

/// Wherever the machine crashes, the next start finds out what the hub knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_any_two_steps_of_a_change_costs_nothing() {
    let steps = ["the key is on the disk", "the hub has changed", "the answer is stored"];
    for (step, words) in steps.into_iter().enumerate() {
        let sandbox = Sandbox::start().await;
        let node = sandbox.node("lab").await;
        let id = node.node.id().unwrap();
        let session = sandbox.session(&[&node]).await;
        node.stop().await;
        let dir = sandbox.path("lab-data");
        let old = key_in(&dir, "identity.key");
        std::fs::write(dir.join("identity-next.key"), "0b".repeat(32)).unwrap();
        let next = key_in(&dir, "identity-next.key");
        if step >= 1 {
            Member::of(id, old).rekey(&sandbox, &next).await.unwrap();
        }
        if step >= 2 {
            std::fs::rename(dir.join("identity-next.key"), dir.join("identity.key")).unwrap();
        }
        // The hub may have crashed too.
        let sandbox = sandbox.restart().await;
        let node = sandbox.restart_node("lab");
        wait(node.node.wait_online()).await.unwrap();
        let task = sandbox.run(session, TaskSpec::argv(["true"])).await;
        assert_eq!(task.state, State::Succeeded, "{words}");
        assert_eq!(lab(&sandbox).await.identity, next.verifying_key().to_bytes(), "{words}");
        assert_eq!(recorded(&sandbox).await.len(), 1, "{words}");
        assert!(!dir.join("identity-next.key").exists(), "{words}");
        node.stop().await;
        sandbox.stop().await;
    }
}

/// The node has only its bundle to go by when it starts, and asks for a newer one before it asks again.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_a_rotation_of_the_hubs_own_keys_has_overtaken_comes_to_its_end() {
    let sandbox = Sandbox::start().await;
    let (node, other) = (sandbox.node("lab").await, sandbox.node("other").await);
    let session = sandbox.session(&[&node]).await;
    node.stop().await;
    let dir = sandbox.path("lab-data");
    std::fs::write(dir.join("identity-next.key"), "0b".repeat(32)).unwrap();
    let next = key_in(&dir, "identity-next.key");
    for purpose in [Purpose::Ca, Purpose::Signing] {
        sandbox.rotate(purpose, 1).await;
    }
    let node = sandbox.restart_node("lab");
    wait(node.node.wait_online()).await.unwrap();
    let task = sandbox.run(session, TaskSpec::argv(["true"])).await;
    assert_eq!(task.state, State::Succeeded);
    assert_eq!(lab(&sandbox).await.identity, next.verifying_key().to_bytes());
    node.stop().await;
    other.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_locked_keeps_its_key_and_one_that_was_removed_erases_both() {
    let sandbox = Sandbox::start().await;
    sandbox.node("lab").await.stop().await;
    let dir = sandbox.path("lab-data");
    let change = async |change| {
        sandbox.hub.amend_node(&sandbox.who, "lab", vec![change]).await.unwrap();
    };
    change(NodeChange::Lock(true)).await;
    let error = rotate(&sandbox, "lab").await.expect_err("locked");
    assert!(error.message().contains("locked"), "{error}");
    assert!(dir.join("identity-next.key").exists(), "it may be unlocked");
    change(NodeChange::Lock(false)).await;
    change(NodeChange::Retire).await;
    let error = rotate(&sandbox, "lab").await.expect_err("removed");
    assert_eq!(error.code(), "node_revoked");
    for file in ["identity.key", "identity-next.key", "enrolment.json"] {
        assert!(!dir.join(file).exists(), "{file} is erased");
    }
    assert!(recorded(&sandbox).await.is_empty());
    sandbox.stop().await;
}
