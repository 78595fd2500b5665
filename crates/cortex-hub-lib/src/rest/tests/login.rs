//! Signing in, staying in, signing out.

use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use serde_json::json;

use super::rig::Answer;
use super::rig::Events;
use super::rig::Rig;
use super::rig::request;
use crate::config::HubConfig;

async fn post(rig: &Rig, path: &str, body: Value) -> Answer {
    rig.send(request("POST", path, None, Some(body))).await
}

async fn who(rig: &Rig, access: &Value) -> Answer {
    rig.send(request("GET", "/api/whoami", access.as_str(), None)).await
}

#[tokio::test]
async fn row_46_a_login_is_refreshed_and_a_stolen_refresh_token_ends_it() {
    let rig = Rig::start().await;
    rig.user("ada", "member", &[]).await;
    let login = json!({"name": "ADA", "password": "correct horse"});
    let first = post(&rig, "/api/login", login).await.json();
    assert_eq!(first["user"]["name"], "ada");
    assert_eq!(who(&rig, &first["access_token"]).await.json()["name"], "ada");
    let refresh = |token: &Value| post(&rig, "/api/refresh", json!({"refresh_token": token}));
    let second = refresh(&first["refresh_token"]).await.json();
    // The answer was lost: the same comes again.
    let repeated = refresh(&first["refresh_token"]).await.json();
    assert_eq!(repeated["refresh_token"], second["refresh_token"]);
    let third = refresh(&second["refresh_token"]).await.json();
    assert_eq!(who(&rig, &third["access_token"]).await.status, StatusCode::OK);
    let fourth = refresh(&third["refresh_token"]).await.json();
    assert_eq!(refresh(&json!("cxr1.nonsense")).await.code(), "refresh_invalid");
    // Two generations old: nobody who plays fair still has it.
    let old = refresh(&second["refresh_token"]).await;
    assert_eq!((old.status.as_u16(), old.code().as_str()), (401, "refresh_reused"));
    assert_eq!(refresh(&fourth["refresh_token"]).await.code(), "refresh_invalid");
    assert_eq!(who(&rig, &fourth["access_token"]).await.code(), "token_revoked");
    rig.stop().await;
}

#[tokio::test]
async fn a_logout_ends_access_at_once() {
    let rig = Rig::start().await;
    rig.user("ada", "member", &[]).await;
    let login = || post(&rig, "/api/login", json!({"name": "ada", "password": "correct horse"}));
    let one = login().await.json();
    let two = login().await.json();
    let body = json!({"refresh_token": one["refresh_token"]});
    assert_eq!(post(&rig, "/api/logout", body.clone()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(who(&rig, &one["access_token"]).await.code(), "token_revoked");
    assert_eq!(post(&rig, "/api/refresh", body).await.code(), "refresh_invalid");
    assert_eq!(who(&rig, &two["access_token"]).await.status, StatusCode::OK);
    let access = two["access_token"].as_str();
    let out = rig.send(request("POST", "/api/logout", access, None)).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(who(&rig, &two["access_token"]).await.code(), "token_revoked");
    rig.stop().await;
}

#[tokio::test]
async fn row_49_a_wrong_password_and_an_unknown_name_get_one_answer_and_are_counted() {
    let rig = Rig::start().await;
    rig.user("ada", "member", &[]).await;
    let attempt = |name: &str| post(&rig, "/api/login", json!({"name": name, "password": "wrong"}));
    let (wrong, unknown) = (attempt("ada").await, attempt("nobody").await);
    assert_eq!(wrong.code(), "wrong_login");
    assert_eq!(unknown.json()["detail"], wrong.json()["detail"]);
    let mut last = wrong;
    for _ in 0..12 {
        last = attempt("Ada").await;
        if last.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
    }
    assert_eq!(last.code(), "too_many_attempts");
    assert!(last.headers.contains_key("retry-after"));
    let right = post(&rig, "/api/login", json!({"name": "ada", "password": "correct horse"})).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
    let both = json!({"name": "ada", "password": "x", "code": "y"});
    assert_eq!(post(&rig, "/api/login", both).await.code(), "login");
    rig.stop().await;
}

#[tokio::test]
async fn a_sign_in_link_is_good_once() {
    let rig = Rig::start().await;
    let link = rig.hub.accounts().sign_in_link("http://127.0.0.1:8080/").await.unwrap();
    let link = link.expose_secret().to_owned();
    let code = link.strip_prefix("http://127.0.0.1:8080/sign-in#code=").unwrap();
    let first = post(&rig, "/api/login", json!({"code": code})).await;
    assert_eq!(first.json()["user"]["name"], "admin");
    assert_eq!(who(&rig, &first.json()["access_token"]).await.status, StatusCode::OK);
    assert_eq!(post(&rig, "/api/login", json!({"code": code})).await.code(), "code_invalid");
    assert_eq!(post(&rig, "/api/login", json!({"code": "x"})).await.code(), "code_invalid");
    rig.stop().await;
}

#[tokio::test]
async fn a_new_password_ends_the_logins_and_not_the_tokens() {
    let rig = Rig::start().await;
    let token = rig.user("ada", "member", &[]).await;
    let login = json!({"name": "ada", "password": "correct horse"});
    let access = post(&rig, "/api/login", login.clone()).await.json()["access_token"].clone();
    let change = json!({"password": "battery staple"});
    let changed = rig.send(request("PATCH", "/api/users/ada", access.as_str(), Some(change))).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_eq!(who(&rig, &access).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(who(&rig, &json!(token)).await.status, StatusCode::OK);
    assert_eq!(post(&rig, "/api/login", login).await.code(), "wrong_login");
    let role = Some(json!({"role": "admin"}));
    let role = rig.send(request("PATCH", "/api/users/ada", Some(&token), role)).await;
    assert_eq!(role.status, StatusCode::FORBIDDEN);
    let other = Some(json!({"password": "12345678"}));
    let other = rig.send(request("PATCH", "/api/users/admin", Some(&token), other)).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    rig.stop().await;
}

#[tokio::test]
async fn a_token_makes_no_token_that_is_good_for_more() {
    let rig = Rig::start().await;
    let narrow = rig.user("ada", "member", &["read", "manage"]).await;
    let make = |body: Value| rig.send(request("POST", "/api/tokens", Some(&narrow), Some(body)));
    assert_eq!(make(json!({"name": "t", "scopes": ["exec"]})).await.code(), "wider_scope");
    assert_eq!(make(json!({"name": "t", "scopes": ["fly"]})).await.code(), "scopes");
    assert_eq!(make(json!({"name": ""})).await.code(), "bad_name");
    let same = make(json!({"name": "t"})).await;
    assert_eq!(same.status, StatusCode::CREATED);
    let list = rig.send(request("GET", "/api/tokens", Some(&narrow), None)).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert_eq!(list["items"][0]["scopes"], json!(["read", "manage"]));
    rig.stop().await;
}

/// Tries to sign in under a new name from a connection of `peer`'s, which says to come from elsewhere.
async fn guess(rig: &Rig, peer: &str, forwarded: &str, name: usize) -> Answer {
    let body = Some(json!({"name": format!("user-{name}"), "password": "wrong"}));
    let mut request = request("POST", "/api/login", None, body);
    let peer: std::net::SocketAddr = format!("{peer}:4711").parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    request.headers_mut().insert("x-forwarded-for", forwarded.parse().unwrap());
    rig.send(request).await
}

#[tokio::test]
async fn row_49_rotating_forwarded_addresses_get_nobody_around_the_limit() {
    let trusted_proxies = vec!["10.0.0.1".parse().unwrap()];
    let config = HubConfig { trusted_proxies, ..HubConfig::default() };
    let rig = Rig::of(config).await;
    let mut limited = None;
    for n in 0..40 {
        // Another name, another address in front of it, and a proxy that nobody trusts.
        let answer = guess(&rig, "9.9.9.9", &format!("1.2.3.{n}, 10.0.0.1"), n).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            limited = Some(n);
            break;
        }
    }
    assert!(limited.is_some_and(|n| n >= 25), "{limited:?}");
    // Behind the trusted proxy, only what it has written itself counts.
    for n in 0..40 {
        let answer = guess(&rig, "10.0.0.1", &format!("1.2.3.{n}, 8.8.8.8"), 100 + n).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            let other = guess(&rig, "10.0.0.1", "8.8.4.4", 200).await;
            assert_eq!(other.status, StatusCode::UNAUTHORIZED);
            return rig.stop().await;
        }
    }
    panic!("nobody was limited");
}

#[tokio::test]
async fn sign_ins_are_listed_and_ended_by_whose_they_are() {
    let rig = Rig::start().await;
    rig.user("ada", "member", &[]).await;
    let login = || post(&rig, "/api/login", json!({"name": "ada", "password": "correct horse"}));
    let (one, two) = (login().await.json(), login().await.json());
    let as_one = |method: &'static str, path: &str| {
        rig.send(request(method, path, one["access_token"].as_str(), None))
    };
    // The one that made the token, and these two.
    let list = as_one("GET", "/api/logins").await.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    let current: Vec<_> = items.iter().filter(|item| item["current"] == true).collect();
    assert_eq!(current.len(), 1);
    let other = who(&rig, &two["access_token"]).await;
    assert_eq!(other.status, StatusCode::OK);
    let theirs = rig.send(request("GET", "/api/logins", two["access_token"].as_str(), None)).await;
    let two_id = theirs.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["current"] == true)
        .cloned();
    let two_id = format!("/api/logins/{}", two_id.unwrap()["id"].as_str().unwrap());
    assert_eq!(rig.call("DELETE", &two_id, None).await.code(), "login_not_found");
    assert_eq!(as_one("DELETE", &two_id).await.status, StatusCode::NO_CONTENT);
    assert_eq!(who(&rig, &two["access_token"]).await.code(), "token_revoked");
    let refresh = json!({"refresh_token": two["refresh_token"]});
    assert_eq!(post(&rig, "/api/refresh", refresh).await.code(), "refresh_invalid");
    assert_eq!(as_one("DELETE", "/api/logins").await.status, StatusCode::NO_CONTENT);
    assert_eq!(who(&rig, &one["access_token"]).await.code(), "token_revoked");
    rig.stop().await;
}

#[tokio::test]
async fn what_a_locked_out_user_has_open_ends() {
    let rig = Rig::start().await;
    rig.user("ada", "member", &[]).await;
    let login = json!({"name": "ada", "password": "correct horse"});
    let access = post(&rig, "/api/login", login).await.json()["access_token"].clone();
    let mut follow = request("GET", "/api/events", access.as_str(), None);
    follow.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
    let mut events = Events::of(rig.raw(follow).await);
    rig.call("PATCH", "/api/users/ada", Some(json!({"disabled": true}))).await;
    assert!(events.next().await.is_none());
    assert_eq!(who(&rig, &access).await.status, StatusCode::UNAUTHORIZED);
    rig.stop().await;
}
