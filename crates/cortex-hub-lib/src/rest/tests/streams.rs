//! Events of sessions and of the hub: resumed without loss, ended with the hub.

use axum::body::Body;
use axum::http::Request;
use axum::http::StatusCode;
use axum::http::header;
use serde_json::json;

use super::super::ring::LINGER;
use super::super::ring::Ring;
use super::rig::Events;
use super::rig::Rig;
use super::rig::request;

fn follow(path: &str, token: &str, last: Option<&str>) -> Request<Body> {
    let mut request = request("GET", path, Some(token), None);
    request.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().unwrap());
    if let Some(last) = last {
        request.headers_mut().insert("last-event-id", last.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_sessions_events_are_resumed_without_loss_or_repeat() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let body = json!({"argv": ["echo"], "node": "lab"});
    rig.call("POST", "/api/sessions/default/dispatch", Some(body)).await;
    let task = node.task().await;
    let path = "/api/sessions/default/events";
    let mut events = Events::of(rig.raw(follow(path, &rig.admin, None)).await);
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(events.next().await.unwrap());
    }
    drop(events);
    node.start(&task).await;
    node.write(&task, 0, b"hi\n").await;
    let last = seen.last().unwrap().id.clone();
    let mut events = Events::of(rig.raw(follow(path, &rig.admin, last.as_deref())).await);
    while seen.last().unwrap().name != "task.output" {
        seen.push(events.next().await.unwrap());
    }
    node.end(&task, 0).await;
    seen.push(events.next().await.unwrap());
    let ids: Vec<_> = seen.iter().map(|event| event.id.clone().unwrap()).collect();
    let expected: Vec<_> = (1..=seen.len()).map(|n| n.to_string()).collect();
    assert_eq!(ids, expected);
    let names: Vec<_> = seen.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "node.attached",
            "task.submitted",
            "task.assigned",
            "task.started",
            "task.output",
            "task.ended"
        ]
    );
    let page = rig.get(path).await.json();
    for (event, item) in seen.iter().zip(page["items"].as_array().unwrap()) {
        assert_eq!(&event.data, item);
    }
    assert_eq!(seen[4].data["data"]["data"], "hi\n");
    let bad = rig.send(follow(path, &rig.admin, Some("x"))).await;
    assert_eq!(bad.code(), "last_event_id");
    rig.hub.shutdown_token().cancel();
    assert!(events.next().await.is_none());
    rig.stop().await;
}

#[tokio::test]
async fn the_hubs_changes_are_told_and_resumed() {
    let rig = Rig::start().await;
    let mut events = Events::of(rig.raw(follow("/api/events", &rig.admin, None)).await);
    let mut node = rig.node("lab").await;
    let came = events.next().await.unwrap();
    assert_eq!(
        (came.name.as_str(), &came.data["node"]["status"]),
        ("node.status", &json!("online"))
    );
    let body = json!({"argv": ["echo"], "node": "lab"});
    rig.call("POST", "/api/sessions/default/dispatch", Some(body)).await;
    let task = node.task().await;
    let sent = events.next().await.unwrap();
    assert_eq!((sent.name.as_str(), &sent.data["type"]), ("task.state", &json!("task.state")));
    node.start(&task).await;
    // Before the end comes: two states that are stored together are told as the last of them.
    assert_eq!(events.next().await.unwrap().data["task"]["state"], "running");
    drop(events);
    node.end(&task, 0).await;
    rig.get(&format!("/api/tasks/{}?wait=20", task.id)).await;
    let mut events =
        Events::of(rig.raw(follow("/api/events", &rig.admin, sent.id.as_deref())).await);
    let mut states = Vec::new();
    while states.last().is_none_or(|state| state != "succeeded") {
        let event = events.next().await.unwrap();
        assert_eq!(event.name, "task.state");
        states.push(event.data["task"]["state"].as_str().unwrap().to_owned());
    }
    assert!(states.contains(&"running".to_owned()), "{states:?}");
    let mut lost = Events::of(rig.raw(follow("/api/events", &rig.admin, Some("00000000-1"))).await);
    assert_eq!(lost.next().await.unwrap().name, "reset");
    rig.stop().await;
}

#[tokio::test]
async fn two_readers_get_the_same_and_a_third_only_what_is_theirs() {
    let rig = Rig::start().await;
    let other = rig.user("other", "member", &[]).await;
    let mut one = Events::of(rig.raw(follow("/api/events", &rig.admin, None)).await);
    let mut two = Events::of(rig.raw(follow("/api/events", &rig.admin, None)).await);
    let mut theirs = Events::of(rig.raw(follow("/api/events", &other, None)).await);
    let read = async { tokio::join!(one.next(), two.next()) };
    let ((first, second), _node) = tokio::join!(read, rig.node("lab"));
    assert_eq!(first, second);
    assert_eq!(first.unwrap().name, "node.status");
    rig.hub.shutdown_token().cancel();
    assert!(theirs.next().await.is_none());
    rig.stop().await;
}

#[tokio::test]
async fn a_stream_does_not_outlive_its_credential() {
    let rig = Rig::start().await;
    let token = rig.user("ada", "member", &["read", "manage"]).await;
    let id = token.split('.').nth(1).unwrap();
    let path = "/api/sessions/default/events";
    let mut log = Events::of(rig.raw(follow(path, &token, None)).await);
    let mut changes = Events::of(rig.raw(follow("/api/events", &token, None)).await);
    let mut admins = Events::of(rig.raw(follow("/api/events", &rig.admin, None)).await);
    rig.call("DELETE", &format!("/api/tokens/{id}"), None).await;
    assert!(log.next().await.is_none());
    assert!(changes.next().await.is_none());
    let (event, _node) = tokio::join!(admins.next(), rig.node("lab"));
    assert_eq!(event.unwrap().name, "node.status");
    rig.stop().await;
}

#[tokio::test]
async fn a_socket_without_an_upgrade_is_refused_in_words() {
    let rig = Rig::start().await;
    let mut socket = request("GET", "/api/events", Some(&rig.admin), None);
    let headers = socket.headers_mut();
    headers.insert(header::UPGRADE, "websocket".parse().unwrap());
    headers.insert(header::CONNECTION, "upgrade".parse().unwrap());
    let refused = rig.send(socket).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::BAD_REQUEST, "websocket"));
    rig.stop().await;
}

#[tokio::test]
async fn a_hub_is_watched_for_a_while_after_the_last_reader_and_not_for_ever() {
    let rig = Rig::start().await;
    let (ring, who) = (Ring::new(), rig.principal().await);
    let first = ring.read(&rig.hub, &who, None);
    let id = first.id();
    drop(first);
    tokio::time::pause();
    tokio::time::advance(LINGER / 2).await;
    // Who comes back in time goes on without a gap, and the time begins anew.
    drop(ring.read(&rig.hub, &who, Some(&id)));
    settle(|| false).await;
    tokio::time::advance(LINGER / 2).await;
    settle(|| false).await;
    assert!(ring.is_fed());
    tokio::time::advance(LINGER).await;
    assert!(settle(|| !ring.is_fed()).await);
    tokio::time::resume();
    let mut late = ring.read(&rig.hub, &who, Some(&id));
    assert_eq!(late.next().await.unwrap().name, "reset");
    assert!(ring.is_fed());
    drop(late);
    rig.stop().await;
}

/// Lets the other tasks run, until `is_done` or for a while.
async fn settle(is_done: impl Fn() -> bool) -> bool {
    for _ in 0..100 {
        if is_done() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}
