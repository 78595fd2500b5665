//! Who sends a request, and whether they may: each route's rule, applied before its handler.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::account::AccessError;
use cortex_core::account::Principal;
use cortex_core::account::Scope;
use cortex_core::audit::Action;

use super::Api;
use super::failure::Failure;
use super::origin::Page;
use crate::accounts::Credential;
use crate::accounts::Credentials;
use crate::accounts::Identity;
use crate::audit::Origin;
use crate::audit::acting;

const TOKEN_PROTOCOL: &str = "cortex.bearer.";

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Anybody.
    Public,
    /// Whoever proved who they are.
    User,
    /// Whoever has a credential with this scope.
    Scope(Scope),
    /// An admin whose credential may change things.
    Admin,
}

/// Who sent the request, as a route's rule has found out.
#[derive(Debug, Clone)]
pub(super) struct Caller(Arc<Identity>);

impl Caller {
    /// With which credential.
    pub(super) fn identity(&self) -> &Identity {
        &self.0
    }

    /// Ready when the caller's streams are to end: the hub shuts down, or their credential is no
    /// longer good.
    pub(super) fn over(&self, api: &Api) -> impl Future<Output = ()> + Send + use<> {
        let shutdown = api.hub.shutdown_token().cancelled_owned();
        let outlived = api.hub.accounts().outlived(Arc::clone(&self.0));
        async move {
            tokio::select! {
                () = shutdown => {}
                () = outlived => {}
            }
        }
    }
}

impl Deref for Caller {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0.principal
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // Without a rule nobody was asked for a credential: nobody is the answer.
        parts.extensions.get::<Caller>().cloned().ok_or_else(unproven)
    }
}

/// Applies a rule: finds out who sends the request and lets it pass, or answers it.
pub(super) async fn enforce(
    State((api, rule)): State<(Arc<Api>, Rule)>,
    request: Request,
    next: Next,
) -> Response {
    // Apart, because a body cannot be lent to a future that moves between threads.
    let (mut parts, body) = request.into_parts();
    let address = api.origins.client(&parts.headers, &parts.extensions);
    match identify(&api, rule, &parts).await {
        Ok(caller) => {
            let credential = match caller.identity().credential {
                Credential::Token(id) | Credential::Login(id) => Some(id),
                _ => None,
            };
            parts.extensions.insert(caller);
            let request = Request::from_parts(parts, body);
            acting(Origin { credential, address }, next.run(request)).await
        }
        Err(failure) => failure.into_response(),
    }
}

/// Lets whoever it is pass, and keeps in mind where they are: for routes for anybody that change
/// something.
pub(super) async fn notice(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let address = api.origins.client(request.headers(), request.extensions());
    acting(Origin { credential: None, address }, next.run(request)).await
}

/// Who sends a request to a route for anybody, if they say so.
pub(super) async fn caller_of(api: &Api, request: &Parts) -> Option<Caller> {
    identify(api, Rule::User, request).await.ok()
}

/// Refuses a request that another site's page made a browser send. A request that counts by its
/// cookies must be known to come from the hub's own pages.
pub(super) fn check_page(api: &Api, request: &Parts, by_cookie: bool) -> Result<(), Failure> {
    match api.origins.page(&request.headers, &request.uri) {
        Page::Own => Ok(()),
        Page::Unknown if !by_cookie => Ok(()),
        Page::Unknown | Page::Foreign => Err(foreign()),
    }
}

async fn identify(api: &Api, rule: Rule, request: &Parts) -> Result<Caller, Failure> {
    let headers = &request.headers;
    let is_upgrade = headers.contains_key(header::UPGRADE);
    let from_protocol = if is_upgrade { token_of_protocol(headers) } else { None };
    let given = bearer(headers).or(from_protocol.as_deref());
    let from_cookie = if given.is_none() { api.cookies.access(headers) } else { None };
    let credentials = Credentials {
        bearer: given.or(from_cookie),
        headers,
        address: api.origins.client(headers, &request.extensions),
    };
    let identity = match api.hub.accounts().identify(&credentials).await {
        Ok(identity) => identity,
        Err(error) => {
            // A credential that is no good is worth a record; that there was none is not.
            if error.kind() == ErrorKind::Unauthenticated && credentials.bearer.is_some() {
                let origin = Origin { credential: None, address: credentials.address };
                acting(origin, api.hub.refused(Action::AccessRefuse, &error)).await;
            }
            return Err(error.into());
        }
    };
    // What comes with a cookie may be another page's doing. What only reads cannot be read by it;
    // a socket is no request that browsers guard, so it counts as a change.
    let is_change = is_upgrade || !request.method.is_safe();
    if is_change {
        let by_cookie = from_cookie.is_some() && identity.credential != Credential::External;
        // What only the embedder knows may be a cookie of theirs.
        if by_cookie || identity.credential == Credential::External {
            check_page(api, request, by_cookie)?;
        }
    }
    let verdict = match rule {
        Rule::Public | Rule::User => Ok(()),
        Rule::Scope(scope) => identity.principal.holds(scope),
        Rule::Admin => identity.principal.administers(),
    };
    verdict.map_err(denied)?;
    Ok(Caller(identity))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token that a browser can only give among a WebSocket's protocols.
fn token_of_protocol(headers: &HeaderMap) -> Option<String> {
    let encoded = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix(TOKEN_PROTOCOL))?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

fn unproven() -> Failure {
    Error::new(ErrorKind::Unauthenticated, "authenticate", "no credential was given")
        .with_code("no_credential")
        .with_hint("send the header Authorization: Bearer TOKEN, or sign in")
        .into()
}

fn foreign() -> Failure {
    Failure::of_http(
        StatusCode::FORBIDDEN,
        "foreign_page",
        "this request was sent by a page of another site",
    )
    .with_hint("programs send a token in the header Authorization instead of a cookie")
}

fn denied(error: AccessError) -> Failure {
    let code = match error {
        AccessError::Scope(_) => "missing_scope",
        AccessError::Admin => "admin_only",
        _ => "denied",
    };
    Error::new(ErrorKind::Denied, "check access", error.to_string()).with_code(code).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer(&headers("authorization", "Bearer abc")), Some("abc"));
        assert_eq!(bearer(&headers("authorization", "bearer  abc")), Some("abc"));
        assert_eq!(bearer(&headers("authorization", "Basic abc")), None);
        assert_eq!(bearer(&headers("authorization", "abc")), None);
    }

    #[test]
    fn a_socket_gives_its_token_as_a_protocol() {
        let encoded = URL_SAFE_NO_PAD.encode("cxt1.tok_x.y");
        let value = format!("cortex.v1, cortex.bearer.{encoded}");
        let found = token_of_protocol(&headers("sec-websocket-protocol", &value));
        assert_eq!(found.as_deref(), Some("cxt1.tok_x.y"));
        let none = token_of_protocol(&headers("sec-websocket-protocol", "cortex.bearer.%%"));
        assert_eq!(none, None);
    }
}
