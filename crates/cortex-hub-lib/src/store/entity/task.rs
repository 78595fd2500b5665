//! A task as it stands.

use sea_orm::entity::prelude::ActiveModelBehavior;
use sea_orm::entity::prelude::DeriveEntityModel;
use sea_orm::entity::prelude::DerivePrimaryKey;
use sea_orm::entity::prelude::DeriveRelation;
use sea_orm::entity::prelude::EntityTrait;
use sea_orm::entity::prelude::EnumIter;
use sea_orm::entity::prelude::PrimaryKeyTrait;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "task")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Binary(16)")]
    pub(crate) id: Vec<u8>,
    #[sea_orm(column_type = "Binary(16)")]
    pub(crate) session_id: Vec<u8>,
    /// Who asked for it.
    #[sea_orm(column_type = "Binary(16)")]
    pub(crate) account_id: Vec<u8>,
    /// The node of its current or last attempt.
    #[sea_orm(column_type = "Binary(16)", nullable)]
    pub(crate) node_id: Option<Vec<u8>>,
    #[sea_orm(column_type = "Text")]
    pub(crate) state: String,
    /// Whether it has not ended.
    pub(crate) is_open: bool,
    pub(crate) created_at: i64,
    pub(crate) revision: i64,
    /// JSON, written once; absent where `task_spec` has it.
    #[sea_orm(column_type = "Blob", nullable)]
    pub(crate) spec: Option<Vec<u8>>,
    /// JSON of what changes.
    #[sea_orm(column_type = "Blob")]
    pub(crate) life: Vec<u8>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
