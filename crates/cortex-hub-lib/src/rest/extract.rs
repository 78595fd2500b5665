//! What handlers take from a request; what does not fit is a problem in words.

use axum::body::Bytes;
use axum::extract::FromRequest;
use axum::extract::FromRequestParts;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::Request;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// The largest body of a request, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 4 << 20;

const MAX_KEY_CHARS: usize = 128;

/// The body as JSON.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

/// The body as JSON, or the default where there is none.
#[derive(Debug)]
pub(super) struct BodyOrDefault<T>(pub(super) T);

/// What follows the question mark.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

/// The variable parts of the path.
#[derive(Debug)]
pub(super) struct InPath<T>(pub(super) T);

/// The header `Idempotency-Key`.
#[derive(Debug)]
pub(super) struct IdempotencyKey(pub(super) Option<String>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let is_json = is_json(request.headers());
        let bytes = read(request, state).await?;
        if !is_json {
            return Err(not_json());
        }
        parse(&bytes).map(Body)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for BodyOrDefault<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let is_json = is_json(request.headers());
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !is_json {
            return Err(not_json());
        }
        parse(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Failure::invalid("query", innermost(&rejection))),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(found)) => Ok(Self(found)),
            Err(_) => Err(Failure::not_found("nothing has a name like that")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let text = value.to_str().ok().filter(|text| is_key(text));
        match (text, values.next()) {
            (Some(text), None) => Ok(Self(Some(text.to_owned()))),
            _ => Err(Failure::invalid(
                "idempotency_key",
                format!(
                    "Idempotency-Key must be one value of 1 to {MAX_KEY_CHARS} visible ASCII characters"
                ),
            )),
        }
    }
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    Bytes::from_request(request, state).await.map_err(|error| {
        let status = match &error {
            BytesRejection::FailedToBufferBody(error) => error.status(),
            _ => StatusCode::BAD_REQUEST,
        };
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            let message = format!("a body may have {MAX_BODY_BYTES} bytes");
            return Failure::of_http(status, "body_too_large", message);
        }
        Failure::of_http(StatusCode::BAD_REQUEST, "body_broken", "the body broke off")
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let Some(text) = value.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn not_json() -> Failure {
    Failure::of_http(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "the body must be JSON")
        .with_hint("send the header Content-Type: application/json")
}

/// Reads JSON; the error names the field and the place.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    // Following the path costs time, so that is done for those who made a mistake.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() && field != "." {
            return Failure::invalid("body_shape", format!("field \"{field}\": {inner}"));
        }
        let code = if inner.is_data() { "body_shape" } else { "body_syntax" };
        Failure::invalid(code, format!("the body: {inner}"))
    })?;
    match json.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(Failure::invalid("body_syntax", format!("after the body: {error}"))),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    format!("the query: {last}")
}

#[cfg(test)]
mod tests {
    use cortex_proto::json::DispatchRequest;

    use super::*;

    fn refusal(text: &str) -> (String, String) {
        let failure = parse::<DispatchRequest>(text.as_bytes()).unwrap_err();
        let problem = failure.problem("");
        assert_eq!(problem.status, 422);
        (problem.code, problem.detail)
    }

    #[test]
    fn a_wrong_shape_names_field_and_place() {
        let (code, detail) = refusal("{\n\"argv\": [\"ls\", 7]}");
        assert_eq!(code, "body_shape");
        assert!(detail.contains("\"argv[1]\"") && detail.contains("line 2"), "{detail}");
        let (code, detail) = refusal("{\"argvv\": []}");
        assert_eq!(code, "body_shape");
        assert!(detail.contains("argvv") && detail.contains("column"), "{detail}");
    }

    #[test]
    fn broken_json_and_more_than_one_value_are_refused() {
        assert_eq!(refusal("{\"argv\": [").0, "body_syntax");
        assert_eq!(refusal("{} {}").0, "body_syntax");
        assert_eq!(refusal("").0, "body_syntax");
    }

    #[test]
    fn a_key_is_visible_ascii() {
        assert!(is_key("a-1") && is_key(&"x".repeat(128)));
        assert!(!is_key("") && !is_key("a b") && !is_key("ä") && !is_key(&"x".repeat(129)));
    }

    #[test]
    fn the_media_type_is_compared_without_parameters() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        assert!(with("application/json") && with("Application/JSON; charset=utf-8"));
        assert!(!with("text/plain") && !with("application/jsonp") && !is_json(&HeaderMap::new()));
    }
}
