//! Users and credentials as rows.

use cortex_core::Result;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;
use sea_orm::ColumnTrait as _;
use sea_orm::ConnectionTrait;
use sea_orm::EntityTrait as _;
use sea_orm::QueryFilter as _;
use sea_orm::QueryOrder as _;

use super::login::Login;
use super::login::RefreshDigest;
use super::token::ApiToken;
use super::user::User;
use super::user::name_key;
use crate::store::column;
use crate::store::entity::account;
use crate::store::entity::api_token;
use crate::store::entity::login;
use crate::store::fault::fault;

/// Reads all users.
pub(super) async fn users<C: ConnectionTrait>(connection: &C) -> Result<Vec<User>> {
    let rows = account::Entity::find().all(connection).await;
    let rows = rows.map_err(|error| fault("list users", error))?;
    rows.into_iter().map(to_user).collect()
}

/// Reads all API tokens.
pub(super) async fn tokens<C: ConnectionTrait>(connection: &C) -> Result<Vec<ApiToken>> {
    let rows = api_token::Entity::find().all(connection).await;
    let rows = rows.map_err(|error| fault("list tokens", error))?;
    rows.into_iter().map(to_token).collect()
}

/// Reads a login.
pub(super) async fn login<C: ConnectionTrait>(
    connection: &C,
    family: TokenId,
) -> Result<Option<Login>> {
    let row = login::Entity::find_by_id(column::blob(family)).one(connection).await;
    row.map_err(|error| fault("find login", error))?.map(to_login).transpose()
}

/// Reads the logins of a user that last beyond `now`, those that were refreshed last first.
pub(super) async fn logins<C: ConnectionTrait>(
    connection: &C,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<Login>> {
    let rows = login::Entity::find()
        .filter(login::Column::AccountId.eq(column::blob(user)))
        .filter(login::Column::ExpiresAt.gt(now.as_millis()))
        .order_by_desc(login::Column::RefreshedAt)
        .order_by_desc(login::Column::Id)
        .all(connection)
        .await;
    let rows = rows.map_err(|error| fault("list logins", error))?;
    rows.into_iter().map(to_login).collect()
}

pub(super) fn of_user(user: &User) -> account::Model {
    account::Model {
        id: column::blob(user.id),
        name: user.name.clone(),
        name_key: name_key(&user.name),
        role: column::to_word(&user.role),
        password_hash: user.password_hash.clone(),
        disabled: user.disabled,
        created_at: user.created_at.as_millis(),
    }
}

pub(super) fn to_user(row: account::Model) -> Result<User> {
    Ok(User {
        id: column::id(&row.id)?,
        name: row.name,
        role: column::from_word("role", &row.role)?,
        password_hash: row.password_hash,
        disabled: row.disabled,
        created_at: Timestamp::from_millis(row.created_at),
    })
}

pub(super) fn of_token(token: &ApiToken) -> api_token::Model {
    api_token::Model {
        id: column::blob(token.id),
        account_id: column::blob(token.owner),
        name: token.name.clone(),
        digest: token.digest.to_vec(),
        scopes: column::to_json(&token.scopes),
        created_at: token.created_at.as_millis(),
        expires_at: column::millis(token.expires_at),
        last_used_at: column::millis(token.last_used_at),
    }
}

fn to_token(row: api_token::Model) -> Result<ApiToken> {
    Ok(ApiToken {
        id: column::id(&row.id)?,
        owner: column::id(&row.account_id)?,
        name: row.name,
        digest: column::digest(&row.digest)?,
        scopes: column::from_json("list of scopes", &row.scopes)?,
        created_at: Timestamp::from_millis(row.created_at),
        expires_at: column::time(row.expires_at),
        last_used_at: column::time(row.last_used_at),
    })
}

pub(super) fn of_login(login: &Login) -> login::Model {
    login::Model {
        id: column::blob(login.family),
        account_id: column::blob(login.user),
        current: login.refresh.whole.to_vec(),
        root: login.refresh.root.to_vec(),
        created_at: login.created_at.as_millis(),
        refreshed_at: login.refreshed_at.as_millis(),
        expires_at: login.expires_at.as_millis(),
        user_agent: login.user_agent.clone(),
    }
}

fn to_login(row: login::Model) -> Result<Login> {
    Ok(Login {
        family: column::id(&row.id)?,
        user: column::id(&row.account_id)?,
        refresh: RefreshDigest {
            whole: column::digest(&row.current)?,
            root: column::digest(&row.root)?,
        },
        created_at: Timestamp::from_millis(row.created_at),
        refreshed_at: Timestamp::from_millis(row.refreshed_at),
        expires_at: Timestamp::from_millis(row.expires_at),
        user_agent: row.user_agent,
    })
}
