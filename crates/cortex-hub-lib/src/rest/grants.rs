//! With whom a node is shared.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use cortex_core::id::UserId;
use cortex_core::node::Grant;
use cortex_proto::json::GrantInfo;
use cortex_proto::json::GrantRequest;
use cortex_proto::json::Page;

use super::Api;
use super::extract::Body;
use super::extract::InPath;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;

const GRANTS: [Grant; 2] = [Grant::Use, Grant::Manage];

/// Lists with whom a node is shared. For its owner.
#[utoipa::path(
    get, path = "/api/nodes/{id}/grants", operation_id = "list_grants", tag = "nodes",
    params(("id" = String, Path, description = "`nod_…`, or its name")),
    responses((status = 200, description = "All users with whom it is shared", body = Page<GrantInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(key): InPath<String>,
) -> Answer<Json<Page<GrantInfo>>> {
    let mut items = Vec::new();
    for (user, grant) in api.hub.grants(&caller, &key).await? {
        items.push(shown(&api, user, grant).await?);
    }
    items.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Json(Page { items, next_cursor: None }))
}

/// Shares a node with a user, or changes for what it is shared with them. For its owner.
#[utoipa::path(
    put, path = "/api/nodes/{id}/grants/{user}", operation_id = "share_node", tag = "nodes",
    params(
        ("id" = String, Path, description = "`nod_…`, or its name"),
        ("user" = String, Path, description = "`usr_…`, or the user's name"),
    ),
    request_body = GrantRequest,
    responses((status = 200, description = "The node is shared", body = GrantInfo))
)]
pub(super) async fn share(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath((key, user)): InPath<(String, String)>,
    Body(request): Body<GrantRequest>,
) -> Answer<Json<GrantInfo>> {
    let grant = read_grant(&request.access)?;
    let (user, _) = api.hub.share_node(&caller, &key, &user, grant).await?;
    Ok(Json(shown(&api, user, grant).await?))
}

/// Shares a node with a user no more: their access ends at once, and so do their tasks on it. For
/// its owner.
#[utoipa::path(
    delete, path = "/api/nodes/{id}/grants/{user}", operation_id = "unshare_node", tag = "nodes",
    params(
        ("id" = String, Path, description = "`nod_…`, or its name"),
        ("user" = String, Path, description = "`usr_…`, or the user's name"),
    ),
    responses((status = 204, description = "The node is shared with them no more"))
)]
pub(super) async fn unshare(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath((key, user)): InPath<(String, String)>,
) -> Answer<StatusCode> {
    api.hub.unshare_node(&caller, &key, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn shown(api: &Api, user: UserId, grant: Grant) -> Answer<GrantInfo> {
    let name = api.hub.accounts().name_of(user).await?;
    Ok(GrantInfo { user: user.to_string(), name, access: grant.word().to_owned() })
}

fn read_grant(word: &str) -> Answer<Grant> {
    let found = GRANTS.into_iter().find(|grant| grant.word() == word);
    found.ok_or_else(|| {
        let message = format!("access: \"{word}\" is neither \"use\" nor \"manage\"");
        Failure::invalid("access", message)
    })
}
