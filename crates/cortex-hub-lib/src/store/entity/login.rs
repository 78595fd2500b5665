//! A family of refresh tokens: one sign-in of one user.

use sea_orm::entity::prelude::ActiveModelBehavior;
use sea_orm::entity::prelude::DeriveEntityModel;
use sea_orm::entity::prelude::DerivePrimaryKey;
use sea_orm::entity::prelude::DeriveRelation;
use sea_orm::entity::prelude::EntityTrait;
use sea_orm::entity::prelude::EnumIter;
use sea_orm::entity::prelude::PrimaryKeyTrait;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "login")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Binary(16)")]
    pub(crate) id: Vec<u8>,
    #[sea_orm(column_type = "Binary(16)")]
    pub(crate) account_id: Vec<u8>,
    /// SHA-256 of the refresh token that is good now.
    #[sea_orm(column_type = "Binary(32)")]
    pub(crate) current: Vec<u8>,
    /// SHA-256 of the half that all refresh tokens of the login have.
    #[sea_orm(column_type = "Binary(32)")]
    pub(crate) root: Vec<u8>,
    pub(crate) created_at: i64,
    pub(crate) refreshed_at: i64,
    pub(crate) expires_at: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) user_agent: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
