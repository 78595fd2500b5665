//! Several that say to be one node: by its streams, its generations, its keys.

use std::sync::Arc;

use axum::http::StatusCode;
use cortex_core::ErrorKind;
use cortex_core::id::BootId;
use cortex_core::id::NodeId;
use cortex_core::node::Health;
use cortex_core::node::Renewal;
use cortex_core::proof;
use cortex_core::registry::NodeChange;
use cortex_core::report::News;
use cortex_core::report::Report;
use cortex_core::task::Outcome;
use ed25519_dalek::Signer as _;
use ed25519_dalek::SigningKey;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::enrolment::Machine;
use super::enrolment::by_hub;
use super::enrolment::issue;
use super::rig::LIMIT;
use super::rig::Rig;
use super::rig::until;
use crate::hub::NodeToken;
use crate::hub::Opened;
use crate::hub::RekeyClaim;
use crate::hub::StreamClaim;
use crate::link::CloseReason;
use crate::link::Up;
use crate::trust::token::NODE_LIFE;

/// The key of the rig's nodes.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// An access token for a node of the rig's.
async fn token_of(rig: &Rig, id: NodeId) -> cortex_core::Result<NodeToken> {
    let tokens = rig.hub.trust().tokens();
    // A token of the very millisecond of a revocation is refused; a node asks for another one then.
    let before = crate::clock::now();
    while crate::clock::now() == before {
        tokio::task::yield_now().await;
    }
    let now = crate::clock::now();
    let issued = tokens.issue_node(id, &key().verifying_key().to_bytes(), NODE_LIFE, now).unwrap();
    rig.hub.authenticate_node(issued.token.expose_secret())
}

/// Opens one more stream of a node of the rig's, by a process of its own.
async fn open(rig: &Rig, id: NodeId, generation: u64) -> cortex_core::Result<Opened> {
    let token = token_of(rig, id).await?;
    let (nonce, boot) = (rig.hub.stream_challenge(id).unwrap(), BootId::generate());
    let proven = proof::stream(rig.hub.id(), id, &nonce, boot, generation);
    let claim = StreamClaim { nonce, boot, generation, signature: key().sign(&proven).to_vec() };
    rig.hub.open_stream(&token, &claim).await
}

#[tokio::test]
async fn row_09_the_newest_stream_wins_and_flapping_locks_the_node() {
    let rig = Rig::start().await;
    let node = rig.node("lab").await;
    let id = node.id;
    let mut opened = vec![rig.hub.links().get(id).unwrap()];
    // A stream that is dropped has ended by itself.
    let mut held = Vec::new();
    let token = token_of(&rig, id).await.unwrap();
    for takeover in 1..=3 {
        held.push(open(&rig, id, 1).await.unwrap());
        let newest = rig.hub.links().get(id).unwrap();
        assert_eq!(newest.epoch, takeover + 1);
        let older = opened.last().unwrap();
        assert_eq!(older.close_reason(), Some(&CloseReason::TakenOver));
        let fenced = rig.hub.beat(&token, older.epoch, Health::default()).await.unwrap_err();
        assert_eq!((fenced.kind(), fenced.code()), (ErrorKind::Conflict, "fenced"));
        rig.hub.beat(&token, newest.epoch, Health::default()).await.unwrap();
        opened.push(newest);
    }
    let refused = open(&rig, id, 1).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Denied, "node_locked"));
    assert_eq!(opened.last().unwrap().close_reason(), Some(&CloseReason::Locked));
    let shown = rig.get("/api/nodes/lab").await.json();
    let found = (&shown["status"], &shown["locked"], &shown["lock_reason"]);
    assert_eq!(found, (&json!("revoked"), &json!(true), &json!("flapping")));
    let unlocked = rig.call("PATCH", "/api/nodes/lab", Some(json!({ "locked": false }))).await;
    assert!(unlocked.json().get("lock_reason").is_none());
    open(&rig, id, 1).await.unwrap();
    rig.stop().await;
}

/// What a stream says that was replaced counts no more: neither a beat nor a result.
#[tokio::test]
async fn row_09_the_result_of_a_stream_that_was_replaced_is_not_taken() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    rig.call(
        "POST",
        "/api/sessions/default/dispatch",
        Some(json!({"argv": ["ls"], "node": "lab"})),
    )
    .await;
    let task = node.task().await;
    node.start(&task).await;
    let path = format!("/api/tasks/{}", task.id);
    until(async || rig.get(&path).await.json()["state"] == "running").await;
    let _newer = open(&rig, node.id, 1).await.unwrap();
    assert_eq!(node.cut_off().await, CloseReason::TakenOver);
    // Once the hub has let go of it, there is nobody who takes a result.
    tokio::time::timeout(LIMIT, node.opened.up.closed()).await.unwrap();
    let outcome = Outcome::Exited { code: 0 };
    let receipt = Arc::new(node.receipt(&task, &outcome).sign(node.key()));
    let news = News::Ended { outcome, receipt };
    let report = Report { task: task.id, attempt: task.attempt, sequence: 2, news };
    assert!(node.opened.up.send(Up::Reports(vec![report])).await.is_err(), "fenced");
    assert_eq!(rig.get(&path).await.json()["state"], "running");
    rig.stop().await;
}

#[tokio::test]
async fn an_identity_key_that_was_replaced_does_not_enrol_the_node_again() {
    let rig = Rig::start().await;
    let issued = issue(&rig, None).await;
    let token = issued.token.expose_secret();
    let (old, new) = (Machine::new(1), SigningKey::from_bytes(&[2; 32]));
    let made = old.enrol(&rig, token).await.json();
    let id: NodeId = made["node"].as_str().unwrap().parse().unwrap();
    let rekey = async |from: &SigningKey, to: &SigningKey| {
        let challenge = rig.hub.rekey_challenge(id).unwrap();
        let [old, new] = [from, to].map(|key| key.verifying_key().to_bytes());
        let proven = proof::identity_change(rig.hub.id(), id, &challenge, &old, &new);
        let [by_old, by_new] = [from, to].map(|key| key.sign(&proven).to_vec());
        let claim = RekeyClaim { node: id, challenge, from: old, to: new, by_old, by_new };
        rig.hub.rekey(claim).await
    };
    assert_eq!(old.enrol(&rig, token).await.status, StatusCode::OK, "a repeat");
    rekey(&old.key, &new).await.unwrap();
    rekey(&old.key, &new).await.unwrap();
    let again = old.enrol(&rig, token).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (403, "invite_already_used"));
    // Back to the former key, or on from it: neither.
    let back = rekey(&new, &old.key).await.unwrap_err();
    assert_eq!((back.kind(), back.code()), (ErrorKind::Invalid, "identity_reused"));
    let stale = rekey(&old.key, &key()).await.unwrap_err();
    assert_eq!((stale.kind(), stale.code()), (ErrorKind::Unauthenticated, "bad_proof"));
    let listed = rig.get("/api/audit?action=node.rekey").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    rig.stop().await;
}

#[tokio::test]
async fn row_09_a_stream_of_an_old_generation_locks_both_copies() {
    let rig = Rig::start().await;
    let node = rig.node("lab").await;
    let id = node.id;
    let live = rig.hub.links().get(id).unwrap();
    let renewal = NodeChange::Renew(Renewal { generation: 1, key: [1; 32] });
    let who = rig.principal().await;
    rig.hub.amend_node(&who, "lab", vec![renewal]).await.unwrap();
    let refused = open(&rig, id, 1).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Denied, "node_locked"));
    assert_eq!(live.close_reason(), Some(&CloseReason::Locked));
    let listed = rig.get("/api/nodes").await.json();
    assert_eq!(listed["items"][0]["lock_reason"], "cloned");
    assert_eq!(by_hub(&rig, "node.suspect").await, "lab cloned");
    rig.call("PATCH", "/api/nodes/lab", Some(json!({ "locked": false }))).await;
    open(&rig, id, 2).await.unwrap();
    rig.stop().await;
}
