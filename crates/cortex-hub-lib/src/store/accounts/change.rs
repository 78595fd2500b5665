//! Changes of users and credentials, each inside the writer's transaction.

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;
use sea_orm::ActiveModelTrait as _;
use sea_orm::ColumnTrait as _;
use sea_orm::DbErr;
use sea_orm::EntityTrait as _;
use sea_orm::IntoActiveModel as _;
use sea_orm::QueryFilter as _;
use sea_orm::sea_query::Expr;

use super::code::LoginCode;
use super::login::Login;
use super::login::RefreshDigest;
use super::login::Rotation;
use super::row;
use super::token::ApiToken;
use super::user::User;
use super::user::UserChange;
use super::user::name_key;
use crate::store::column;
use crate::store::connection::WriteConnection;
use crate::store::entity::account;
use crate::store::entity::api_token;
use crate::store::entity::login;
use crate::store::entity::login_code;
use crate::store::entity::setting;
use crate::store::fault::fault;

/// Logins of one user.
const MOST_LOGINS: usize = 100;

pub(super) async fn create_user(writes: &WriteConnection, user: &User) -> Result<()> {
    if find_user(writes, user.id).await?.is_some() {
        let message = format!("the id {} is used already", user.id);
        return Err(exists("create user", "user_exists", message));
    }
    expect_free_name(writes, user, "create user").await?;
    let row = row::of_user(user).into_active_model();
    let stored = account::Entity::insert(row).exec_without_returning(writes).await;
    stored.map_err(failed("create user")).map(drop)
}

pub(super) async fn update_user(
    writes: &WriteConnection,
    id: UserId,
    change: UserChange,
) -> Result<User> {
    let mut user = expect_user(writes, id, "change user").await?;
    user.apply(change);
    expect_free_name(writes, &user, "change user").await?;
    let row = row::of_user(&user).into_active_model().reset_all();
    account::Entity::update(row).exec(writes).await.map_err(failed("change user"))?;
    Ok(user)
}

pub(super) async fn add_token(writes: &WriteConnection, token: &ApiToken) -> Result<()> {
    expect_user(writes, token.owner, "create token").await?;
    let stored = api_token::Entity::find_by_id(column::blob(token.id)).one(writes).await;
    if stored.map_err(failed("create token"))?.is_some() {
        let message = format!("the id {} is used already", token.id);
        return Err(exists("create token", "token_exists", message));
    }
    let row = row::of_token(token).into_active_model();
    let stored = api_token::Entity::insert(row).exec_without_returning(writes).await;
    stored.map_err(failed("create token")).map(drop)
}

pub(super) async fn revoke_token(writes: &WriteConnection, id: TokenId) -> Result<()> {
    let gone = api_token::Entity::delete_by_id(column::blob(id)).exec(writes).await;
    if gone.map_err(failed("revoke token"))?.rows_affected == 0 {
        let message = format!("there is no token {id}");
        return Err(
            Error::new(ErrorKind::NotFound, "revoke token", message).with_code("token_not_found")
        );
    }
    Ok(())
}

pub(super) async fn note_token_use(
    writes: &WriteConnection,
    id: TokenId,
    now: Timestamp,
) -> Result<()> {
    let noted = api_token::Entity::update_many()
        .col_expr(api_token::Column::LastUsedAt, Expr::value(now.as_millis()))
        .filter(api_token::Column::Id.eq(column::blob(id)))
        .exec(writes)
        .await;
    noted.map_err(failed("note use of token")).map(drop)
}

/// Stores a login. Logins that have expired are forgotten, and of very many logins of one user
/// those that were refreshed least recently are ended.
pub(super) async fn add_login(writes: &WriteConnection, login: Login) -> Result<()> {
    expect_user(writes, login.user, "create login").await?;
    let expired = login::Column::ExpiresAt.lte(login.created_at.as_millis());
    let forgotten = login::Entity::delete_many().filter(expired).exec(writes).await;
    forgotten.map_err(failed("create login"))?;
    for old in row::logins(writes, login.user, login.created_at).await?.iter().skip(MOST_LOGINS - 1)
    {
        end_login(writes, old.family).await?;
    }
    if row::login(writes, login.family).await?.is_some() {
        let message = format!("the id {} is used already", login.family);
        return Err(exists("create login", "login_exists", message));
    }
    let row = row::of_login(&login).into_active_model();
    let stored = login::Entity::insert(row).exec_without_returning(writes).await;
    stored.map_err(failed("create login")).map(drop)
}

pub(super) async fn rotate_login(
    writes: &WriteConnection,
    family: TokenId,
    presented: RefreshDigest,
    next: RefreshDigest,
    now: Timestamp,
) -> Result<Rotation> {
    let Some(login) = row::login(writes, family).await? else { return Ok(Rotation::Unknown) };
    let rotation = login.rotate(&presented, next, now);
    match &rotation {
        Rotation::Rotated(login) => {
            let row = row::of_login(login).into_active_model().reset_all();
            login::Entity::update(row).exec(writes).await.map_err(failed("refresh login"))?;
        }
        Rotation::Reused(_) => end_login(writes, family).await?,
        Rotation::Unknown => {}
    }
    Ok(rotation)
}

pub(super) async fn end_login(writes: &WriteConnection, family: TokenId) -> Result<()> {
    let ended = login::Entity::delete_by_id(column::blob(family)).exec(writes).await;
    ended.map_err(failed("end login")).map(drop)
}

pub(super) async fn end_logins(writes: &WriteConnection, user: UserId) -> Result<u64> {
    let of_user = login::Column::AccountId.eq(column::blob(user));
    let ended = login::Entity::delete_many().filter(of_user).exec(writes).await;
    Ok(ended.map_err(failed("end logins"))?.rows_affected)
}

pub(super) async fn add_code(
    writes: &WriteConnection,
    code: LoginCode,
    now: Timestamp,
) -> Result<()> {
    expect_user(writes, code.user, "create code").await?;
    let expired = login_code::Column::ExpiresAt.lte(now.as_millis());
    let forgotten = login_code::Entity::delete_many().filter(expired).exec(writes).await;
    forgotten.map_err(failed("create code"))?;
    let stored = login_code::Entity::find_by_id(code.digest.to_vec()).one(writes).await;
    if stored.map_err(failed("create code"))?.is_some() {
        return Err(exists("create code", "code_exists", "there is such a code already".into()));
    }
    let row = login_code::Model {
        digest: code.digest.to_vec(),
        account_id: column::blob(code.user),
        expires_at: code.expires_at.as_millis(),
        used_at: None,
    };
    let stored = login_code::Entity::insert(row.into_active_model());
    stored.exec_without_returning(writes).await.map_err(failed("create code")).map(drop)
}

pub(super) async fn use_code(
    writes: &WriteConnection,
    digest: [u8; 32],
    now: Timestamp,
) -> Result<Option<UserId>> {
    let row = login_code::Entity::find_by_id(digest.to_vec()).one(writes).await;
    let row = row.map_err(failed("use code"))?;
    let is_good =
        |row: &login_code::Model| row.used_at.is_none() && now.as_millis() < row.expires_at;
    let Some(row) = row.filter(is_good) else { return Ok(None) };
    let user = column::id(&row.account_id)?;
    let used = login_code::Model { used_at: Some(now.as_millis()), ..row };
    let used = login_code::Entity::update(used.into_active_model().reset_all());
    used.exec(writes).await.map_err(failed("use code"))?;
    Ok(Some(user))
}

pub(super) async fn put_setting_if_absent(
    writes: &WriteConnection,
    name: String,
    value: Vec<u8>,
) -> Result<Vec<u8>> {
    let stored = setting::Entity::find_by_id(name.clone()).one(writes).await;
    if let Some(row) = stored.map_err(failed("store setting"))? {
        return Ok(row.value);
    }
    let row = setting::Model { name, value: value.clone() }.into_active_model();
    let stored = setting::Entity::insert(row).exec_without_returning(writes).await;
    stored.map_err(failed("store setting"))?;
    Ok(value)
}

fn failed(operation: &'static str) -> impl FnOnce(DbErr) -> Error {
    move |error| fault(operation, error)
}

fn exists(operation: &'static str, code: &'static str, message: String) -> Error {
    Error::new(ErrorKind::Exists, operation, message).with_code(code)
}

async fn find_user(writes: &WriteConnection, id: UserId) -> Result<Option<User>> {
    let row = account::Entity::find_by_id(column::blob(id)).one(writes).await;
    row.map_err(failed("find user"))?.map(row::to_user).transpose()
}

async fn expect_user(
    writes: &WriteConnection,
    id: UserId,
    operation: &'static str,
) -> Result<User> {
    find_user(writes, id).await?.ok_or_else(|| {
        let message = format!("there is no user {id}");
        Error::new(ErrorKind::NotFound, operation, message).with_code("user_not_found")
    })
}

async fn expect_free_name(
    writes: &WriteConnection,
    user: &User,
    operation: &'static str,
) -> Result<()> {
    let other = account::Entity::find()
        .filter(account::Column::NameKey.eq(name_key(&user.name)))
        .filter(account::Column::Id.ne(column::blob(user.id)))
        .one(writes)
        .await
        .map_err(failed(operation))?;
    if other.is_some() {
        let message = format!("another user is called \"{}\"", user.name);
        return Err(exists(operation, "user_exists", message).with_hint("choose another name"));
    }
    Ok(())
}
