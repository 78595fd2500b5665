//! Stylesheet, modules and icon, in the binary.

use axum::body::Body;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;
use sha2::Digest as _;
use sha2::Sha256;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, media type, content.
const FILES: [(&str, &str, &str); 9] = [
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ("nodes.js", SCRIPT, include_str!("assets/nodes.js")),
    ("resume.js", SCRIPT, include_str!("assets/resume.js")),
    ("session.js", SCRIPT, include_str!("assets/session.js")),
    ("sign-in.js", SCRIPT, include_str!("assets/sign-in.js")),
    ("screen.js", SCRIPT, include_str!("assets/screen.js")),
    ("keys.js", SCRIPT, include_str!("assets/keys.js")),
    ("terminal.js", SCRIPT, include_str!("assets/terminal.js")),
    ("style.css", "text/css; charset=utf-8", include_str!("assets/style.css")),
];

/// Serves a file; a browser asks each time whether it has changed.
pub(super) async fn file(name: Path<String>, request: HeaderMap) -> Response {
    let Some((_, kind, text)) = FILES.iter().find(|(found, ..)| *found == *name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let digest = Sha256::digest(text.as_bytes());
    let tag = format!("\"{}\"", hex::encode(&digest[..8]));
    let is_known =
        request.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(*text))
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_known_is_not_sent_again() {
        let first = file(Path("style.css".into()), HeaderMap::new()).await;
        assert_eq!(first.status(), StatusCode::OK);
        let mut request = HeaderMap::new();
        request.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let second = file(Path("style.css".into()), request).await;
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        let missing = file(Path("../web.rs".into()), HeaderMap::new()).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn modules_import_only_what_is_there() {
        for (name, _, text) in FILES {
            for import in text.lines().filter(|line| line.starts_with("import ")) {
                let from = import.split("\"./").nth(1).and_then(|rest| rest.split('"').next());
                let from = from.unwrap_or_else(|| panic!("{name}: {import}"));
                assert!(FILES.iter().any(|(found, ..)| *found == from), "{name}: {import}");
            }
        }
    }
}
