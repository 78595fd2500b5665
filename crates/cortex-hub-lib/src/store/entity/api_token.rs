//! A token for programs.

use sea_orm::entity::prelude::ActiveModelBehavior;
use sea_orm::entity::prelude::DeriveEntityModel;
use sea_orm::entity::prelude::DerivePrimaryKey;
use sea_orm::entity::prelude::DeriveRelation;
use sea_orm::entity::prelude::EntityTrait;
use sea_orm::entity::prelude::EnumIter;
use sea_orm::entity::prelude::PrimaryKeyTrait;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_token")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Binary(16)")]
    pub(crate) id: Vec<u8>,
    #[sea_orm(column_type = "Binary(16)")]
    pub(crate) account_id: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub(crate) name: String,
    /// SHA-256 of the secret.
    #[sea_orm(column_type = "Binary(32)")]
    pub(crate) digest: Vec<u8>,
    /// JSON array of scopes.
    #[sea_orm(column_type = "Text")]
    pub(crate) scopes: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) last_used_at: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
