//! The caller's own sign-ins.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use cortex_core::id::TokenId;
use cortex_proto::json::LoginInfo;
use cortex_proto::json::Page;

use super::Api;
use super::extract::InPath;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use crate::accounts::Credential;
use crate::accounts::Login;

/// Lists the caller's sign-ins that have not ended, those in use first.
#[utoipa::path(
    get, path = "/api/logins", operation_id = "list_logins", tag = "login",
    responses((status = 200, description = "All sign-ins of the caller", body = Page<LoginInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Answer<Json<Page<LoginInfo>>> {
    let logins = api.hub.accounts().logins(&caller).await?;
    let credential = caller.identity().credential;
    let items = logins.into_iter().map(|login| login_info(login, credential)).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Ends a sign-in of the caller's, with all that it has open.
#[utoipa::path(
    delete, path = "/api/logins/{id}", operation_id = "end_login", tag = "login",
    params(("id" = String, Path, description = "`tok_…`, as the list has it")),
    responses((status = 204, description = "It is over"))
)]
pub(super) async fn end(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Answer<StatusCode> {
    let id: TokenId = id.parse().map_err(|_| Failure::not_found(format!("no login \"{id}\"")))?;
    api.hub.accounts().end_login(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sign-ins of the caller, the one that asks too. API tokens stay.
#[utoipa::path(
    delete, path = "/api/logins", operation_id = "end_logins", tag = "login",
    responses((status = 204, description = "All are over"))
)]
pub(super) async fn end_all(State(api): State<Arc<Api>>, caller: Caller) -> Answer<StatusCode> {
    api.hub.accounts().end_logins(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn login_info(login: Login, credential: Credential) -> LoginInfo {
    LoginInfo {
        id: login.family.to_string(),
        user_agent: login.user_agent,
        created_at: login.created_at.to_string(),
        refreshed_at: login.refreshed_at.to_string(),
        expires_at: login.expires_at.to_string(),
        current: credential == Credential::Login(login.family),
    }
}
