//! A record of the audit log, with the end of the chain up to it.

use sea_orm::entity::prelude::ActiveModelBehavior;
use sea_orm::entity::prelude::DeriveEntityModel;
use sea_orm::entity::prelude::DerivePrimaryKey;
use sea_orm::entity::prelude::DeriveRelation;
use sea_orm::entity::prelude::EntityTrait;
use sea_orm::entity::prelude::EnumIter;
use sea_orm::entity::prelude::PrimaryKeyTrait;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) seq: i64,
    pub(crate) at: i64,
    /// Who, in text: an id, `hub` or `nobody`.
    #[sea_orm(column_type = "Text")]
    pub(crate) actor: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) action: String,
    /// To what, in text: an id or `hub`.
    #[sea_orm(column_type = "Text")]
    pub(crate) object: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) outcome: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) detail: String,
    #[sea_orm(column_type = "Binary(32)")]
    pub(crate) digest: Vec<u8>,
    #[sea_orm(column_type = "Binary(16)", nullable)]
    pub(crate) credential: Option<Vec<u8>>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) address: Option<String>,
    #[sea_orm(column_type = "Binary(16)", nullable)]
    pub(crate) owner_id: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
