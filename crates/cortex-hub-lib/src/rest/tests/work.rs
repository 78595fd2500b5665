//! Tasks: sent, waited for, cancelled, and their output.

use axum::http::StatusCode;
use axum::http::header;
use serde_json::json;

use super::rig::Events;
use super::rig::Rig;
use super::rig::request;

const DISPATCH: &str = "/api/sessions/default/dispatch";

#[tokio::test]
async fn a_task_is_stored_at_once_and_waited_for_on_demand() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let body = json!({"argv": ["echo", "hi"], "node": "lab"});
    let stored = rig.call("POST", DISPATCH, Some(body.clone())).await;
    assert_eq!(stored.status, StatusCode::ACCEPTED, "{stored:?}");
    let id = stored.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(stored.headers[header::LOCATION], format!("../../tasks/{id}"));
    let task = node.task().await;
    let path = format!("/api/tasks/{id}?wait=20");
    let (ended, ()) = tokio::join!(rig.get(&path), async {
        node.start(&task).await;
        node.write(&task, 0, b"hi\n").await;
        node.end(&task, 7).await;
    });
    let ended = ended.json();
    assert_eq!((&ended["state"], &ended["exit_code"]), (&json!("failed"), &json!(7)));
    assert_eq!(ended["stdout"], json!({"data": "hi\n", "encoding": "utf8"}));
    assert_eq!(ended["pid"], 7);
    let path = format!("{DISPATCH}?wait=20");
    let waiting = rig.call("POST", &path, Some(body.clone()));
    let (answer, ()) = tokio::join!(waiting, async {
        let task = node.task().await;
        node.start(&task).await;
        node.end(&task, 0).await;
    });
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["state"], "succeeded");
    assert_eq!(answer.json()["stderr"]["data"], "");
    let late = rig.call("POST", &format!("{DISPATCH}?wait=0"), Some(body.clone())).await;
    assert_eq!(late.status, StatusCode::ACCEPTED);
    let long = rig.call("POST", &format!("{DISPATCH}?wait=61"), Some(body)).await;
    assert_eq!(long.code(), "wait");
    rig.stop().await;
}

#[tokio::test]
async fn one_request_sends_a_task_and_streams_it_to_its_end() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let body = json!({"argv": ["echo"], "node": "lab"});
    let mut send = request("POST", DISPATCH, Some(&rig.admin), Some(body));
    send.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().unwrap());
    let mut events = Events::of(rig.raw(send).await);
    let first = events.next().await.unwrap();
    assert_eq!(first.name, "task");
    let task = node.task().await;
    assert_eq!(first.data["id"], task.id.to_string());
    node.start(&task).await;
    node.write(&task, 0, b"one\n").await;
    let output = events.next().await.unwrap();
    assert_eq!((output.name.as_str(), output.id.as_deref()), ("output", Some("4-0")));
    assert_eq!(output.data["data"], "one\n");
    node.write(&task, 4, b"two\n").await;
    assert_eq!(events.next().await.unwrap().data["offset"], 4);
    node.end(&task, 0).await;
    let end = events.next().await.unwrap();
    assert_eq!((end.name.as_str(), &end.data["state"]), ("end", &json!("succeeded")));
    assert!(events.next().await.is_none());
    let path = format!("/api/tasks/{}/output", task.id);
    let mut again = request("GET", &path, Some(&rig.admin), None);
    again.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().unwrap());
    again.headers_mut().insert("last-event-id", "4-0".parse().unwrap());
    let mut again = Events::of(rig.raw(again).await);
    assert_eq!(again.next().await.unwrap().data["data"], "two\n");
    assert_eq!(again.next().await.unwrap().name, "end");
    rig.stop().await;
}

#[tokio::test]
async fn output_is_read_by_offset_and_says_whether_more_comes() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let body = json!({"argv": ["cat"], "node": "lab"});
    rig.call("POST", DISPATCH, Some(body)).await;
    let task = node.task().await;
    let path = format!("/api/tasks/{}/output", task.id);
    node.start(&task).await;
    static PIECE: [u8; 200 << 10] = [b'x'; 200 << 10];
    for n in 0..5 {
        node.write(&task, n * PIECE.len() as u64, &PIECE).await;
    }
    node.end(&task, 0).await;
    rig.get(&format!("/api/tasks/{}?wait=20", task.id)).await;
    let all = rig.get(&path).await;
    assert_eq!(all.body.len(), 5 * PIECE.len());
    assert_eq!(all.headers["x-cortex-stored"], (5 * PIECE.len()).to_string());
    assert_eq!(all.headers["x-cortex-ended"], "true");
    let part = rig.get(&format!("{path}?stream=stdout&offset=1023990&limit=100")).await;
    assert_eq!(
        (part.body.len(), part.headers["x-cortex-offset"].as_bytes()),
        (10, &b"1023990"[..])
    );
    let beyond = rig.get(&format!("{path}?offset=99999999")).await;
    assert_eq!((beyond.status, beyond.body.len()), (StatusCode::OK, 0));
    assert_eq!(rig.get(&format!("{path}?stream=stderr")).await.body.len(), 0);
    assert_eq!(rig.get(&format!("{path}?stream=stdin")).await.code(), "stream");
    rig.stop().await;
}

#[tokio::test]
async fn tasks_are_listed_in_pages_and_cancelled() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let body = json!({"argv": ["sleep"], "node": "lab"});
    for _ in 0..3 {
        rig.call("POST", DISPATCH, Some(body.clone())).await;
    }
    let task = node.task().await;
    node.start(&task).await;
    let first = rig.get("/api/tasks?limit=2&open=true&session=default&node=lab").await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = rig.get(&format!("/api/tasks?limit=2&cursor={cursor}")).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["items"][0]["id"], task.id.to_string());
    assert!(rest.get("next_cursor").is_none());
    let path = format!("/api/tasks/{}/cancel", task.id);
    let cancelled = rig.call("POST", &path, Some(json!({"reason": "enough"}))).await;
    assert_eq!(cancelled.json()["state"], "cancelling");
    node.end(&task, 0).await;
    rig.get(&format!("/api/tasks/{}?wait=20", task.id)).await;
    assert_eq!(rig.call("POST", &path, None).await.code(), "task_ended");
    let long = json!({"reason": "x".repeat(300)});
    assert_eq!(rig.call("POST", &path, Some(long)).await.code(), "reason");
    rig.stop().await;
}

#[tokio::test]
async fn a_repeat_under_one_key_is_one_task() {
    let rig = Rig::start().await;
    let _node = rig.node("lab").await;
    let send = |argv: &str| {
        let body = json!({"argv": [argv], "node": "lab"});
        let mut request = request("POST", DISPATCH, Some(&rig.admin), Some(body));
        request.headers_mut().insert("idempotency-key", "once".parse().unwrap());
        rig.send(request)
    };
    let first = send("ls").await.json();
    assert_eq!(send("ls").await.json()["id"], first["id"]);
    let other = send("rm").await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "idempotency_mismatch"));
    let bad = rig.call("POST", DISPATCH, Some(json!({}))).await;
    assert_eq!((bad.status.as_u16(), bad.code().as_str()), (422, "bad_task"));
    rig.stop().await;
}
