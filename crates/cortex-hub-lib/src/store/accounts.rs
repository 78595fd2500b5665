//! Users, their credentials, and the hub's own settings.

mod change;
mod code;
mod directory;
mod login;
mod row;
mod token;
mod user;

use std::sync::Arc;

use cortex_core::Result;
use cortex_core::id::TokenId;
use cortex_core::id::UserId;
use cortex_core::timestamp::Timestamp;
use futures::FutureExt as _;
use sea_orm::DatabaseConnection;
use sea_orm::EntityTrait as _;

pub use code::LoginCode;
pub use login::Login;
pub use login::RefreshDigest;
pub use login::Rotation;
pub use token::ApiToken;
pub use user::User;
pub use user::UserChange;

use self::directory::Directory;
use super::audit::AuditLog;
use super::entity::setting;
use super::fault::fault;
use super::writer::Writer;
use crate::audit::Note;

/// Keeps users, API tokens, logins, one-time codes and settings.
///
/// Secrets are kept as digests only. Users and API tokens are also in memory, so that looking
/// them up for each request asks no disk. Once a method returns `Ok`, its effect survives a
/// crash; if the future of a changing method is dropped, the effect may or may not be stored.
#[derive(Debug)]
pub struct AccountStore {
    reads: DatabaseConnection,
    writer: Writer,
    directory: Arc<Directory>,
    audit: AuditLog,
}

impl AccountStore {
    pub(super) async fn open(reads: DatabaseConnection, writer: Writer) -> Result<Self> {
        let users = row::users(&reads).await?;
        let tokens = row::tokens(&reads).await?;
        let audit = AuditLog::new(reads.clone(), writer.clone());
        Ok(Self { reads, writer, directory: Arc::new(Directory::new(users, tokens)), audit })
    }

    /// Who did what.
    pub(crate) fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// Stores a new user.
    ///
    /// # Errors
    /// `Exists`, code `user_exists`: a user has the id, or the name in any spelling of its case.
    pub async fn create_user(&self, user: User) -> Result<()> {
        let directory = Arc::clone(&self.directory);
        let created = self.writer.run_then(
            "create user",
            move |writes| {
                async move { change::create_user(writes, &user).await.map(|()| user) }.boxed()
            },
            move |user| directory.put_user(user),
        );
        created.await.map(drop)
    }

    /// Changes a user and returns it as it then is.
    ///
    /// # Errors
    /// `NotFound`, code `user_not_found`. `Exists`, code `user_exists`: another user has the name.
    pub async fn update_user(&self, id: UserId, change: UserChange) -> Result<User> {
        let directory = Arc::clone(&self.directory);
        let updated = self.writer.run_then(
            "change user",
            move |writes| change::update_user(writes, id, change).boxed(),
            move |user| directory.put_user(user),
        );
        updated.await
    }

    /// Returns a user.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn user(&self, id: UserId) -> Result<Option<User>> {
        Ok(self.directory.user(id))
    }

    /// Returns the user of a name; upper and lower case are the same.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>> {
        Ok(self.directory.user_by_name(name))
    }

    /// Lists all users by name.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn users(&self) -> Result<Vec<User>> {
        Ok(self.directory.users())
    }

    /// Stores a new API token.
    ///
    /// # Errors
    /// `Exists`, code `token_exists`: a token has the id. `NotFound`, code `user_not_found`: no
    /// user has the owner's id.
    pub async fn add_token(&self, token: ApiToken) -> Result<()> {
        let directory = Arc::clone(&self.directory);
        let added = self.writer.run_then(
            "create token",
            move |writes| {
                async move { change::add_token(writes, &token).await.map(|()| token) }.boxed()
            },
            move |token| directory.put_token(token.clone()),
        );
        added.await.map(drop)
    }

    /// Removes an API token.
    ///
    /// # Errors
    /// `NotFound`, code `token_not_found`.
    pub async fn revoke_token(&self, id: TokenId) -> Result<()> {
        let directory = Arc::clone(&self.directory);
        let revoked = self.writer.run_then(
            "revoke token",
            move |writes| change::revoke_token(writes, id).boxed(),
            move |()| directory.remove_token(id),
        );
        revoked.await
    }

    /// Lists the API tokens of `owner`, or all, newest first; expired ones too.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn tokens(&self, owner: Option<UserId>) -> Result<Vec<ApiToken>> {
        Ok(self.directory.tokens(owner))
    }

    /// Returns an API token, even if it has expired.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn token_by_id(&self, id: TokenId) -> Result<Option<ApiToken>> {
        Ok(self.directory.token(id))
    }

    /// Records that an API token was used; the database hears of it at most once an hour a token.
    pub fn note_token_use(&self, id: TokenId, now: Timestamp) {
        if self.directory.note_token_use(id, now) {
            // A use that finds no place is recorded with the next one.
            self.writer.try_run(move |writes| change::note_token_use(writes, id, now).boxed());
        }
    }

    /// Stores a new login. A user has a hundred at most: beyond that, those that were refreshed least
    /// recently end.
    ///
    /// # Errors
    /// `Exists`, code `login_exists`: a login has the id. `NotFound`, code `user_not_found`.
    pub async fn add_login(&self, login: Login) -> Result<()> {
        self.writer
            .run("create login", move |writes| change::add_login(writes, login).boxed())
            .await
    }

    /// Replaces a login's refresh token by the next one, or ends the login if an old one is
    /// presented: then somebody has a copy.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn rotate_login(
        &self,
        family: TokenId,
        presented: RefreshDigest,
        next: RefreshDigest,
        now: Timestamp,
    ) -> Result<Rotation> {
        let noted = |note: Note, rotation: &Rotation| match rotation {
            Rotation::Rotated(login) => Some(note.by_themselves(login.user)),
            Rotation::Reused(login) => {
                Some(note.refused_for(login.user).detail("used twice: the login has ended"))
            }
            Rotation::Unknown => None,
        };
        self.writer
            .run_noting(
                "refresh login",
                move |writes| change::rotate_login(writes, family, presented, next, now).boxed(),
                noted,
                |_| (),
            )
            .await
    }

    /// Returns a login, even if it has expired.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn login(&self, family: TokenId) -> Result<Option<Login>> {
        row::login(&self.reads, family).await
    }

    /// Lists the logins of a user that last beyond `now`, those that were refreshed last first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn logins(&self, user: UserId, now: Timestamp) -> Result<Vec<Login>> {
        row::logins(&self.reads, user, now).await
    }

    /// Ends a login; one that has ended stays so.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn end_login(&self, family: TokenId) -> Result<()> {
        self.writer.run("end login", move |writes| change::end_login(writes, family).boxed()).await
    }

    /// Ends all logins of a user, and returns how many there were.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn end_logins(&self, user: UserId) -> Result<u64> {
        self.writer.run("end logins", move |writes| change::end_logins(writes, user).boxed()).await
    }

    /// Stores a one-time code, and forgets those that had expired before `now`.
    ///
    /// # Errors
    /// `Exists`, code `code_exists`: there is such a code. `NotFound`, code `user_not_found`.
    pub async fn add_code(&self, code: LoginCode, now: Timestamp) -> Result<()> {
        self.writer
            .run("create code", move |writes| change::add_code(writes, code, now).boxed())
            .await
    }

    /// Uses a one-time code: returns its user to one caller, and `None` to every other one, and
    /// where the code is unknown or expired.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn use_code(&self, digest: [u8; 32], now: Timestamp) -> Result<Option<UserId>> {
        self.writer
            .run("use code", move |writes| change::use_code(writes, digest, now).boxed())
            .await
    }

    /// Returns a setting of the hub.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn get_setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let row = setting::Entity::find_by_id(name.to_owned()).one(&self.reads).await;
        let row = row.map_err(|error| fault("read setting", error))?;
        Ok(row.map(|row| row.value))
    }

    /// Stores a setting unless there is one of that name, and returns what is then stored.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn put_setting_if_absent(&self, name: &str, value: Vec<u8>) -> Result<Vec<u8>> {
        let name = name.to_owned();
        self.writer
            .run("store setting", move |writes| {
                change::put_setting_if_absent(writes, name, value).boxed()
            })
            .await
    }
}
