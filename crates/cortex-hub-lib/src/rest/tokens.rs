//! API tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use cortex_core::account::Scope;
use cortex_core::id::TokenId;
use cortex_proto::json::Page;
use cortex_proto::json::TokenCreated;
use cortex_proto::json::TokenInfo;
use cortex_proto::json::TokenRequest;
use secrecy::ExposeSecret as _;

use super::Api;
use super::extract::Body;
use super::extract::InPath;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use crate::accounts::ApiToken;
use crate::accounts::TokenDraft;

const SCOPES: [Scope; 3] = [Scope::Read, Scope::Exec, Scope::Manage];

/// Lists API tokens, newest first.
#[utoipa::path(
    get, path = "/api/tokens", operation_id = "list_tokens", tag = "tokens",
    responses((status = 200, description = "All tokens that the caller may see", body = Page<TokenInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Answer<Json<Page<TokenInfo>>> {
    let tokens = api.hub.accounts().tokens(&caller).await?;
    Ok(Json(Page { items: tokens.iter().map(token_info).collect(), next_cursor: None }))
}

/// Makes an API token that acts for the caller. Its secret is in this answer and nowhere else.
///
/// It is never good for more than the credential that asks for it.
#[utoipa::path(
    post, path = "/api/tokens", operation_id = "create_token", tag = "tokens",
    request_body = TokenRequest,
    responses((status = 201, description = "The token with its secret", body = TokenCreated))
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(request): Body<TokenRequest>,
) -> Answer<impl IntoResponse> {
    let scopes: Answer<Vec<_>> = request.scopes.iter().map(|word| read_scope(word)).collect();
    let draft = TokenDraft {
        name: request.name,
        scopes: scopes?,
        life: request.expires_in_ms.map(Duration::from_millis),
    };
    let issued = api.hub.accounts().create_token(caller.identity(), draft).await?;
    let created = TokenCreated {
        id: issued.token.id.to_string(),
        token: issued.secret.expose_secret().into(),
        name: issued.token.name,
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(created)))
}

/// Makes an API token useless, from the next request on.
#[utoipa::path(
    delete, path = "/api/tokens/{id}", operation_id = "revoke_token", tag = "tokens",
    params(("id" = String, Path, description = "`tok_…`")),
    responses((status = 204, description = "The token is revoked"))
)]
pub(super) async fn revoke(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Answer<StatusCode> {
    let id: TokenId = id.parse().map_err(|_| Failure::not_found(format!("no token \"{id}\"")))?;
    api.hub.accounts().revoke_token(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn token_info(token: &ApiToken) -> TokenInfo {
    TokenInfo {
        id: token.id.to_string(),
        name: token.name.clone(),
        owner: token.owner.to_string(),
        scopes: token.scopes.iter().map(|scope| scope.word().to_owned()).collect(),
        created_at: token.created_at.to_string(),
        expires_at: token.expires_at.map(|end| end.to_string()),
    }
}

fn read_scope(word: &str) -> Answer<Scope> {
    let found = SCOPES.into_iter().find(|scope| scope.word() == word);
    found.ok_or_else(|| {
        let words = SCOPES.map(Scope::word).join(", ");
        Failure::invalid("scopes", format!("scopes: \"{word}\" is none of {words}"))
    })
}
