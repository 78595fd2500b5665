//! Users.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use cortex_core::account::Role;
use cortex_proto::json::Page;
use cortex_proto::json::UserInfo;
use cortex_proto::json::UserPatch;
use cortex_proto::json::UserRequest;

use super::Api;
use super::extract::Body;
use super::extract::InPath;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use crate::accounts::User;
use crate::accounts::UserDraft;
use crate::accounts::UserEdit;

/// Lists users by name. For admins.
#[utoipa::path(
    get, path = "/api/users", operation_id = "list_users", tag = "users",
    responses((status = 200, description = "All users", body = Page<UserInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Answer<Json<Page<UserInfo>>> {
    let users = api.hub.accounts().users(&caller).await?;
    Ok(Json(Page { items: users.iter().map(user_info).collect(), next_cursor: None }))
}

/// Makes a user. For admins.
#[utoipa::path(
    post, path = "/api/users", operation_id = "create_user", tag = "users",
    request_body = UserRequest,
    responses((status = 201, description = "The user", body = UserInfo))
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(request): Body<UserRequest>,
) -> Answer<impl IntoResponse> {
    let draft = UserDraft {
        name: request.name,
        role: read_role(&request.role)?,
        password: request.password.as_ref().map(|text| text.expose().into()),
    };
    let user = api.hub.accounts().create_user(&caller, draft).await?;
    Ok((StatusCode::CREATED, Json(user_info(&user))))
}

/// Changes a user. Admins change everybody, others only their own password.
///
/// A new password ends all logins of the user, and so does locking them out. The last admin who is
/// not locked out stays an admin.
#[utoipa::path(
    patch, path = "/api/users/{id}", operation_id = "change_user", tag = "users",
    params(("id" = String, Path, description = "`usr_…`, or the user's name")),
    request_body = UserPatch,
    responses((status = 200, description = "The user as they now are", body = UserInfo))
)]
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(key): InPath<String>,
    Body(patch): Body<UserPatch>,
) -> Answer<Json<UserInfo>> {
    let edit = UserEdit {
        role: patch.role.as_deref().map(read_role).transpose()?,
        password: patch.password.as_ref().map(|text| text.expose().into()),
        disabled: patch.disabled,
    };
    let user = api.hub.accounts().change_user(&caller, &key, edit).await?;
    Ok(Json(user_info(&user)))
}

/// A user as the shape of the API.
pub(super) fn user_info(user: &User) -> UserInfo {
    let role = match user.role {
        Role::Admin => "admin",
        _ => "member",
    };
    UserInfo {
        id: user.id.to_string(),
        name: user.name.clone(),
        role: role.to_owned(),
        disabled: user.disabled,
        created_at: user.created_at.to_string(),
    }
}

fn read_role(word: &str) -> Answer<Role> {
    match word {
        "admin" => Ok(Role::Admin),
        "member" => Ok(Role::Member),
        _ => Err(Failure::invalid(
            "role",
            format!("role: \"{word}\" is neither \"admin\" nor \"member\""),
        )),
    }
}
