//! Where a task may run: requirements, preferred nodes, and why a node cannot take it.

use axum::http::StatusCode;
use serde_json::Value;
use serde_json::json;

use super::rig::Rig;
use super::rig::request;

const DEFAULT: &str = "/api/sessions/default";

/// A hub with two nodes, `a` and `b`, each with its name as the label `role`, in one session.
async fn two_nodes() -> (Rig, [super::rig::FakeNode; 2], String) {
    let rig = Rig::start().await;
    let nodes = [rig.node("a").await, rig.node("b").await];
    let session = rig.call("POST", "/api/sessions", Some(json!({"nodes": ["a", "b"]}))).await;
    let id = session.json()["id"].as_str().unwrap().to_owned();
    (rig, nodes, format!("/api/sessions/{id}"))
}

async fn explain(rig: &Rig, session: &str, body: Value) -> Value {
    let answer = rig.call("POST", &format!("{session}/explain"), Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["items"].clone()
}

#[tokio::test]
async fn a_requirement_chooses_the_node_and_says_why_not_the_others() {
    let (rig, [_a, mut b], session) = two_nodes().await;
    let body = json!({"argv": ["ls"], "require": "label.role=='b'"});
    let sent = rig.call("POST", &format!("{session}/dispatch"), Some(body.clone())).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");
    let task = b.task().await.id.to_string();
    assert_eq!(sent.json()["id"], task);
    assert_eq!(rig.get(&format!("/api/tasks/{task}")).await.json()["node"], b.id.to_string());

    let items = explain(&rig, &session, body).await;
    assert_eq!((&items[0]["name"], &items[0]["fits"]), (&json!("b"), &json!(true)));
    assert_eq!((&items[1]["name"], &items[1]["fits"]), (&json!("a"), &json!(false)));
    let reason = json!({
        "code": "requirement",
        "message": "label.role is \"a\", needs \"b\"",
        "condition": "label.role == \"b\"",
    });
    assert_eq!(items[1]["reasons"], json!([reason]));

    rig.call("PATCH", "/api/nodes/a", Some(json!({"cordoned": true}))).await;
    let items = explain(&rig, &session, json!({"require": "os == \"linux\""})).await;
    let reasons = items.as_array().unwrap().iter().map(|item| &item["reasons"]);
    let codes: Vec<Vec<_>> = reasons
        .map(|all| all.as_array().unwrap().iter().map(|one| &one["code"]).collect())
        .collect();
    assert_eq!(codes, [vec!["requirement", "cordoned"], vec!["requirement"]]);
    assert!(
        items[1]["reasons"][0]["message"].as_str().unwrap().starts_with("os is not known"),
        "{items}"
    );

    let nowhere = json!({"argv": ["ls"], "require": "label.role == \"c\""});
    let refused = rig.call("POST", &format!("{session}/dispatch"), Some(nowhere)).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "no_fitting_node"));
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("a: label.role is \"a\", needs \"c\""), "{detail}");
    rig.stop().await;
}

#[tokio::test]
async fn the_first_of_several_nodes_that_is_there_gets_it() {
    let (rig, [mut a, mut b], session) = two_nodes().await;
    let dispatch = format!("{session}/dispatch");
    let send = async |body: Value| rig.call("POST", &dispatch, Some(body)).await.json();
    let task = send(json!({"argv": ["ls"], "first_of": ["b", "a"]})).await;
    assert_eq!(task["id"], b.task().await.id.to_string());
    rig.call("PATCH", "/api/nodes/b", Some(json!({"cordoned": true}))).await;
    let task = send(json!({"argv": ["ls"], "first_of": ["b", "a"]})).await;
    assert_eq!(task["id"], a.task().await.id.to_string());
    assert_eq!(send(json!({"argv": ["ls"], "first_of": ["b"]})).await["code"], "node_cordoned");
    let task = send(json!({"argv": ["ls"], "first_of": ["b"], "any": true})).await;
    assert_eq!(task["id"], a.task().await.id.to_string());
    let fallback = json!({"argv": ["ls"], "first_of": ["b"], "require": "label.role != \"a\""});
    assert_eq!(send(fallback.clone()).await["code"], "node_cordoned");
    let items = explain(&rig, &session, fallback).await;
    let codes: Vec<_> = (0..2).map(|item| &items[item]["reasons"][0]["code"]).collect();
    assert_eq!(codes, ["cordoned", "requirement"]);
    rig.stop().await;
}

#[tokio::test]
async fn the_default_session_takes_in_nodes_that_a_task_names() {
    let rig = Rig::start().await;
    let (mut a, _b) = (rig.node("a").await, rig.node("b").await);
    // Explaining changes nothing.
    let items = explain(&rig, DEFAULT, json!({"first_of": ["a", "b"]})).await;
    assert_eq!((&items[0]["name"], &items[0]["fits"]), (&json!("a"), &json!(true)));
    assert_eq!(explain(&rig, DEFAULT, json!({"any": true})).await, json!([]));
    let body = json!({"argv": ["ls"], "first_of": ["a", "b"]});
    let sent = rig.call("POST", &format!("{DEFAULT}/dispatch"), Some(body)).await;
    assert_eq!(sent.json()["id"], a.task().await.id.to_string());
    assert_eq!(explain(&rig, DEFAULT, json!({})).await.as_array().unwrap().len(), 2);

    let other = rig.call("POST", "/api/sessions", None).await.json();
    let other = format!("/api/sessions/{}", other["id"].as_str().unwrap());
    let items = explain(&rig, &other, json!({"node": "a"})).await;
    assert_eq!(items[0]["reasons"][0]["code"], "not_attached");
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anything_is_stored() {
    let (rig, _nodes, session) = two_nodes().await;
    for path in ["dispatch", "explain"] {
        let path = format!("{session}/{path}");
        let send = async |body: Value| rig.call("POST", &path, Some(body)).await;
        let bad = send(json!({"argv": ["ls"], "require": "gpu.memry >= 1GiB"})).await;
        assert_eq!((bad.status.as_u16(), bad.code().as_str()), (422, "requirement_field"));
        assert_eq!(bad.json()["hint"], "did you mean gpu.memory?");
        assert_eq!(send(json!({"argv": ["ls"], "node": "a", "any": true})).await.code(), "target");
        let twice = send(json!({"argv": ["ls"], "first_of": ["a", "a"]})).await;
        assert_eq!((twice.status.as_u16(), twice.code().as_str()), (422, "bad_task"));
        let nobody = send(json!({"argv": ["ls"], "first_of": ["a", "nobody"]})).await;
        assert_eq!((nobody.status.as_u16(), nobody.code().as_str()), (404, "node_not_found"));
    }
    rig.stop().await;
}

#[tokio::test]
async fn nothing_is_told_of_a_node_that_is_shared_no_more() {
    let rig = Rig::start().await;
    let _lab = rig.node("secret-lab").await;
    let ada = rig.user("ada", "member", &["read", "exec", "manage"]).await;
    let grant = "/api/nodes/secret-lab/grants/ada";
    rig.call("PUT", grant, Some(json!({"access": "use"}))).await;
    let ask = async |method: &str, path: &str, body: Value| {
        rig.send(request(method, path, Some(&ada), Some(body))).await
    };
    let session = ask("POST", "/api/sessions", json!({"nodes": ["secret-lab"]})).await.json();
    let path = format!("/api/sessions/{}/explain", session["id"].as_str().unwrap());
    let fits = ask("POST", &path, json!({"require": "label.role"})).await.json();
    assert_eq!(fits["items"][0]["fits"], true);
    rig.call("DELETE", grant, None).await;
    let after = ask("POST", &path, json!({"require": "label.role == \"x\""})).await;
    let text = String::from_utf8_lossy(&after.body).into_owned();
    assert_eq!(after.json()["items"][0]["reasons"][0]["code"], "not_shared", "{text}");
    assert_eq!(after.json()["items"][0]["reasons"].as_array().unwrap().len(), 1, "{text}");
    assert!(!text.contains("secret-lab"), "{text}");
    rig.stop().await;
}
