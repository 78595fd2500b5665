//! The web pages: rendered here from typed templates, with a stylesheet and a few small modules.
//!
//! Pages load nothing from elsewhere and have no inline script. All links are relative, so that
//! they work below any path prefix.

mod assets;
mod cookie;
mod rows;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::OriginalUri;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::get;
use cortex_core::Error;
use cortex_core::ErrorKind;

pub(crate) use cookie::Cookies;

use self::rows::Listed;
use self::rows::Row;
use self::rows::rows_of;
use self::rows::summary_of;
use crate::accounts::Credentials;
use crate::accounts::Identity;
use crate::clock;
use crate::hub::Hub;

/// What a page may do: run our own modules and talk to this hub, nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The pages of a hub.
pub(crate) fn router(hub: &Hub, cookies: Cookies) -> Router {
    let site = Site { hub: hub.clone(), cookies };
    Router::new()
        .route("/", get(home))
        .route("/parts/nodes", get(nodes))
        .route("/terminal", get(terminal))
        .route("/sign-in", get(sign_in))
        .route("/assets/{name}", get(assets::file))
        .with_state(Arc::new(site))
}

#[derive(Debug)]
struct Site {
    hub: Hub,
    cookies: Cookies,
}

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    user: String,
    summary: String,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "node_rows.html")]
struct NodesPart {
    summary: String,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "terminal.html")]
struct TerminalPage {
    user: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage;

#[derive(Template)]
#[template(path = "resume.html")]
struct ResumePage;

#[derive(Template)]
#[template(path = "failed.html")]
struct FailedPage<'a> {
    message: &'a str,
    hint: Option<&'a str>,
}

/// The list of nodes; for who is not signed in, the way there.
async fn home(
    State(site): State<Arc<Site>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    // Below a prefix without a slash at its end, relative links would miss the prefix.
    if let Some(place) = with_slash(uri.path()) {
        return redirect(&place);
    }
    let (identity, user) = match site.reader(&headers).await {
        Ok(reader) => reader,
        Err(elsewhere) => return *elsewhere,
    };
    match site.rows(&identity).await {
        Ok(rows) => {
            let summary = summary_of(&rows);
            page(StatusCode::OK, &NodesPage { user, summary, rows })
        }
        Err(error) => failed(&error),
    }
}

/// The part of the list of nodes that changes.
async fn nodes(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let rows = match site.identify(&headers).await {
        Ok(identity) => site.rows(&identity).await,
        Err(error) => Err(error),
    };
    match rows {
        Ok(rows) => {
            let summary = summary_of(&rows);
            page(StatusCode::OK, &NodesPart { summary, rows })
        }
        Err(error) => failed(&error),
    }
}

/// A terminal; which one is in the query, for the page's module.
async fn terminal(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    match site.reader(&headers).await {
        Ok((_, user)) => page(StatusCode::OK, &TerminalPage { user }),
        Err(elsewhere) => *elsewhere,
    }
}

async fn sign_in() -> Response {
    page(StatusCode::OK, &SignInPage)
}

impl Site {
    /// Who reads a page, and their name; where to go instead for who is not signed in.
    async fn reader(&self, headers: &HeaderMap) -> Result<(Arc<Identity>, String), Box<Response>> {
        let identity = match self.identify(headers).await {
            Ok(identity) => identity,
            Err(error) if error.kind() != ErrorKind::Unauthenticated => {
                return Err(Box::new(failed(&error)));
            }
            Err(_) if self.cookies.refresh(headers).is_some() => {
                return Err(Box::new(page(StatusCode::OK, &ResumePage)));
            }
            Err(_) => return Err(Box::new(redirect("sign-in"))),
        };
        match self.hub.accounts().user_of(&identity.principal).await {
            Ok(user) => Ok((identity, user.name)),
            Err(error) => Err(Box::new(failed(&error))),
        }
    }

    async fn identify(&self, headers: &HeaderMap) -> cortex_core::Result<Arc<Identity>> {
        let credentials =
            Credentials { bearer: self.cookies.access(headers), headers, address: None };
        self.hub.accounts().identify(&credentials).await
    }

    async fn rows(&self, identity: &Identity) -> cortex_core::Result<Vec<Row>> {
        let who = &identity.principal;
        let mut nodes = Vec::new();
        for node in self.hub.nodes(who, None).await? {
            let owner = match node.owner == who.user {
                true => None,
                false => Some(self.hub.accounts().name_of(node.owner).await?),
            };
            let taken = self.hub.open_tasks_on(node.id);
            nodes.push(Listed { node, owner, taken });
        }
        let invites = self.hub.invites(who).await?;
        Ok(rows_of(&nodes, &invites, clock::now()))
    }
}

/// The place with a slash, relative to the one without; `None` where there is one.
fn with_slash(path: &str) -> Option<String> {
    if path.is_empty() || path.ends_with('/') {
        return None;
    }
    path.rsplit('/').next().map(|last| format!("{last}/"))
}

fn redirect(place: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}

fn failed(error: &Error) -> Response {
    let is_defect = error.kind() == ErrorKind::Internal;
    if is_defect {
        tracing::error!(%error, source = ?std::error::Error::source(error), "page failed");
    }
    let message =
        if is_defect { "The hub failed; its log has the reason." } else { error.message() };
    let status = StatusCode::from_u16(error.kind().http_status());
    let hint = error.hint();
    page(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &FailedPage { message, hint })
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "page not rendered");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_without_a_slash_gets_one() {
        assert_eq!(with_slash("/"), None);
        assert_eq!(with_slash("/cortex/"), None);
        assert_eq!(with_slash("/cortex").as_deref(), Some("cortex/"));
        assert_eq!(with_slash("/a/cortex").as_deref(), Some("cortex/"));
    }

    #[test]
    fn pages_have_no_inline_script_and_no_absolute_links() {
        let failed = FailedPage { message: "<script>", hint: None };
        let nodes = NodesPage { user: "\"><b>".into(), summary: String::new(), rows: Vec::new() };
        let pages = [
            SignInPage.render().unwrap(),
            ResumePage.render().unwrap(),
            TerminalPage { user: "\"><b>".into() }.render().unwrap(),
            nodes.render().unwrap(),
            failed.render().unwrap(),
        ];
        for html in pages {
            for absolute in ["src=\"/", "href=\"/", "src=\"http", "href=\"http", "action=\"/"] {
                assert!(!html.contains(absolute), "{absolute} in {html}");
            }
            for tag in html.split("<script").skip(1) {
                assert!(tag.starts_with(" type=\"module\" src=\"assets/"), "{tag}");
            }
            for word in html.split([' ', '\n']) {
                let is_inline = word.starts_with("on") && word.contains('=');
                assert!(!is_inline && !word.starts_with("style="), "{word}");
            }
            assert!(!html.contains("<b>") && html.contains("lang=\"en\""), "{html}");
        }
    }
}
