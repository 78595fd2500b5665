//! One request, ready to be sent and to be sent again.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::header;
use http_body_util::Full;
use serde::Serialize;

use crate::client::address::Address;
use crate::client::address::Route;
use crate::context::Secret;
use crate::exit::Failure;
use crate::exit::Result;

/// How long the head of an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A request without its credential.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    route: Route,
    body: Option<Bytes>,
    content: &'static str,
    accept: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    limit: Duration,
    needs_user: bool,
}

impl Call {
    /// Reads.
    pub(crate) fn get(route: Route) -> Self {
        Self {
            method: Method::GET,
            route,
            body: None,
            content: "application/json",
            accept: "application/json",
            headers: Vec::new(),
            limit: LIMIT,
            needs_user: true,
        }
    }

    /// Posts a document.
    ///
    /// # Errors
    /// The document cannot be written as JSON.
    pub(crate) fn post(route: Route, body: &impl Serialize) -> Result<Self> {
        Self::get(route).with_body(Method::POST, body)
    }

    /// Posts bytes as they are.
    pub(crate) fn post_bytes(route: Route, bytes: Bytes) -> Self {
        Self {
            method: Method::POST,
            body: Some(bytes),
            content: "application/octet-stream",
            ..Self::get(route)
        }
    }

    /// Patches with a document.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub(crate) fn patch(route: Route, body: &impl Serialize) -> Result<Self> {
        Self::get(route).with_body(Method::PATCH, body)
    }

    /// Puts a document.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub(crate) fn put_document(route: Route, body: &impl Serialize) -> Result<Self> {
        Self::get(route).with_body(Method::PUT, body)
    }

    /// Puts, without a document.
    pub(crate) fn put(route: Route) -> Self {
        Self { method: Method::PUT, ..Self::get(route) }
    }

    /// Deletes.
    pub(crate) fn delete(route: Route) -> Self {
        Self { method: Method::DELETE, ..Self::get(route) }
    }

    /// Asks for server-sent events.
    #[must_use]
    pub(crate) fn into_events(mut self) -> Self {
        self.accept = "text/event-stream";
        self
    }

    /// Adds a header; a value that no header can have is left out.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    /// Gives the hub `wait` longer to answer.
    #[must_use]
    pub(crate) fn waiting(mut self, wait: Duration) -> Self {
        self.limit = LIMIT + wait;
        self
    }

    /// Sends no credential.
    #[must_use]
    pub(crate) fn without_user(mut self) -> Self {
        self.needs_user = false;
        self
    }

    /// Whether a credential belongs to it.
    pub(crate) fn needs_user(&self) -> bool {
        self.needs_user
    }

    /// How long the head of the answer may take.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// The request to send.
    ///
    /// # Errors
    /// The credential or the path cannot be sent.
    pub(crate) fn request(
        &self,
        address: &Address,
        bearer: Option<&Secret>,
    ) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(address.target_of(&self.route))
            .header(header::HOST, address.authority())
            .header(header::ACCEPT, self.accept)
            .header(header::USER_AGENT, concat!("cortex-cli/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(bearer) = bearer {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", bearer.expose()))
                .map_err(|_| Failure::usage("the token has characters that no token has"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if self.body.is_some() {
            request = request.header(header::CONTENT_TYPE, self.content);
        }
        let body = Full::new(self.body.clone().unwrap_or_default());
        request
            .body(body)
            .map_err(|error| Failure::usage(format!("that cannot be sent to a hub: {error}")))
    }

    fn with_body(mut self, method: Method, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Failure::usage(format!("that cannot be sent to a hub: {error}")))?;
        self.method = method;
        self.body = Some(Bytes::from(body));
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_who_asks_for_what() {
        let address = Address::parse("http://127.0.0.1:8080/cortex").unwrap();
        let call = Call::post(Route::new("/api/sessions"), &serde_json::json!({"name": "a"}))
            .unwrap()
            .into_events()
            .header("idempotency-key", "k1")
            .header("last-event-id", "not\na header");
        let token = Secret::from("cxt1.a".to_owned());
        let request = call.request(&address, Some(&token)).unwrap();
        assert_eq!(request.uri().path(), "/cortex/api/sessions");
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("host"), Some("127.0.0.1:8080"));
        assert_eq!(header("authorization"), Some("Bearer cxt1.a"));
        assert_eq!(header("accept"), Some("text/event-stream"));
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(header("idempotency-key"), Some("k1"));
        assert_eq!(header("last-event-id"), None);
        assert!(!format!("{request:?}").contains("cxt1.a"));
    }

    #[test]
    fn waiting_prolongs_the_limit() {
        let call = Call::get(Route::new("/api/tasks")).waiting(Duration::from_secs(20));
        assert_eq!(call.limit(), Duration::from_secs(50));
        assert!(!call.without_user().needs_user());
    }
}
