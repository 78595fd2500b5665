//! Who did what: every changing route says so, and only those may read it who should.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use axum::http::Method;
use axum::http::StatusCode;
use cortex_core::audit::Action;
use cortex_core::audit::Record;
use cortex_core::chain::Head;
use cortex_proto::json::ChainHead;
use cortex_proto::json::ExportLine;
use serde_json::Value;
use serde_json::json;

use super::super::table::table;
use super::enrolment::FINISH;
use super::enrolment::Machine;
use super::rig::Answer;
use super::rig::Rig;
use super::rig::request;

/// Ask a question with a body, and change nothing.
const QUESTIONS: [&str; 2] = ["/api/nodes/cert-request/challenge", "/api/sessions/{id}/explain"];

/// Method and path of each route, with the words of what it is recorded as.
fn routes() -> Vec<(String, String, Vec<&'static str>)> {
    let mut found = Vec::new();
    for route in table() {
        let (_, paths, _) = route.routes;
        let described = serde_json::to_value(paths).unwrap();
        for (path, item) in described.as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                let words = route.deeds.iter().map(|deed| deed.word()).collect();
                found.push((method.to_uppercase(), path.clone(), words));
            }
        }
    }
    found
}

async fn newest(rig: &Rig) -> Value {
    rig.get("/api/audit?limit=1").await.json()["items"][0].clone()
}

fn lines(answer: &Answer) -> Vec<ExportLine> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let text = std::str::from_utf8(&answer.body).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_route_that_changes_something_declares_what_it_is_recorded_as() {
    for (method, path, deeds) in routes() {
        let is_get = Method::from_bytes(method.as_bytes()).unwrap().is_safe();
        let is_safe = is_get || QUESTIONS.contains(&path.as_str());
        assert_eq!(deeds.is_empty(), is_safe, "{method} {path}: see deeds in rest/table.rs");
    }
}

#[tokio::test]
async fn every_changing_route_is_recorded_as_it_declares() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let mut left: BTreeSet<_> = routes()
        .into_iter()
        .flat_map(|(method, path, deeds)| {
            deeds.into_iter().map(move |deed| (method.clone(), path.clone(), deed))
        })
        .collect();
    let id_of = |answer: &Answer| answer.json()["id"].as_str().unwrap().to_owned();
    let mut done = async |method: &str, template: &str, path: &str, deed, body: Option<Value>| {
        let before = newest(&rig).await["seq"].as_u64();
        let answer = rig.call(method, path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        let record = newest(&rig).await;
        assert!(record["seq"].as_u64() > before, "{method} {path} is not recorded");
        assert_eq!((&record["action"], &record["outcome"]), (&json!(deed), &json!("done")));
        assert!(left.remove(&(method.to_owned(), template.to_owned(), deed)), "{template} {deed}");
        answer
    };
    // The caller's own sign-ins: they need a password for that.
    let change = Some(json!({"password": "staple battery"}));
    rig.call("PATCH", "/api/users/admin", change).await;
    let login = json!({"name": "admin", "password": "staple battery"});
    rig.call("POST", "/api/login", Some(login)).await;
    let logins = rig.get("/api/logins").await.json();
    let path = format!("/api/logins/{}", logins["items"][0]["id"].as_str().unwrap());
    done("DELETE", "/api/logins/{id}", &path, "login.end", None).await;
    done("DELETE", "/api/logins", "/api/logins", "login.end", None).await;
    let user = json!({"name": "ada", "role": "member", "password": "correct horse"});
    done("POST", "/api/users", "/api/users", "user.create", Some(user)).await;
    let change = Some(json!({"disabled": true}));
    done("PATCH", "/api/users/{id}", "/api/users/ada", "user.change", change).await;
    let change = Some(json!({"disabled": false}));
    rig.call("PATCH", "/api/users/ada", change).await;
    let login = Some(json!({"name": "ada", "password": "correct horse"}));
    let login = done("POST", "/api/login", "/api/login", "login.begin", login).await;
    let token = Some(json!({"refresh_token": login.json()["refresh_token"]}));
    let next = done("POST", "/api/refresh", "/api/refresh", "login.refresh", token).await;
    let token = Some(json!({"refresh_token": next.json()["refresh_token"]}));
    done("POST", "/api/logout", "/api/logout", "login.end", token).await;
    let token = Some(json!({"name": "t"}));
    let token = done("POST", "/api/tokens", "/api/tokens", "token.create", token).await;
    let path = format!("/api/tokens/{}", id_of(&token));
    done("DELETE", "/api/tokens/{id}", &path, "token.revoke", None).await;
    let invite = Some(json!({"name": "new"}));
    let route = "/api/nodes/invite";
    let invite = done("POST", route, route, "invite.create", invite).await;
    let path = format!("/api/invites/{}", id_of(&invite));
    done("DELETE", "/api/invites/{id}", &path, "invite.withdraw", None).await;
    let invite = rig.call("POST", route, Some(json!({"name": "machine"}))).await.json();
    let machine = Machine::new(1).body(&rig, invite["token"].as_str().unwrap()).await;
    done("POST", FINISH, FINISH, "node.enrol", Some(machine)).await;
    let session = done("POST", "/api/sessions", "/api/sessions", "session.create", None).await;
    let session = format!("/api/sessions/{}", id_of(&session));
    let (route, path) = ("/api/sessions/{id}/nodes/{node}", format!("{session}/nodes/lab"));
    done("PUT", route, &path, "session.attach", None).await;
    let (dispatch, task) =
        ("/api/sessions/{id}/dispatch", Some(json!({"argv": ["cat"], "open_stdin": true})));
    let path = format!("{session}/dispatch");
    let task = done("POST", dispatch, &path, "task.submit", task).await;
    let path = format!("/api/tasks/{}/input", id_of(&task));
    done("POST", "/api/tasks/{id}/input", &path, "task.input", None).await;
    let path = format!("/api/tasks/{}/signal", id_of(&task));
    let signal = Some(json!({"signal": "HUP"}));
    done("POST", "/api/tasks/{id}/signal", &path, "task.signal", signal).await;
    let path = format!("/api/tasks/{}/cancel", id_of(&task));
    let cancelled = done("POST", "/api/tasks/{id}/cancel", &path, "task.cancel", None).await;
    assert_eq!(cancelled.json()["id"], task.json()["id"]);
    let task = node.task().await;
    node.end(&task, 0).await;
    let path = format!("{session}/nodes/{}", node.id);
    done("DELETE", "/api/sessions/{id}/nodes/{node}", &path, "session.detach", None).await;
    done("DELETE", "/api/sessions/{id}", &session, "session.close", None).await;
    let path = format!("/api/nodes/{}", node.id);
    for (deed, body) in [
        ("node.rename", json!({"name": "other"})),
        ("node.label", json!({"labels": {"a": "b"}})),
        ("node.cordon", json!({"cordoned": true})),
        ("node.uncordon", json!({"cordoned": false})),
        ("node.lock", json!({"locked": true})),
        ("node.unlock", json!({"locked": false})),
    ] {
        done("PATCH", "/api/nodes/{id}", &path, deed, Some(body)).await;
    }
    let drain = format!("{path}/drain");
    done("POST", "/api/nodes/{id}/drain", &drain, "node.drain", None).await;
    let (route, grant) = ("/api/nodes/{id}/grants/{user}", format!("{path}/grants/ada"));
    let access = Some(json!({"access": "use"}));
    done("PUT", route, &grant, "node.share", access).await;
    done("DELETE", route, &grant, "node.unshare", None).await;
    done("DELETE", "/api/nodes/{id}", &path, "node.remove", None).await;
    let force = || Some(json!({"force": true}));
    let route = "/api/trust/{ring}/{act}";
    for (act, body) in [("prepare", None), ("activate", None), ("taint", None), ("revoke", force())]
    {
        let (path, deed) = (format!("/api/trust/signing/{act}"), format!("trust.{act}"));
        done("POST", route, &path, Action::from_str(&deed).unwrap().word(), body).await;
    }
    rig.call("POST", "/api/trust/signing/prepare", None).await;
    done("POST", route, "/api/trust/signing/rollback", "trust.rollback", None).await;
    assert_eq!(left, BTreeSet::new(), "changing routes that this test leaves out");
    rig.stop().await;
}

#[tokio::test]
async fn changes_that_are_made_together_are_recorded_one_by_one_or_not_at_all() {
    let rig = Rig::start().await;
    let node = rig.node("lab").await;
    let path = format!("/api/nodes/{}", node.id);
    let recorded = async || {
        let found = rig.get(&format!("/api/audit?object={}", node.id)).await.json();
        let items = found["items"].as_array().unwrap().clone();
        items.into_iter().map(|record| record["action"].clone()).collect::<Vec<_>>()
    };
    let before = recorded().await;
    let both = json!({"name": "other", "cordoned": true});
    assert_eq!(rig.call("PATCH", &path, Some(both)).await.status, StatusCode::OK);
    let after = recorded().await;
    assert_eq!(after[..2], [json!("node.cordon"), json!("node.rename")]);
    assert_eq!(after[2..], before);
    rig.node("lab").await;
    let taken = json!({"name": "lab", "cordoned": false});
    assert_eq!(rig.call("PATCH", &path, Some(taken)).await.status, StatusCode::CONFLICT);
    assert_eq!(rig.call("PATCH", &path, Some(json!({}))).await.status, StatusCode::OK);
    assert_eq!(recorded().await, after);
    rig.stop().await;
}

#[tokio::test]
async fn records_say_who_with_what_and_are_filtered() {
    let rig = Rig::start().await;
    let node = rig.node("lab").await;
    let path = format!("/api/nodes/{}", node.id);
    rig.call("PATCH", &path, Some(json!({"locked": true}))).await;
    rig.call("PATCH", &path, Some(json!({"locked": false}))).await;
    let found = rig.get(&format!("/api/audit?object={}&action=node.lock", node.id)).await.json();
    let [record] = found["items"].as_array().unwrap().as_slice() else { panic!("{found}") };
    let me = rig.get("/api/whoami").await.json()["id"].clone();
    assert_eq!((&record["actor"], &record["owner"]), (&me, &me));
    assert_eq!(record["detail"], "lab");
    let token = rig.admin.split('.').nth(1).unwrap();
    assert_eq!(record["credential"], token);
    assert!(!found.to_string().contains(&rig.admin), "no secrets");
    let at = record["at"].as_str().unwrap();
    let before = rig.get(&format!("/api/audit?until={at}&action=node.lock")).await.json();
    assert_eq!(before["items"], json!([]));
    let first = rig.get("/api/audit?limit=1").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = rig.get(&format!("/api/audit?limit=1&cursor={cursor}")).await.json();
    let seq = |page: &Value| page["items"][0]["seq"].as_u64().unwrap();
    assert_eq!(seq(&second), seq(&first) - 1);
    assert_eq!(rig.get("/api/audit?action=node.explode").await.code(), "bad_filter");
    rig.stop().await;
}

#[tokio::test]
async fn others_read_what_concerns_their_own_things_and_only_admins_export() {
    let rig = Rig::start().await;
    let node = rig.node("lab").await;
    rig.call("PATCH", &format!("/api/nodes/{}", node.id), Some(json!({"locked": true}))).await;
    let other = rig.user("other", "member", &["read"]).await;
    let seen = rig.send(request("GET", "/api/audit", Some(&other), None)).await.json();
    let other_id = rig.send(request("GET", "/api/whoami", Some(&other), None)).await.json();
    let items = seen["items"].as_array().unwrap();
    assert!(!items.is_empty());
    assert!(items.iter().all(|record| record["owner"] == other_id["id"]), "{seen}");
    let export = rig.send(request("GET", "/api/audit/export", Some(&other), None)).await;
    assert_eq!((export.status.as_u16(), export.code().as_str()), (403, "admin_only"));
    rig.stop().await;
}

#[tokio::test]
async fn refused_credentials_are_recorded_and_nobody_can_fill_the_log_with_them() {
    let rig = Rig::start().await;
    rig.send(request("GET", "/api/nodes", None, None)).await;
    let before = rig.get("/api/audit?action=access.refuse").await.json();
    assert_eq!(before["items"], json!([]), "who gives no credential is not refused one");
    for _ in 0..200 {
        let answer = rig.send(request("GET", "/api/nodes", Some("garbage"), None)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let after = rig.get("/api/audit?action=access.refuse&limit=1000").await.json();
    let items = after["items"].as_array().unwrap();
    assert!((1..150).contains(&items.len()), "{}", items.len());
    assert_eq!((&items[0]["actor"], &items[0]["outcome"]), (&json!("nobody"), &json!("refused")));
    assert_eq!(items.last().unwrap()["detail"], "token_invalid");
    let login = Some(json!({"name": "admin", "password": "my secret"}));
    rig.send(request("POST", "/api/login", None, login)).await;
    let all = rig.get("/api/audit?limit=1000").await;
    assert!(!std::str::from_utf8(&all.body).unwrap().contains("my secret"));
    rig.stop().await;
}

#[tokio::test]
async fn the_export_is_a_chain_from_any_record_on() {
    let rig = Rig::start().await;
    for _ in 0..3 {
        rig.call("POST", "/api/sessions", None).await;
    }
    let head = |head: &ChainHead| Head { count: head.count, digest: head.digest.parse().unwrap() };
    let walk = |lines: &[ExportLine]| {
        let ExportLine::Audit { start, end, .. } = &lines[0] else { panic!("{lines:?}") };
        let mut chain = head(start);
        for line in &lines[1..] {
            let ExportLine::Record(info) = line else { panic!("{line:?}") };
            chain = Record::try_from(info).unwrap().extend(chain);
        }
        assert_eq!(chain, head(end));
        chain
    };
    let all = lines(&rig.get("/api/audit/export").await);
    let end = walk(&all);
    assert_eq!(end.count, all.len() as u64 - 1);
    let later = lines(&rig.get(&format!("/api/audit/export?after={}", end.count - 1)).await);
    assert_eq!((later.len(), walk(&later)), (2, end));
    let beyond = rig.get(&format!("/api/audit/export?after={}", end.count + 1)).await;
    assert_eq!(beyond.status, StatusCode::NOT_FOUND);
    assert!(all.iter().any(|line| {
        matches!(line, ExportLine::Record(info) if info.action == Action::SessionCreate.word())
    }));
    rig.stop().await;
}
