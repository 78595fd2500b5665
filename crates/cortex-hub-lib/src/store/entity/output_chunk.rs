//! The first bytes that a task put out; later ones lie in files.

use sea_orm::entity::prelude::ActiveModelBehavior;
use sea_orm::entity::prelude::DeriveEntityModel;
use sea_orm::entity::prelude::DerivePrimaryKey;
use sea_orm::entity::prelude::DeriveRelation;
use sea_orm::entity::prelude::EntityTrait;
use sea_orm::entity::prelude::EnumIter;
use sea_orm::entity::prelude::PrimaryKeyTrait;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "output_chunk")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Binary(16)")]
    pub(crate) task_id: Vec<u8>,
    /// 0 for standard output, 1 for standard error, 2 for files.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) stream: i32,
    /// Where in the stream the bytes begin.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) position: i64,
    #[sea_orm(column_type = "Blob")]
    pub(crate) data: Vec<u8>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
