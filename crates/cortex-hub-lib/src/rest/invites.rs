//! Invites: the right to enrol a node.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use cortex_core::id::InviteId;
use cortex_proto::json::InviteCreated;
use cortex_proto::json::InviteInfo;
use cortex_proto::json::InviteRequest;
use cortex_proto::json::Page;
use secrecy::ExposeSecret as _;

use super::Api;
use super::convert::invite_info;
use super::extract::Body;
use super::extract::IdempotencyKey;
use super::extract::InPath;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use crate::clock;
use crate::hub::InviteDraft;

/// Makes an invite. Its secret and the node's configuration are in this answer and nowhere else.
#[utoipa::path(
    post, path = "/api/nodes/invite", operation_id = "create_invite", tag = "invites",
    request_body = InviteRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeats of the same request with the same key make one invite")),
    responses((status = 201, description = "The invite with its secret", body = InviteCreated))
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    IdempotencyKey(key): IdempotencyKey,
    Body(request): Body<InviteRequest>,
) -> Answer<impl IntoResponse> {
    let draft = InviteDraft {
        name: request.name,
        labels: request.labels,
        life: request.expires_in_ms.map(Duration::from_millis),
    };
    let issued = api.hub.invite(&caller, draft, key.as_deref()).await?;
    let created = InviteCreated {
        id: issued.invite.id.to_string(),
        name: issued.invite.name,
        expires_at: issued.invite.expires_at.to_string(),
        token: issued.token.expose_secret().to_owned(),
        config: issued.config.expose_secret().to_owned(),
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(created)))
}

/// Lists invites, newest first.
#[utoipa::path(
    get, path = "/api/invites", operation_id = "list_invites", tag = "invites",
    responses((status = 200, description = "All invites that the caller may see", body = Page<InviteInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Answer<Json<Page<InviteInfo>>> {
    let now = clock::now();
    let invites = api.hub.invites(&caller).await?;
    Ok(Json(Page {
        items: invites.iter().map(|invite| invite_info(invite, now)).collect(),
        next_cursor: None,
    }))
}

/// Shows an invite.
#[utoipa::path(
    get, path = "/api/invites/{id}", operation_id = "get_invite", tag = "invites",
    params(("id" = String, Path, description = "`inv_…`")),
    responses((status = 200, description = "The invite", body = InviteInfo))
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Answer<Json<InviteInfo>> {
    let wanted = read_id(&id)?;
    let invites = api.hub.invites(&caller).await?;
    let invite = invites.iter().find(|invite| invite.id == wanted);
    let invite = invite.ok_or_else(|| unknown(&id))?;
    Ok(Json(invite_info(invite, clock::now())))
}

/// Withdraws an invite that nobody used yet.
#[utoipa::path(
    delete, path = "/api/invites/{id}", operation_id = "withdraw_invite", tag = "invites",
    params(("id" = String, Path, description = "`inv_…`")),
    responses((status = 200, description = "The invite as it now is", body = InviteInfo))
)]
pub(super) async fn withdraw(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Answer<Json<InviteInfo>> {
    let invite = api.hub.withdraw_invite(&caller, read_id(&id)?).await?;
    Ok(Json(invite_info(&invite, clock::now())))
}

fn read_id(text: &str) -> Answer<InviteId> {
    text.parse().map_err(|_| unknown(text))
}

fn unknown(id: &str) -> Failure {
    Failure::not_found(format!("no invite \"{id}\"")).with_hint("see GET /api/invites")
}
