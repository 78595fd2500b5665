//! The API's description: committed, complete, and true to the routes' rules.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use cortex_core::id::NodeId;
use cortex_core::id::TokenId;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::super::guard::Rule;
use super::super::openapi::document;
use super::super::table::table;
use super::rig::Rig;
use super::rig::request;
use crate::clock;
use crate::trust::token::NODE_LIFE;

/// Routes for anybody. A new one is a decision, and is written down here too.
const PUBLIC: [&str; 12] = [
    "GET /api/docs",
    "GET /api/docs/",
    "GET /api/docs/{file}",
    "GET /api/info",
    "GET /api/openapi.json",
    "GET /healthz",
    "GET /readyz",
    "POST /api/login",
    "POST /api/logout",
    "POST /api/nodes/cert-request",
    "POST /api/nodes/cert-request/challenge",
    "POST /api/refresh",
];

fn value() -> Value {
    serde_json::to_value(document()).unwrap()
}

/// Method, path and description of each operation.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let mut found = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            found.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    found
}

#[test]
fn the_committed_description_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&value()).unwrap());
    if std::env::var_os("CORTEX_UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "openapi.json is out of date: run this test with CORTEX_UPDATE=1");
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_how_it_fails() {
    let document = value();
    assert_eq!(document["info"]["title"], "Cortex hub");
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id.clone()), "{id} twice");
        assert!(operation["summary"].is_string(), "{method} {path}");
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            let words = response["description"].as_str().unwrap_or_default();
            assert!(!words.is_empty(), "{method} {path} {status}");
        }
        let problem = &responses["default"]["content"]["application/problem+json"]["schema"];
        assert_eq!(problem["$ref"], "#/components/schemas/Problem", "{method} {path}");
        let is_public = PUBLIC.contains(&format!("{method} {path}").as_str());
        assert_eq!(responses.contains_key("401"), !is_public, "{method} {path}");
    }
    assert_eq!(ids.len(), table().len());
}

#[test]
fn every_reference_leads_somewhere() {
    let document = value();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[test]
fn public_routes_are_the_ones_that_are_meant_to_be() {
    let mut public = Vec::new();
    for route in table() {
        let (_, paths, _) = route.routes;
        let described = serde_json::to_value(paths).unwrap();
        for (path, item) in described.as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                if route.rule == Rule::Public {
                    public.push(format!("{} {path}", method.to_uppercase()));
                }
            }
        }
    }
    public.sort();
    assert_eq!(public, PUBLIC);
}

#[tokio::test]
async fn row_07_without_a_good_credential_no_other_route_answers() {
    let rig = Rig::start().await;
    let other = if rig.admin.ends_with('A') { "E" } else { "A" };
    let forged = format!("{}{other}", &rig.admin[..rig.admin.len() - 1]);
    let (tokens, now) = (rig.hub.trust().tokens(), clock::now());
    let text = |issued: crate::trust::token::Issued| issued.token.expose_secret().to_owned();
    let (user, session) = (rig.principal().await.user, TokenId::generate());
    let old = now - Duration::from_secs(3600);
    let expired = text(tokens.issue_user(user, session, old).unwrap());
    let of_node = text(tokens.issue_node(NodeId::generate(), &[7; 32], NODE_LIFE, now).unwrap());
    let bad = [
        ("garbage", "token_invalid"),
        ("cxt1.x.y", "token_invalid"),
        ("eyJhbGciOiJub25lIn0.e30.", "token_invalid"),
        (forged.as_str(), "token_invalid"),
        (expired.as_str(), "token_expired"),
        (of_node.as_str(), "token_invalid"),
    ];
    for (method, path, _) in operations(&value()) {
        if PUBLIC.contains(&format!("{method} {path}").as_str()) {
            continue;
        }
        let path = path.replace("{id}", "x").replace("{node}", "y").replace("{user}", "z");
        let none = rig.send(request(&method, &path, None, None)).await;
        assert_eq!(none.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(none.code(), "no_credential");
        assert!(none.headers.contains_key("www-authenticate"));
        for (token, code) in bad {
            let answer = rig.send(request(&method, &path, Some(token), None)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {token}");
            assert_eq!(answer.code(), code, "{token}");
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn the_description_and_its_page_are_served() {
    let rig = Rig::start().await;
    let served = rig.send(request("GET", "/api/openapi.json", None, None)).await;
    assert_eq!(served.json(), value());
    let docs = rig.send(request("GET", "/api/docs", None, None)).await;
    assert_eq!((docs.status.as_u16(), docs.headers["location"].as_bytes()), (307, &b"docs/"[..]));
    let page = rig.send(request("GET", "/api/docs/", None, None)).await;
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("'self'"));
    let html = std::str::from_utf8(&page.body).unwrap();
    assert!(html.contains("swagger-ui"), "{html}");
    assert!(!html.contains("://"), "something is loaded from elsewhere: {html}");
    let start = rig.send(request("GET", "/api/docs/swagger-initializer.js", None, None)).await;
    assert!(std::str::from_utf8(&start.body).unwrap().contains("../openapi.json"));
    let missing = rig.send(request("GET", "/api/docs/nothing.js", None, None)).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    rig.stop().await;
}
