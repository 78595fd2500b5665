//! The sealed secrets of a task that has not ended.

use sea_orm::entity::prelude::ActiveModelBehavior;
use sea_orm::entity::prelude::DeriveEntityModel;
use sea_orm::entity::prelude::DerivePrimaryKey;
use sea_orm::entity::prelude::DeriveRelation;
use sea_orm::entity::prelude::EntityTrait;
use sea_orm::entity::prelude::EnumIter;
use sea_orm::entity::prelude::PrimaryKeyTrait;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "task_secret")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Binary(16)")]
    pub(crate) task_id: Vec<u8>,
    /// What only the hub can open.
    #[sea_orm(column_type = "Blob")]
    pub(crate) sealed: Vec<u8>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
