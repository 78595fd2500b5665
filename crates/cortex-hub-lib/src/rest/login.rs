//! Signing in, staying in, signing out.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::FromRequest as _;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::IntoResponse as _;
use axum::response::Response;
use cortex_proto::json::LoginRequest;
use cortex_proto::json::LoginResponse;
use cortex_proto::json::RefreshRequest;
use cortex_proto::json::Secret;
use cortex_proto::json::UserInfo;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::Api;
use super::extract::BodyOrDefault;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use super::guard::caller_of;
use super::guard::check_page;
use super::users::user_info;
use crate::accounts::Client;
use crate::accounts::Proof;
use crate::accounts::SignedIn;
use crate::clock;

/// What becomes of the tokens.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Place {
    /// Puts the tokens into cookies that no script can read, instead of into the answer.
    #[serde(default)]
    cookie: bool,
}

/// Signs in with name and password, or with the one-time code of a sign-in link.
#[utoipa::path(
    post, path = "/api/login", operation_id = "log_in", tag = "login",
    params(Place), request_body = LoginRequest,
    responses(
        (status = 200, description = "The login's tokens", body = LoginResponse),
        (status = 204, description = "The login's tokens are in cookies"),
    )
)]
pub(super) async fn log_in(
    State(api): State<Arc<Api>>,
    Params(place): Params<Place>,
    request: Request,
) -> Answer<Response> {
    let (parts, body) = read::<LoginRequest>(&api, request).await?;
    let proof = match (body.name, body.password, body.code) {
        (Some(name), Some(password), None) => {
            Proof::Password { name, password: password.expose().into() }
        }
        (None, None, Some(code)) => Proof::Code(code.expose().into()),
        _ => {
            let message = "give \"name\" and \"password\", or \"code\"";
            return Err(Failure::invalid("login", message));
        }
    };
    let client = client_of(&api, &parts);
    let signed_in = api.hub.accounts().log_in(proof, client).await?;
    Ok(answer(&api, &signed_in, place.cookie))
}

/// Gets the next pair of tokens for a refresh token, which is used up by that.
///
/// Browsers send it as a cookie and get cookies back. A refresh token that is used twice ends its
/// login: one of the two was stolen.
#[utoipa::path(
    post, path = "/api/refresh", operation_id = "refresh_login", tag = "login",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "The next tokens", body = LoginResponse),
        (status = 204, description = "The next tokens are in cookies"),
    )
)]
pub(super) async fn refresh(State(api): State<Arc<Api>>, request: Request) -> Answer<Response> {
    let (parts, body) = read::<RefreshRequest>(&api, request).await?;
    let from_cookie = api.cookies.refresh(&parts.headers);
    let given = body.refresh_token.as_ref().map(Secret::expose);
    let Some(token) = given.or(from_cookie) else {
        let message = "give \"refresh_token\", or send the cookie";
        return Err(Failure::invalid("refresh", message));
    };
    let is_cookie = body.refresh_token.is_none();
    check_page(&api, &parts, is_cookie)?;
    match api.hub.accounts().refresh(token, client_of(&api, &parts)).await {
        Ok(signed_in) => Ok(answer(&api, &signed_in, is_cookie)),
        Err(error) => {
            let is_over = error.kind() == cortex_core::ErrorKind::Unauthenticated;
            let mut response = Failure::from(error).into_response();
            if is_cookie && is_over {
                // Without this the browser would try the same token for ever.
                api.cookies.clear(response.headers_mut());
            }
            Ok(response)
        }
    }
}

/// Ends a login: that of the refresh token, else that of the access token.
///
/// An API token is not ended by this: revoke it.
#[utoipa::path(
    post, path = "/api/logout", operation_id = "log_out", tag = "login",
    request_body = RefreshRequest,
    responses((status = 204, description = "The login is over"))
)]
pub(super) async fn log_out(State(api): State<Arc<Api>>, request: Request) -> Answer<Response> {
    let (parts, body) = read::<RefreshRequest>(&api, request).await?;
    let from_cookie = api.cookies.refresh(&parts.headers);
    let token = body.refresh_token.as_ref().map(Secret::expose).or(from_cookie);
    check_page(&api, &parts, body.refresh_token.is_none() && from_cookie.is_some())?;
    let accounts = api.hub.accounts();
    if let Some(token) = token {
        accounts.log_out(token).await?;
    } else if let Some(caller) = caller_of(&api, &parts).await {
        accounts.log_out_of(caller.identity()).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    api.cookies.clear(response.headers_mut());
    Ok(response)
}

/// Shows who the caller is.
#[utoipa::path(
    get, path = "/api/whoami", operation_id = "who_am_i", tag = "login",
    responses((status = 200, description = "The caller", body = UserInfo))
)]
pub(super) async fn who_am_i(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Answer<Json<UserInfo>> {
    let user = api.hub.accounts().user_of(&caller).await?;
    Ok(Json(user_info(&user)))
}

/// Takes the request apart, having refused what another site's page has sent.
async fn read<T: serde::de::DeserializeOwned + Default>(
    api: &Api,
    request: Request,
) -> Answer<(Parts, T)> {
    let (parts, body) = request.into_parts();
    check_page(api, &parts, false)?;
    let headers = parts.clone();
    let request = Request::from_parts(parts, body);
    let BodyOrDefault(body) = BodyOrDefault::<T>::from_request(request, &()).await?;
    Ok((headers, body))
}

fn client_of<'a>(api: &Api, parts: &'a Parts) -> Client<'a> {
    Client {
        address: api.origins.client(&parts.headers, &parts.extensions),
        agent: agent_of(&parts.headers),
    }
}

fn agent_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::USER_AGENT)?.to_str().ok()
}

fn answer(api: &Api, signed_in: &SignedIn, in_cookies: bool) -> Response {
    let now = clock::now();
    let access_life = signed_in.access_expires_at.since(now);
    let (access, refresh) = (&signed_in.access_token, &signed_in.refresh_token);
    if in_cookies {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let refresh_life = signed_in.refresh_expires_at.since(now);
        api.cookies.set(
            response.headers_mut(),
            (access.expose_secret(), access_life),
            (refresh.expose_secret(), refresh_life),
        );
        return response;
    }
    let body = LoginResponse {
        access_token: access.expose_secret().into(),
        expires_in_ms: millis(access_life),
        refresh_token: refresh.expose_secret().into(),
        user: user_info(&signed_in.user),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
