//! Whether a node is there: one row a node.

use sea_orm::entity::prelude::ActiveModelBehavior;
use sea_orm::entity::prelude::DeriveEntityModel;
use sea_orm::entity::prelude::DerivePrimaryKey;
use sea_orm::entity::prelude::DeriveRelation;
use sea_orm::entity::prelude::EntityTrait;
use sea_orm::entity::prelude::EnumIter;
use sea_orm::entity::prelude::PrimaryKeyTrait;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "presence")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Binary(16)")]
    pub(crate) node_id: Vec<u8>,
    pub(crate) epoch: i64,
    pub(crate) open: bool,
    #[sea_orm(column_type = "Binary(16)", nullable)]
    pub(crate) boot: Option<Vec<u8>>,
    pub(crate) since: Option<i64>,
    pub(crate) last_seen: Option<i64>,
    /// JSON of the last report.
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) health: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
