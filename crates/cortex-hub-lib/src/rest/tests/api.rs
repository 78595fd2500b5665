//! Lists, changes and errors.

use axum::http::StatusCode;
use axum::http::header;
use serde_json::json;

use super::rig::Rig;
use super::rig::request;

#[tokio::test]
async fn every_error_is_a_problem_with_a_request_id() {
    let rig = Rig::start().await;
    let admin = Some(rig.admin.as_str());
    let unknown = rig.get("/api/nothing").await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (404, "unknown_path"));
    let method = rig.call("PUT", "/api/nodes", None).await;
    assert_eq!((method.status.as_u16(), method.code().as_str()), (405, "method_not_allowed"));
    assert!(method.headers.contains_key(header::ALLOW));
    let session = rig.get("/api/sessions/ses_00000000000000000000000000").await;
    assert_eq!(session.status, StatusCode::NOT_FOUND);
    session.code();
    for path in ["/api/tasks/nonsense", "/api/tasks/%ff", "/api/invites/x", "/api/nodes/none"] {
        let answer = rig.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        answer.code();
    }
    let query = rig.get("/api/tasks?limitt=3").await;
    assert_eq!((query.status.as_u16(), query.code().as_str()), (422, "query"));
    assert!(query.json()["detail"].as_str().unwrap().contains("limitt"));
    let shape = json!({"argvv": ["ls"]});
    let shape = rig.call("POST", "/api/sessions/default/dispatch", Some(shape)).await;
    assert_eq!((shape.status.as_u16(), shape.code().as_str()), (422, "body_shape"));
    assert!(shape.json()["detail"].as_str().unwrap().contains("argvv"));
    let mut plain = request("POST", "/api/users", admin, Some(json!({})));
    plain.headers_mut().insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
    let plain = rig.send(plain).await;
    assert_eq!((plain.status.as_u16(), plain.code().as_str()), (415, "not_json"));
    let large = json!({"name": "x".repeat(5 << 20)});
    let large = rig.call("POST", "/api/users", Some(large)).await;
    assert_eq!((large.status.as_u16(), large.code().as_str()), (413, "body_too_large"));
    rig.stop().await;
}

#[tokio::test]
async fn health_readiness_metrics_and_info() {
    let rig = Rig::start().await;
    for path in ["/healthz", "/readyz"] {
        let answer = rig.send(request("GET", path, None, None)).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"ok\n"[..]), "{path}");
    }
    let metrics = rig.get("/metrics").await;
    let text = std::str::from_utf8(&metrics.body).unwrap();
    assert!(text.contains("cortexhub_tasks_open"), "{text}");
    let info = rig.send(request("GET", "/api/info", None, None)).await;
    assert_eq!(info.json()["id"], rig.hub.id().to_string());
    assert_eq!(info.headers["x-content-type-options"], "nosniff");
    rig.hub.shutdown_token().cancel();
    let ready = rig.send(request("GET", "/readyz", None, None)).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    let alive = rig.send(request("GET", "/healthz", None, None)).await;
    assert_eq!(alive.status, StatusCode::OK);
    rig.stop().await;
}

#[tokio::test]
async fn an_invite_is_made_once_a_key_listed_and_withdrawn() {
    let rig = Rig::start().await;
    let draft = json!({"name": "lab", "labels": {"gpu": "a100"}});
    let make = |body: serde_json::Value| {
        let mut request = request("POST", "/api/nodes/invite", Some(&rig.admin), Some(body));
        request.headers_mut().insert("idempotency-key", "k-1".parse().unwrap());
        rig.send(request)
    };
    let first = make(draft.clone()).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    assert_eq!(first.headers[header::CACHE_CONTROL], "no-store");
    let first = first.json();
    assert!(first["token"].as_str().unwrap().starts_with("cxi1."));
    assert!(first["config"].as_str().unwrap().contains(first["token"].as_str().unwrap()));
    assert_eq!(make(draft).await.json()["id"], first["id"]);
    let other = make(json!({"name": "other"})).await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "idempotency_mismatch"));
    let list = rig.get("/api/invites").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["state"], "open");
    let path = format!("/api/invites/{}", first["id"].as_str().unwrap());
    assert_eq!(rig.get(&path).await.json()["labels"]["gpu"], "a100");
    assert_eq!(rig.call("DELETE", &path, None).await.json()["state"], "withdrawn");
    assert_eq!(rig.get(&path).await.json()["state"], "withdrawn");
    let mut bad =
        request("POST", "/api/nodes/invite", Some(&rig.admin), Some(json!({"name": "n"})));
    bad.headers_mut().insert("idempotency-key", "a b".parse().unwrap());
    assert_eq!(rig.send(bad).await.code(), "idempotency_key");
    rig.stop().await;
}

#[tokio::test]
async fn a_node_is_found_by_id_and_name_changed_and_removed() {
    let rig = Rig::start().await;
    let node = rig.node("lab").await;
    let list = rig.get("/api/nodes").await.json();
    assert_eq!(list["items"][0]["id"], node.id.to_string());
    assert_eq!(list["items"][0]["status"], "online");
    let count = |answer: &super::rig::Answer| answer.json()["items"].as_array().unwrap().len();
    assert_eq!(count(&rig.get("/api/nodes?labels=role%3Dlab&status=online").await), 1);
    assert_eq!(count(&rig.get("/api/nodes?labels=role%3Dother").await), 0);
    assert_eq!(count(&rig.get("/api/nodes?status=offline,pending").await), 0);
    assert_eq!(rig.get("/api/nodes?status=gone").await.status.as_u16(), 422);
    assert_eq!(rig.get("/api/nodes?labels=%3D").await.status.as_u16(), 422);
    assert_eq!(rig.get("/api/nodes/lab/status").await.json()["tasks_open"], 0);
    let patch = json!({"name": "lab-2", "labels": {"zone": "a"}, "cordoned": true});
    let changed = rig.call("PATCH", "/api/nodes/lab", Some(patch)).await.json();
    assert_eq!((&changed["name"], &changed["cordoned"]), (&json!("lab-2"), &json!(true)));
    assert_eq!(changed["labels"], json!({"zone": "a"}));
    assert_eq!(rig.get("/api/nodes/lab").await.status, StatusCode::NOT_FOUND);
    let locked = rig.call("PATCH", "/api/nodes/lab-2", Some(json!({"locked": true}))).await;
    assert_eq!(locked.json()["status"], "revoked");
    let removed = rig.call("DELETE", &format!("/api/nodes/{}", node.id), None).await;
    assert_eq!(removed.status, StatusCode::OK);
    assert_eq!(count(&rig.get("/api/nodes").await), 0);
    rig.stop().await;
}

#[tokio::test]
async fn a_session_is_made_attached_and_closed() {
    let rig = Rig::start().await;
    let node = rig.node("lab").await;
    let made = rig.call("POST", "/api/sessions", None).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.headers[header::LOCATION], format!("sessions/{id}"));
    let attach = format!("/api/sessions/{id}/nodes/lab");
    for _ in 0..2 {
        let attached = rig.call("PUT", &attach, None).await.json();
        assert_eq!(attached["nodes"], json!([node.id.to_string()]));
    }
    let detached = rig.call("DELETE", &attach, None).await.json();
    assert_eq!(detached["nodes"], json!([]));
    let closed = rig.call("DELETE", &format!("/api/sessions/{id}"), None).await.json();
    assert_eq!(closed["status"], "closed");
    let refused = rig.call("PUT", &attach, None).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "session_closed"));
    let list = rig.get("/api/sessions").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let page = rig.get(&format!("/api/sessions/{id}/events?limit=2")).await.json();
    assert_eq!(page["items"][0]["type"], "node.attached");
    assert_eq!(page["next_cursor"], "2");
    let rest = rig.get(&format!("/api/sessions/{id}/events?cursor=2&limit=2")).await.json();
    assert_eq!(rest["items"][0]["type"], "session.closed");
    assert!(rest.get("next_cursor").is_none());
    rig.stop().await;
}
