//! A session as it stands; its log's end is that of its last log row.

use sea_orm::entity::prelude::ActiveModelBehavior;
use sea_orm::entity::prelude::DeriveEntityModel;
use sea_orm::entity::prelude::DerivePrimaryKey;
use sea_orm::entity::prelude::DeriveRelation;
use sea_orm::entity::prelude::EntityTrait;
use sea_orm::entity::prelude::EnumIter;
use sea_orm::entity::prelude::PrimaryKeyTrait;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Binary(16)")]
    pub(crate) id: Vec<u8>,
    #[sea_orm(column_type = "Binary(16)")]
    pub(crate) owner_id: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub(crate) name: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) status: String,
    /// JSON array of the attached nodes.
    #[sea_orm(column_type = "Text")]
    pub(crate) nodes: String,
    pub(crate) created_at: i64,
    pub(crate) closed_at: Option<i64>,
    /// How many receipts its log has.
    pub(crate) receipts: i64,
    /// The digest of their chain; absent where a session of an older version has none.
    #[sea_orm(column_type = "Binary(32)", nullable)]
    pub(crate) receipts_head: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
