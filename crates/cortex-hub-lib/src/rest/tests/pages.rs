//! The web pages, also below a path prefix.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::StatusCode;
use axum::http::header;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::rig::Rig;
use super::rig::request;

/// Signs in with a link and returns the cookies.
pub(super) async fn signed_in(rig: &Rig) -> String {
    let link = rig.hub.accounts().sign_in_link("http://h").await.unwrap();
    let code = link.expose_secret().split("#code=").nth(1).unwrap().to_owned();
    let body = Some(json!({"code": code}));
    let login = rig.send(request("POST", "/api/login?cookie=true", None, body)).await;
    let cookies = login.headers.get_all(header::SET_COOKIE).iter();
    let pairs = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}

fn page(path: &str, cookies: &str) -> Request<Body> {
    let mut request = request("GET", path, None, None);
    request.headers_mut().insert(header::COOKIE, cookies.parse().unwrap());
    request
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_there() {
    let rig = Rig::start().await;
    let home = rig.send(request("GET", "/", None, None)).await;
    assert_eq!(
        (home.status, home.headers["location"].as_bytes()),
        (StatusCode::SEE_OTHER, &b"sign-in"[..])
    );
    let sign_in = rig.send(request("GET", "/sign-in", None, None)).await;
    let policy = sign_in.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(std::str::from_utf8(&sign_in.body).unwrap().contains("assets/sign-in.js"));
    let part = rig.send(request("GET", "/parts/nodes", None, None)).await;
    assert_eq!(part.status, StatusCode::UNAUTHORIZED);
    rig.stop().await;
}

#[tokio::test]
async fn the_list_of_nodes_shows_them_with_dot_and_word() {
    let rig = Rig::start().await;
    let cookies = signed_in(&rig).await;
    let empty = rig.send(page("/", &cookies)).await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(std::str::from_utf8(&empty.body).unwrap().contains("No nodes yet"));
    let _node = rig.node("lab").await;
    rig.call("POST", "/api/nodes/invite", Some(json!({"name": "soon"}))).await;
    let html = rig.send(page("/parts/nodes", &cookies)).await;
    let html = std::str::from_utf8(&html.body).unwrap().to_owned();
    for part in ["lab", "●", "online", "role=lab", "soon", "○", "invited"] {
        assert!(html.contains(part), "{part} in {html}");
    }
    let refresh_only: Vec<_> =
        cookies.split("; ").filter(|pair| pair.contains("refresh")).collect();
    let resume = rig.send(page("/", &refresh_only.join("; "))).await;
    assert!(std::str::from_utf8(&resume.body).unwrap().contains("assets/resume.js"));
    rig.stop().await;
}

#[tokio::test]
async fn below_a_prefix_everything_is_found_by_relative_links() {
    let rig = Rig::start().await;
    let app = Router::new().nest_service("/cortex", rig.router.clone());
    let get = async |path: &str| {
        let response = app.clone().oneshot(request("GET", path, None, None)).await.unwrap();
        let place = response.headers().get(header::LOCATION).cloned();
        let place = place.map(|place| place.to_str().unwrap().to_owned());
        (response.status().as_u16(), place)
    };
    assert_eq!(get("/cortex").await, (303, Some("cortex/".into())));
    assert_eq!(get("/cortex/").await, (303, Some("sign-in".into())));
    assert_eq!(get("/cortex/sign-in").await.0, 200);
    assert_eq!(get("/cortex/assets/style.css").await.0, 200);
    assert_eq!(get("/cortex/api/docs").await, (307, Some("docs/".into())));
    assert_eq!(get("/cortex/api/openapi.json").await.0, 200);
    assert_eq!(get("/cortex/nothing").await.0, 404);
    assert_eq!(get("/cortex/api/nodes").await.0, 401);
    rig.stop().await;
}
