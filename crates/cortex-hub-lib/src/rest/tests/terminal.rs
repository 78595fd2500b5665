//! A terminal's WebSocket, and its screen as a document.

use axum::http::StatusCode;
use cortex_core::report::News;
use cortex_core::task::Input;
use cortex_core::task::SizeChange;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::Window;
use futures::SinkExt as _;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::Message;

use super::rig::FakeNode;
use super::rig::Rig;
use super::socket::connect;
use super::socket::next;
use super::socket::serve;
use crate::link::Down;

/// A terminal of 20 by 3 that has begun.
async fn open(rig: &Rig, node: &mut FakeNode) -> std::sync::Arc<Task> {
    let body = json!({"node": "lab", "terminal": {"cols": 20, "rows": 3}});
    let task = rig.call("POST", "/api/sessions/default/dispatch", Some(body)).await;
    assert_eq!(task.status, StatusCode::ACCEPTED, "{task:?}");
    assert_eq!(
        (&task.json()["terminal"], &task.json()["command"]),
        (&json!(true), &json!(["$SHELL"]))
    );
    let task = node.task().await;
    node.start(&task).await;
    task
}

async fn join(
    address: &str,
    token: &str,
    task: &Task,
    query: &str,
) -> Result<WebSocketStream<TcpStream>, u16> {
    let path = format!("/api/tasks/{}/terminal{query}", task.id);
    let headers = [
        ("authorization", format!("Bearer {token}")),
        ("sec-websocket-protocol", "cortex.v1".to_owned()),
    ];
    match connect(address, &path, &headers).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn event(socket: &mut WebSocketStream<TcpStream>) -> Value {
    let Message::Text(text) = next(socket).await else { panic!("no text") };
    serde_json::from_str(&text).unwrap()
}

async fn bytes(socket: &mut WebSocketStream<TcpStream>) -> String {
    let Message::Binary(data) = next(socket).await else { panic!("no bytes") };
    String::from_utf8(data.to_vec()).unwrap()
}

async fn input(node: &mut FakeNode) -> Input {
    loop {
        if let Down::Input { input, .. } = node.down().await {
            return input;
        }
    }
}

#[tokio::test]
async fn a_socket_shows_the_screen_first_and_then_what_comes() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let (address, _serving) = serve(&rig).await;
    let task = open(&rig, &mut node).await;
    node.write(&task, 0, b"one\r\ntwo\r\n").await;
    let mut first = join(&address, &rig.admin, &task, "?offset=0").await.unwrap();
    assert_eq!(event(&mut first).await, json!({"type": "resume", "offset": 0}));
    assert_eq!(bytes(&mut first).await, "one\r\ntwo\r\n");
    let mut late = join(&address, &rig.admin, &task, "").await.unwrap();
    let screen = json!({"type": "screen", "cols": 20, "rows": 3, "offset": 10});
    assert_eq!(event(&mut late).await, screen);
    assert!(bytes(&mut late).await.contains("one"));
    let change = SizeChange { at: 10, window: Window::new(40, 5).unwrap() };
    let line = News::Output { stream: Stream::Stderr, offset: 0, data: change.to_line() };
    node.report(&task, vec![line]).await;
    node.write(&task, 10, b"three").await;
    for socket in [&mut first, &mut late] {
        let size = json!({"type": "size", "cols": 40, "rows": 5});
        assert_eq!(event(socket).await, size);
        assert_eq!(bytes(socket).await, "three");
    }
    let path = format!("/api/tasks/{}/screen?drawing=true", task.id);
    let screen = rig.get(&path).await.json();
    assert_eq!(screen["lines"], json!(["one", "two", "three", "", ""]));
    assert_eq!(screen["cursor"], json!({"row": 2, "col": 5, "visible": true}));
    assert!(screen["drawing"].as_str().unwrap().contains("three"), "{screen}");
    rig.stop().await;
}

#[tokio::test]
async fn who_types_reaches_the_node_and_who_watches_does_not() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let (address, _serving) = serve(&rig).await;
    let task = open(&rig, &mut node).await;
    let mut socket = join(&address, &rig.admin, &task, "?mode=type&offset=0").await.unwrap();
    socket.send(Message::Binary("ls\r".into())).await.unwrap();
    assert_eq!(input(&mut node).await, Input::Data("ls\r".into()));
    let resize = json!({"type": "resize", "cols": 100, "rows": 30}).to_string();
    socket.send(Message::Text(resize.into())).await.unwrap();
    assert_eq!(input(&mut node).await, Input::Resize(Window::new(100, 30).unwrap()));
    let close = json!({"type": "close"}).to_string();
    socket.send(Message::Text(close.into())).await.unwrap();
    assert_eq!(input(&mut node).await, Input::Close);

    let mut watcher = join(&address, &rig.admin, &task, "?offset=0").await.unwrap();
    assert_eq!(event(&mut watcher).await["type"], "resume");
    watcher.send(Message::Binary("rm\r".into())).await.unwrap();
    let refused = event(&mut watcher).await;
    assert_eq!(
        (&refused["type"], &refused["problem"]["code"]),
        (&json!("problem"), &json!("read_only"))
    );
    assert!(matches!(next(&mut watcher).await, Message::Close(Some(_))));
    // Bad messages are told, too.
    let mut wrong = join(&address, &rig.admin, &task, "?mode=type&offset=0").await.unwrap();
    assert_eq!(event(&mut wrong).await["type"], "resume");
    let resize = json!({"type": "resize", "cols": 0, "rows": 30}).to_string();
    wrong.send(Message::Text(resize.into())).await.unwrap();
    assert_eq!(event(&mut wrong).await["problem"]["code"], "window");
    rig.stop().await;
}

#[tokio::test]
async fn a_token_that_only_reads_may_watch_but_not_type() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let (address, _serving) = serve(&rig).await;
    let task = open(&rig, &mut node).await;
    let token = json!({"name": "eyes", "scopes": ["read"]});
    let token = rig.call("POST", "/api/tokens", Some(token)).await.json();
    let token = token["token"].as_str().unwrap();
    assert_eq!(join(&address, token, &task, "?mode=type").await.err(), Some(403));
    let mut socket = join(&address, token, &task, "?mode=watch").await.unwrap();
    assert_eq!(event(&mut socket).await["type"], "screen");
    assert_eq!(join(&address, "cxt1.no", &task, "").await.err(), Some(401));
    // So far ahead of what is stored nobody was ever shown anything.
    assert_eq!(join(&address, token, &task, "?offset=100000").await.err(), Some(422));
    let path = format!("/api/tasks/{}/terminal", task.id);
    assert_eq!(rig.get(&path).await.status, StatusCode::UPGRADE_REQUIRED);
    let path = format!("/api/tasks/{}/input", task.id);
    let body = super::rig::request("POST", &path, Some(token), None);
    assert_eq!(rig.send(body).await.status, StatusCode::FORBIDDEN);
    rig.stop().await;
}
