//! What one append put into a session's log.

use sea_orm::entity::prelude::ActiveModelBehavior;
use sea_orm::entity::prelude::DeriveEntityModel;
use sea_orm::entity::prelude::DerivePrimaryKey;
use sea_orm::entity::prelude::DeriveRelation;
use sea_orm::entity::prelude::EntityTrait;
use sea_orm::entity::prelude::EnumIter;
use sea_orm::entity::prelude::PrimaryKeyTrait;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session_log")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Binary(16)")]
    pub(crate) session_id: Vec<u8>,
    /// Number of the row's last entry.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) last_seq: i64,
    /// Number of the row's first entry.
    pub(crate) first_seq: i64,
    pub(crate) at: i64,
    /// JSON array of what happened, without output data.
    #[sea_orm(column_type = "Blob")]
    pub(crate) entries: Vec<u8>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
