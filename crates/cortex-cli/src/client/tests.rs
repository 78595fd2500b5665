//! Tests of the client against a server that follows a script: one answer a connection.

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::NodeInfo;
use cortex_proto::json::SessionInfo;
use cortex_proto::json::UserInfo;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::client::output::Channel;
use crate::client::output::Follow;
use crate::client::output::OutputReader;
use crate::context::Context;
use crate::context::Contexts;
use crate::context::Login;
use crate::context::choice::Origin;
use crate::exit::Exit;

/// Answers one connection after the other and returns what was asked.
async fn play(listener: &TcpListener, answers: &[String]) -> Vec<String> {
    let mut asked = Vec::new();
    for answer in answers {
        let (mut tcp, _) = listener.accept().await.unwrap();
        asked.push(request(&mut tcp).await);
        tcp.write_all(answer.as_bytes()).await.unwrap();
    }
    asked
}

async fn request(tcp: &mut tokio::net::TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut buffer = [0; 4096];
        let count = tcp.read(&mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text.to_lowercase();
            }
        }
        assert!(count > 0, "the request broke off: {text}");
    }
}

fn document(status: &str, body: &serde_json::Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A stream that is cut off behind `events`.
fn events(events: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99999\r\n\r\n{events}"
    )
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn choice(listener: &TcpListener, credential: Credential) -> Choice {
    let url = format!("http://{}", listener.local_addr().unwrap());
    Choice {
        hub: Address::parse(&url).unwrap(),
        hub_origin: Origin::Flag("--hub"),
        credential,
        credential_origin: Origin::Unset,
        ca: None,
        ca_origin: Origin::Unset,
        context: None,
    }
}

fn client(listener: &TcpListener) -> Client {
    let token = Credential::Token("cxt1.a".to_owned().into());
    Client::new(choice(listener, token), None)
}

fn task(state: &str) -> serde_json::Value {
    json!({
        "id": "tsk_1", "session": "ses_1", "by": "usr_1", "state": state, "command": ["true"],
        "attempt": 1, "output": {"stdout_bytes": 0, "stderr_bytes": 0, "dropped_bytes": 0},
        "created_at": "2026-11-22T12:00:00Z",
    })
}

fn dispatch() -> Call {
    let route = Route::new("/api/sessions/default/dispatch");
    Call::post(route, &json!({"argv": ["true"]})).unwrap().header("idempotency-key", "k1")
}

/// Follows to the end; returns what was written to stdout, and how often the hub was lost.
async fn follow(mut reader: OutputReader) -> Result<(String, usize)> {
    let mut text = String::new();
    let mut lost = 0;
    loop {
        match reader.next().await? {
            Follow::Output { channel: Channel::Stdout, offset, data } => {
                assert_eq!(offset, text.len() as u64);
                text.push_str(std::str::from_utf8(&data).unwrap());
            }
            Follow::Output { .. } | Follow::Task(_) | Follow::Progress(_) | Follow::Gap { .. } => {}
            Follow::Lost(_) => lost += 1,
            Follow::End(_) => return Ok((text, lost)),
        }
    }
}

fn output(offset: usize, data: &str) -> String {
    let id = offset + data.len();
    let data = json!({"stream": "stdout", "offset": offset, "data": data, "encoding": "utf8"});
    format!("id: {id}-0\nevent: output\ndata: {data}\n\n")
}

fn end() -> String {
    format!("event: end\ndata: {}\n\n", task("succeeded"))
}

#[tokio::test]
async fn a_lost_stream_goes_on_behind_the_last_byte() {
    let listener = listener().await;
    let first = format!("event: task\ndata: {}\n\n{}", task("queued"), output(0, "one "));
    // The second answer repeats bytes that were read already.
    let answers = [
        events(&first),
        events(&output(2, "e two ")),
        events(": hello\nid: 8-0\n\n"),
        events(&format!("{}{}", output(8, "three"), end())),
    ];
    let reader = OutputReader::of_dispatch(client(&listener), dispatch());
    let (followed, asked) = tokio::join!(follow(reader), play(&listener, &answers));
    assert_eq!(followed.unwrap(), ("one two three".to_owned(), 3));
    assert!(asked[0].starts_with("post /api/sessions/default/dispatch"), "{}", asked[0]);
    assert!(asked[1].starts_with("get /api/tasks/tsk_1/output"), "{}", asked[1]);
    assert!(asked[1].contains("last-event-id: 4-0"), "{}", asked[1]);
    assert!(asked[2].contains("last-event-id: 8-0"), "{}", asked[2]);
    assert!(asked[3].contains("last-event-id: 8-0"), "{}", asked[3]);
}

#[tokio::test]
async fn a_dispatch_without_an_answer_is_repeated_with_its_key() {
    let listener = listener().await;
    let whole = format!("event: task\ndata: {}\n\n{}", task("queued"), end());
    let answers = [events(""), events(&whole)];
    let reader = OutputReader::of_dispatch(client(&listener), dispatch());
    let (followed, asked) = tokio::join!(follow(reader), play(&listener, &answers));
    assert_eq!(followed.unwrap().1, 1);
    for asked in asked {
        assert!(asked.starts_with("post ") && asked.contains("idempotency-key: k1"), "{asked}");
    }
}

#[tokio::test]
async fn a_problem_on_the_way_is_told_or_waited_out() {
    let problem = |status: u16| json!({"type": "about:blank", "title": "t", "status": status, "detail": "why", "code": "c"});
    let event = |status: u16| events(&format!("event: problem\ndata: {}\n\n", problem(status)));
    let listener = listener().await;
    let unavailable = document("503 Service Unavailable", &problem(503));
    let answers = [event(503), unavailable, event(404)];
    let reader = OutputReader::of_task(client(&listener), "tsk_1", "7-0".parse().unwrap());
    let (followed, asked) = tokio::join!(follow(reader), play(&listener, &answers));
    assert_eq!(followed.unwrap_err().exit(), Exit(4));
    assert!(asked[0].contains("last-event-id: 7-0"), "{}", asked[0]);
    assert!(asked[2].contains("last-event-id: 7-0"), "{}", asked[2]);
}

#[tokio::test]
async fn missing_output_is_no_output() {
    let listener = listener().await;
    let answers = [events(&output(5, "late"))];
    let reader = OutputReader::of_task(client(&listener), "tsk_1", "0-0".parse().unwrap());
    let (followed, _) = tokio::join!(follow(reader), play(&listener, &answers));
    assert!(followed.unwrap_err().message().contains("missing"));
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_unavailable_at_once() {
    let listener = listener().await;
    let mut client = client(&listener);
    drop(listener);
    let failure = client.get::<UserInfo>(Route::new("/api/whoami")).await.unwrap_err();
    assert_eq!(failure.exit(), Exit(6));
    assert!(failure.message().contains("connection refused"), "{failure}");
    assert!(failure.hint().unwrap().contains("hub serve --dev"));
    let reader = OutputReader::of_dispatch(client.another(), dispatch());
    assert_eq!(follow(reader).await.unwrap_err().exit(), Exit(6));
}

#[tokio::test]
async fn a_refusal_is_told_in_the_hubs_words() {
    let listener = listener().await;
    let body = json!({
        "type": "about:blank", "title": "Unauthorized", "status": 401,
        "detail": "the token was revoked", "code": "token_revoked",
    });
    let answers = [
        document("401 Unauthorized", &body),
        document("502 Bad Gateway", &json!("<html>")),
        document("200 OK", &json!("<html>")),
    ];
    let asking = async {
        let mut client = client(&listener);
        let mut failures = Vec::new();
        for _ in 0..3 {
            let route = Route::new("/api/sessions").segment("default");
            failures.push(client.get::<SessionInfo>(route).await.unwrap_err());
        }
        failures
    };
    let (failures, _) = tokio::join!(asking, play(&listener, &answers));
    assert_eq!(failures[0].exit(), Exit(3));
    assert_eq!(failures[0].message(), "the token was revoked");
    assert!(failures[0].hint().unwrap().starts_with("cortex-cli login http://127.0.0.1"));
    assert_eq!(failures[1].exit(), Exit(6));
    assert_eq!(failures[2].to_problem().code, "bad_answer");
}

#[tokio::test]
async fn all_pages_make_one_list() {
    let listener = listener().await;
    let node = |name: &str| {
        json!({
            "id": "nod_1", "name": name, "owner": "usr_1", "status": "online", "labels": {},
            "cordoned": false, "locked": false, "version": "1", "enrolled_at": "",
        })
    };
    let answers = [
        document("200 OK", &json!({"items": [node("a"), node("b")], "next_cursor": "c 1"})),
        document("200 OK", &json!({"items": [node("c")]})),
    ];
    let mut client = client(&listener);
    let route = Route::new("/api/nodes").query("status", "online");
    let (page, asked) = tokio::join!(client.list::<NodeInfo>(route), play(&listener, &answers));
    let names: Vec<String> = page.unwrap().items.into_iter().map(|node| node.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(asked[1].starts_with("get /api/nodes?status=online&cursor=c%201 "), "{}", asked[1]);
}

/// A file with one context that holds a login until `expires_at`.
fn file_with(
    folder: &tempfile::TempDir,
    hub: &str,
    expires_at: Timestamp,
) -> (ContextFile, Credential) {
    let login = Login {
        access_token: "old".to_owned().into(),
        expires_at,
        refresh_token: "refresh-1".to_owned().into(),
    };
    let file = ContextFile::find(Some(folder.path().to_owned()), None).unwrap();
    let context = Context { hub: hub.into(), ca: None, token: None, login: Some(login.clone()) };
    file.update(|contexts| {
        *contexts = Contexts { current: None, contexts: [("dev".to_owned(), context)].into() };
        Ok(())
    })
    .unwrap();
    (file, Credential::Login { context: "dev".into(), login })
}

fn user() -> serde_json::Value {
    json!({"id": "usr_1", "name": "ada", "role": "admin", "disabled": false, "created_at": ""})
}

fn renewed() -> serde_json::Value {
    json!({"access_token": "new", "expires_in_ms": 600_000, "refresh_token": "refresh-2", "user": user()})
}

#[tokio::test]
async fn a_login_is_renewed_before_it_ends() {
    let (listener, folder) = (listener().await, tempfile::tempdir().unwrap());
    let (file, credential) = file_with(&folder, "http://h", Timestamp::from_millis(0));
    let answers = [document("200 OK", &renewed()), document("200 OK", &user())];
    let mut client = Client::new(choice(&listener, credential), Some(file.clone()));
    let whoami = client.get::<UserInfo>(Route::new("/api/whoami"));
    let (user, asked) = tokio::join!(whoami, play(&listener, &answers));
    assert_eq!(user.unwrap().name, "ada");
    assert!(asked[0].contains("post /api/refresh") && asked[0].contains("refresh-1"));
    assert!(!asked[0].contains("authorization"));
    assert!(asked[1].contains("authorization: bearer new"), "{}", asked[1]);
    let stored = file.read().unwrap().contexts["dev"].login.clone().unwrap();
    assert_eq!(stored.refresh_token.expose(), "refresh-2");
}

#[tokio::test]
async fn a_login_that_the_hub_refuses_is_renewed_once() {
    let (listener, folder) = (listener().await, tempfile::tempdir().unwrap());
    let in_a_year = Timestamp::from_millis(4_000_000_000_000);
    let (file, credential) = file_with(&folder, "http://h", in_a_year);
    let refused = json!({
        "type": "about:blank", "title": "Unauthorized", "status": 401,
        "detail": "the token has expired", "code": "token_expired",
    });
    let answers = [document("401 Unauthorized", &refused), document("401 Unauthorized", &refused)];
    let mut client = Client::new(choice(&listener, credential), Some(file));
    let whoami = client.get::<UserInfo>(Route::new("/api/whoami"));
    let (user, asked) = tokio::join!(whoami, play(&listener, &answers));
    let failure = user.unwrap_err();
    assert_eq!(failure.exit(), Exit(3));
    assert!(failure.message().contains("is over"), "{failure}");
    assert!(asked[1].contains("post /api/refresh"));
}

#[tokio::test]
async fn the_pair_that_another_process_got_is_taken() {
    let (listener, folder) = (listener().await, tempfile::tempdir().unwrap());
    let (file, credential) = file_with(&folder, "http://h", Timestamp::from_millis(0));
    file.update(|contexts| {
        let login = contexts.contexts.get_mut("dev").unwrap().login.as_mut().unwrap();
        login.access_token = "theirs".to_owned().into();
        login.expires_at = Timestamp::from_millis(4_000_000_000_000);
        Ok(())
    })
    .unwrap();
    let mut client = Client::new(choice(&listener, credential), Some(file));
    let whoami = client.get::<UserInfo>(Route::new("/api/whoami"));
    let answers = [document("200 OK", &user())];
    let (user, asked) = tokio::join!(whoami, play(&listener, &answers));
    assert!(user.is_ok());
    assert!(asked[0].contains("authorization: bearer theirs"), "{}", asked[0]);
}
