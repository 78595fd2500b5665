//! What is somebody else's answers like what does not exist: asked on every route of the table.

use axum::http::StatusCode;
use axum::http::header;
use cortex_core::id::InviteId;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use serde_json::Value;
use serde_json::json;

use super::super::openapi::document;
use super::rig::Answer;
use super::rig::Events;
use super::rig::Rig;
use super::rig::request;

/// One of each thing, by the text of its id.
struct Things {
    node: String,
    session: String,
    task: String,
    invite: String,
    token: String,
    login: String,
    user: String,
    skill: String,
}

impl Things {
    /// Things that nobody has.
    fn absent() -> Self {
        Self {
            node: NodeId::generate().to_string(),
            session: SessionId::generate().to_string(),
            task: TaskId::generate().to_string(),
            invite: InviteId::generate().to_string(),
            token: TokenId::generate().to_string(),
            login: TokenId::generate().to_string(),
            user: UserId::generate().to_string(),
            skill: "absent-skill".to_owned(),
        }
    }

    /// The path with its parameters filled in; `None` where it has none.
    fn fill(&self, path: &str) -> Option<String> {
        // Documents and the hub's own keys are nobody's.
        let is_nobodys = path == "/api/docs/{file}" || path == "/api/trust/{ring}/{act}";
        if is_nobodys || !path.contains('{') {
            return None;
        }
        let collection = path.split('/').nth(2).unwrap_or_default();
        let id = match collection {
            "nodes" => &self.node,
            "sessions" => &self.session,
            "tasks" => &self.task,
            "invites" => &self.invite,
            "tokens" => &self.token,
            "logins" => &self.login,
            "users" => &self.user,
            "skills" => &self.skill,
            _ => panic!("{path}: say whose things these are"),
        };
        let filled =
            path.replace("{id}", id).replace("{node}", &self.node).replace("{user}", &self.user);
        let filled = filled.replace("{name}", &self.skill);
        assert!(!filled.contains('{'), "{path}: say what its parameters mean");
        Some(filled)
    }

    /// A text in which the ids of these things have no value.
    fn blind(&self, text: &str) -> String {
        let ids = [
            &self.node,
            &self.session,
            &self.task,
            &self.invite,
            &self.token,
            &self.login,
            &self.user,
            &self.skill,
        ];
        ids.into_iter().fold(text.to_owned(), |text, id| text.replace(id.as_str(), "ID"))
    }
}

/// A body with which the operation would do something.
fn body_of(operation: &str) -> Option<Value> {
    match operation {
        "change_node" => Some(json!({"name": "mine", "locked": true})),
        "share_node" => Some(json!({"access": "manage"})),
        "dispatch_task" | "explain_task" => Some(json!({"argv": ["true"]})),
        "cancel_task" => Some(json!({"reason": "no"})),
        "signal_task" => Some(json!({"signal": "KILL"})),
        "change_user" => Some(json!({"password": "battery staple"})),
        _ => None,
    }
}

/// The answer without what differs from request to request.
fn essence(answer: &Answer, things: &Things) -> (StatusCode, String) {
    let mut problem = answer.json();
    problem["request_id"] = Value::Null;
    (answer.status, things.blind(&problem.to_string()))
}

/// Makes one of each thing of the first admin's, with a running task.
async fn things_of_admin(rig: &Rig) -> (Things, super::rig::FakeNode) {
    let mut node = rig.node("secret-lab").await;
    let session = rig.call("POST", "/api/sessions", Some(json!({"nodes": ["secret-lab"]}))).await;
    let session = session.json()["id"].as_str().unwrap().to_owned();
    let dispatch = format!("/api/sessions/{session}/dispatch");
    let task = rig.call("POST", &dispatch, Some(json!({"argv": ["sleep"]}))).await.json();
    let running = node.task().await;
    node.start(&running).await;
    let invite = rig.call("POST", "/api/nodes/invite", Some(json!({"name": "next-lab"}))).await;
    let token = rig.call("POST", "/api/tokens", Some(json!({"name": "secret-token"}))).await;
    super::pages::signed_in(rig).await;
    let login = rig.get("/api/logins").await.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let things = Things {
        node: node.id.to_string(),
        session,
        task: text(&task["id"]),
        invite: text(&invite.json()["id"]),
        token: text(&token.json()["id"]),
        login: text(&login["items"][0]["id"]),
        user: text(&rig.get("/api/whoami").await.json()["id"]),
        skill: super::control::SKILL.to_owned(),
    };
    (things, node)
}

#[tokio::test]
async fn row_44_on_every_route_a_strangers_things_are_as_if_absent() {
    let rig = Rig::start().await;
    let (theirs, node) = things_of_admin(&rig).await;
    let ada = rig.user("ada", "member", &[]).await;
    let mut asked = 0;
    for (method, path, operation) in operations() {
        let Some(filled) = theirs.fill(&path) else { continue };
        let absent = Things::absent();
        let nowhere = absent.fill(&path).unwrap();
        for stream in [false, true] {
            let ask = async |path: &str| {
                let mut request = request(&method, path, Some(&ada), body_of(&operation));
                if stream {
                    let accept = "text/event-stream".parse().unwrap();
                    request.headers_mut().insert(header::ACCEPT, accept);
                }
                rig.send(request).await
            };
            let (hidden, missing) = (ask(&filled).await, ask(&nowhere).await);
            assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{method} {path} {hidden:?}");
            assert_eq!(essence(&hidden, &theirs), essence(&missing, &absent), "{method} {path}");
        }
        asked += 1;
    }
    assert!(asked >= 20, "{asked} routes are about one thing");
    // Nothing of all that has happened.
    let lab = rig.get(&format!("/api/nodes/{}", theirs.node)).await.json();
    assert_eq!((&lab["name"], &lab["locked"]), (&json!("secret-lab"), &json!(false)));
    let task = rig.get(&format!("/api/tasks/{}", theirs.task)).await.json();
    assert_eq!(task["state"], "running");
    assert_eq!(rig.get("/api/logins").await.json()["items"].as_array().unwrap().len(), 1);
    drop(node);
    rig.stop().await;
}

#[tokio::test]
async fn row_44_ids_of_a_strangers_things_open_nothing_in_ones_own() {
    let rig = Rig::start().await;
    let (theirs, node) = things_of_admin(&rig).await;
    let ada = rig.user("ada", "member", &[]).await;
    let ask = async |method: &str, path: &str, body: Option<Value>| {
        rig.send(request(method, path, Some(&ada), body)).await
    };
    let mine = ask("POST", "/api/sessions", None).await.json();
    let mine = mine["id"].as_str().unwrap();
    let absent = Things::absent();
    let each = async |things: &Things| {
        let lab = &things.node;
        let answers = [
            ask("PUT", &format!("/api/sessions/{mine}/nodes/{lab}"), None).await,
            ask("POST", "/api/sessions", Some(json!({"nodes": [lab]}))).await,
            ask(
                "POST",
                &format!("/api/sessions/{mine}/dispatch"),
                Some(json!({"argv": ["true"], "node": lab})),
            )
            .await,
            ask("GET", &format!("/api/tasks?session={}", things.session), None).await,
            ask("GET", &format!("/api/tasks?node={lab}"), None).await,
        ];
        answers.map(|answer| essence(&answer, things))
    };
    assert_eq!(each(&theirs).await, each(&absent).await);
    let detach = |things: &Things| format!("/api/sessions/{mine}/nodes/{}", things.node);
    let same = ask("DELETE", &detach(&theirs), None).await.json();
    assert_eq!(same, ask("DELETE", &detach(&absent), None).await.json());
    drop(node);
    rig.stop().await;
}

#[tokio::test]
async fn row_44_lists_and_streams_tell_nothing_of_a_stranger() {
    let rig = Rig::start().await;
    let (theirs, node) = things_of_admin(&rig).await;
    let ada = rig.user("ada", "member", &[]).await;
    let mut follow = request("GET", "/api/events", Some(&ada), None);
    follow.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().unwrap());
    let mut events = Events::of(rig.raw(follow).await);
    for (method, path, _) in operations() {
        let is_list = method == "GET" && !path.contains('{') && path.starts_with("/api/");
        if !is_list || path == "/api/events" || path.starts_with("/api/docs") {
            continue;
        }
        let answer = rig.send(request("GET", &path, Some(&ada), None)).await;
        let mut text = String::from_utf8_lossy(&answer.body).into_owned();
        if path == "/api/audit" {
            // Her own records, and who it was that made her an account.
            let made_by = format!("\"actor\":\"{}\"", theirs.user);
            text = text.replace(&made_by, "\"actor\":\"whoever\"");
        }
        assert_eq!(theirs.blind(&text), text, "{path}");
        assert!(!text.contains("secret-lab") && !text.contains("secret-token"), "{path}");
    }
    // Things happen to others; then one of her own. She hears of that first.
    rig.call("POST", &format!("/api/tasks/{}/cancel", theirs.task), None).await;
    rig.call("PATCH", "/api/nodes/secret-lab", Some(json!({"cordoned": true}))).await;
    let grant = format!("/api/nodes/{}/grants/ada", theirs.node);
    rig.call("PUT", &grant, Some(json!({"access": "use"}))).await;
    let first = events.next().await.unwrap();
    assert_eq!(first.name, "node.status");
    assert_eq!(first.data["node"]["id"], theirs.node);
    // Shared no more, she hears no more of it.
    rig.call("DELETE", &grant, None).await;
    rig.call("PATCH", "/api/nodes/secret-lab", Some(json!({"cordoned": false}))).await;
    rig.hub.shutdown_token().cancel();
    assert!(events.next().await.is_none());
    drop(node);
    rig.stop().await;
}

/// Method, path and name of each operation.
fn operations() -> Vec<(String, String, String)> {
    let document = serde_json::to_value(document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            found.push((method.to_uppercase(), path.clone(), name));
        }
    }
    found
}
