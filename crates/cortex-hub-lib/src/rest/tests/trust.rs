//! The hub's own keys.

use axum::http::StatusCode;
use serde_json::json;

use super::rig::Rig;
use super::rig::request;

#[tokio::test]
async fn an_admin_turns_keys_step_by_step() {
    let rig = Rig::start().await;
    let before = rig.get("/api/trust").await.json();
    assert_eq!(before["serial"], 1);
    assert_eq!(before["rings"][0]["ring"], "ca");
    assert_eq!(before["rings"][0]["next"], "prepare");
    assert_eq!(before["rings"][1]["keys"], json!([{"number": 1, "phase": "active"}]));
    let anchor = before["trust_anchor"].as_str().unwrap();
    assert_eq!(anchor.len(), 64);

    // Without a body, nothing is forced.
    let prepared = rig.call("POST", "/api/trust/ca/prepare", None).await;
    assert_eq!(prepared.status, StatusCode::OK);
    let phases = |answer: &serde_json::Value| {
        let keys = answer["rings"][0]["keys"].as_array().unwrap().clone();
        keys.into_iter().map(|key| key["phase"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(phases(&prepared.json()), ["active", "prepared"]);
    let again = rig.call("POST", "/api/trust/ca/prepare", None).await;
    assert_eq!(again.code(), "rotation_order");
    assert_eq!(again.json()["hint"], "the next step is: cortex-cli trust activate ca");

    // A connected node that has not said that it has the next key.
    let _node = rig.node("lab").await;
    let behind = rig.call("POST", "/api/trust/ca/activate", None).await;
    assert_eq!(behind.code(), "nodes_behind");
    let force = Some(json!({"force": true}));
    let forced = rig.call("POST", "/api/trust/ca/activate", force.clone()).await;
    assert_eq!(phases(&forced.json()), ["active", "retiring"]);
    assert_eq!(forced.json()["nodes_behind"], json!(["lab"]));
    let tainted = rig.call("POST", "/api/trust/ca/taint", None).await.json();
    assert!(tainted["rings"][0]["keys"][1]["accepted_until"].is_string());
    let early = rig.call("POST", "/api/trust/ca/revoke", None).await;
    assert_eq!(early.code(), "still_accepted");
    let revoked = rig.call("POST", "/api/trust/ca/revoke", force).await;
    assert_eq!(phases(&revoked.json()), ["active"]);
    rig.stop().await;
}

#[tokio::test]
async fn nobody_else_does_and_unknown_words_are_not_found() {
    let rig = Rig::start().await;
    let member = rig.user("ada", "member", &[]).await;
    for (method, path) in [("GET", "/api/trust"), ("POST", "/api/trust/ca/prepare")] {
        let answer = rig.send(request(method, path, Some(&member), None)).await;
        assert_eq!(answer.code(), "admin_only", "{path}");
        let answer = rig.send(request(method, path, None, None)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/api/trust/keys/prepare", "/api/trust/ca/destroy"] {
        let answer = rig.call("POST", path, None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let unknown = rig.call("POST", "/api/trust/ca/prepare", Some(json!({"froce": true}))).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(rig.get("/api/trust").await.json()["serial"], 1);
    rig.stop().await;
}
