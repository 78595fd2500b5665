//! Who may do what, from where.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::id::UserId;
use serde_json::Value;
use serde_json::json;

use super::rig::Rig;
use super::rig::request;
use crate::accounts::Authenticator;
use crate::accounts::Credentials;

#[tokio::test]
async fn scopes_and_roles_are_held_to() {
    let rig = Rig::start().await;
    let reader = rig.user("reader", "member", &["read"]).await;
    let call = |method: &'static str, path: &'static str, body: Option<Value>| {
        rig.send(request(method, path, Some(&reader), body))
    };
    assert_eq!(call("GET", "/api/nodes", None).await.status, StatusCode::OK);
    assert_eq!(call("GET", "/api/whoami", None).await.json()["name"], "reader");
    let manage = call("POST", "/api/sessions", None).await;
    assert_eq!((manage.status.as_u16(), manage.code().as_str()), (403, "missing_scope"));
    let exec = call("POST", "/api/sessions/default/dispatch", Some(json!({"argv": ["ls"]}))).await;
    assert_eq!((exec.status.as_u16(), exec.code().as_str()), (403, "missing_scope"));
    assert_eq!(call("GET", "/api/users", None).await.code(), "admin_only");
    let token = call("POST", "/api/tokens", Some(json!({"name": "t"}))).await;
    assert_eq!(token.status, StatusCode::FORBIDDEN);
    rig.stop().await;
}

#[tokio::test]
async fn what_is_not_yours_is_not_there() {
    let rig = Rig::start().await;
    let node = rig.node("lab").await;
    let session = rig.call("POST", "/api/sessions", None).await.json();
    let session = session["id"].as_str().unwrap().to_owned();
    let other = rig.user("other", "member", &[]).await;
    for path in [
        format!("/api/nodes/{}", node.id),
        "/api/nodes/lab".to_owned(),
        format!("/api/nodes/{}/status", node.id),
        format!("/api/sessions/{session}"),
        format!("/api/sessions/{session}/events"),
    ] {
        let answer = rig.send(request("GET", &path, Some(&other), None)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let list = rig.send(request("GET", "/api/nodes", Some(&other), None)).await;
    assert_eq!(list.json()["items"], json!([]));
    let body = Some(json!({"argv": ["ls"]}));
    let path = format!("/api/sessions/{session}/dispatch");
    let dispatch = rig.send(request("POST", &path, Some(&other), body)).await;
    assert_eq!(dispatch.status, StatusCode::NOT_FOUND);
    let remove = format!("/api/nodes/{}", node.id);
    let remove = rig.send(request("DELETE", &remove, Some(&other), None)).await;
    assert_eq!(remove.status, StatusCode::NOT_FOUND);
    rig.stop().await;
}

#[tokio::test]
async fn a_revoked_token_and_a_locked_out_user_are_refused_at_once() {
    let rig = Rig::start().await;
    let token = rig.user("ada", "member", &["read"]).await;
    let look = || rig.send(request("GET", "/api/nodes", Some(&token), None));
    assert_eq!(look().await.status, StatusCode::OK);
    rig.call("PATCH", "/api/users/ada", Some(json!({"disabled": true}))).await;
    assert_eq!(look().await.code(), "user_disabled");
    rig.call("PATCH", "/api/users/ada", Some(json!({"disabled": false}))).await;
    assert_eq!(look().await.status, StatusCode::OK);
    let id = token.split('.').nth(1).unwrap();
    let gone = rig.call("DELETE", &format!("/api/tokens/{id}"), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(look().await.code(), "token_invalid");
    let again = rig.call("DELETE", &format!("/api/tokens/{id}"), None).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    rig.stop().await;
}

#[tokio::test]
async fn the_last_admin_stays() {
    let rig = Rig::start().await;
    for change in [json!({"disabled": true}), json!({"role": "member"})] {
        let answer = rig.call("PATCH", "/api/users/admin", Some(change)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "last_admin"));
    }
    rig.user("second", "admin", &[]).await;
    let demoted = rig.call("PATCH", "/api/users/admin", Some(json!({"role": "member"}))).await;
    assert_eq!(demoted.json()["role"], "member");
    assert_eq!(rig.get("/api/users").await.status, StatusCode::FORBIDDEN);
    rig.stop().await;
}

#[tokio::test]
async fn row_48_a_foreign_host_name_is_turned_away() {
    let rig = Rig::start().await;
    let with_host = |host: &str| {
        let mut request = request("GET", "/api/nodes", Some(&rig.admin), None);
        request.headers_mut().insert(header::HOST, host.parse().unwrap());
        rig.send(request)
    };
    assert_eq!(with_host("127.0.0.1:8080").await.status, StatusCode::OK);
    let foreign = with_host("rebound.example").await;
    assert_eq!((foreign.status.as_u16(), foreign.code().as_str()), (421, "unknown_host"));
    rig.stop().await;
}

#[tokio::test]
async fn row_48_a_cookie_changes_things_for_the_hubs_own_pages_only() {
    let rig = Rig::start().await;
    rig.user("ada", "member", &[]).await;
    let login = json!({"name": "ada", "password": "correct horse"});
    let login = rig.send(request("POST", "/api/login?cookie=true", None, Some(login))).await;
    assert_eq!(login.status, StatusCode::NO_CONTENT);
    let cookies: Vec<_> = login.headers.get_all(header::SET_COOKIE).iter().collect();
    assert_eq!(cookies.len(), 2);
    let pairs: Vec<_> =
        cookies.iter().map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap()).collect();
    let send = |method: &'static str, headers: &[(&'static str, &'static str)]| {
        let mut request = request(method, "/api/sessions", None, None);
        request.headers_mut().insert(header::COOKIE, pairs.join("; ").parse().unwrap());
        request.headers_mut().insert(header::HOST, "localhost:8080".parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        rig.send(request)
    };
    assert_eq!(send("GET", &[]).await.status, StatusCode::OK);
    for foreign in [
        &[][..],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "http://evil.example")],
    ] {
        let answer = send("POST", foreign).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "foreign_page"));
    }
    let own = send("POST", &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(own.status, StatusCode::CREATED);
    let own = send("POST", &[("origin", "http://localhost:8080")]).await;
    assert_eq!(own.status, StatusCode::CREATED);
    rig.stop().await;
}

#[tokio::test]
async fn row_48_no_form_and_no_page_of_another_site_changes_anything() {
    let rig = Rig::start().await;
    let cookies = super::pages::signed_in(&rig).await;
    let send = |method: &str, path: &str, headers: &[(&'static str, &str)], body: &'static str| {
        let mut request = request(method, path, None, None);
        request.headers_mut().insert(header::HOST, "localhost:8080".parse().unwrap());
        request.headers_mut().insert(header::COOKIE, cookies.parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        *request.body_mut() = Body::from(body);
        rig.send(request)
    };
    // A form can send these three kinds, and JSON inside them, without asking first.
    let own = ("sec-fetch-site", "same-origin");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let form = send("POST", "/api/users", &[own, ("content-type", kind)], "{\"name\":\"eve\"}");
        assert_eq!(form.await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    let foreign = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let removed = send("DELETE", "/api/logins", &foreign, "").await;
    assert_eq!((removed.status.as_u16(), removed.code().as_str()), (403, "foreign_page"));
    // A browser asks first whether the other site may; nothing in the answer says so.
    let asking = [foreign[1], ("access-control-request-method", "DELETE")];
    let preflight = send("OPTIONS", "/api/logins", &asking, "").await;
    assert_eq!(preflight.status, StatusCode::METHOD_NOT_ALLOWED);
    let read = send("GET", "/api/nodes", &foreign[1..], "").await;
    for answer in [&removed, &preflight, &read] {
        let mut names = answer.headers.keys();
        assert!(!names.any(|name| name.as_str().starts_with("access-control-")), "{answer:?}");
    }
    let users = rig.get("/api/users").await.json();
    assert_eq!(users["items"].as_array().unwrap().len(), 1);
    assert_eq!(rig.get("/api/logins").await.json()["items"].as_array().unwrap().len(), 1);
    rig.stop().await;
}

/// Knows one person, by a cookie of the embedding service.
#[derive(Debug)]
struct OwnCookie;

#[async_trait::async_trait]
impl Authenticator for OwnCookie {
    async fn authenticate(&self, credentials: &Credentials<'_>) -> cortex_core::Result<Principal> {
        match credentials.headers.get(header::COOKIE) {
            Some(cookie) if cookie == "session=7" => {
                Ok(Principal::full(UserId::from_bytes([7; 16]), Role::Member))
            }
            _ => Err(Error::new(ErrorKind::Unauthenticated, "read cookie", "nobody is signed in")),
        }
    }
}

#[tokio::test]
async fn an_embedders_users_are_let_in_and_kept_apart() {
    let rig = Rig::with(|builder| builder.authenticator(Arc::new(OwnCookie))).await;
    let node = rig.node("lab").await;
    let send = |method: &str, path: &str, headers: &[(&'static str, &'static str)]| {
        let mut request = request(method, path, None, None);
        request.headers_mut().insert(header::COOKIE, "session=7".parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        rig.send(request)
    };
    let id = UserId::from_bytes([7; 16]).to_string();
    assert_eq!(send("GET", "/api/whoami", &[]).await.json()["id"], id);
    assert_eq!(send("GET", "/api/nodes/lab", &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(rig.send(request("GET", "/api/nodes", None, None)).await.status, 401);
    // Their cookie may be sent by another site's page: browsers say so.
    let foreign = send("POST", "/api/sessions", &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!((foreign.status.as_u16(), foreign.code().as_str()), (403, "foreign_page"));
    assert_eq!(send("POST", "/api/sessions", &[]).await.status, StatusCode::CREATED);
    // A node is shared with them by their id.
    let grant = format!("/api/nodes/lab/grants/{id}");
    let shared = rig.call("PUT", &grant, Some(json!({"access": "use"}))).await;
    assert_eq!(shared.status, StatusCode::OK, "{shared:?}");
    assert_eq!(send("GET", "/api/nodes/lab", &[]).await.json()["access"], "use");
    assert_eq!(rig.call("DELETE", &grant, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(send("GET", "/api/nodes/lab", &[]).await.status, StatusCode::NOT_FOUND);
    drop(node);
    rig.stop().await;
}
