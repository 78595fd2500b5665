//! An enrolled node, without its presence.

use sea_orm::entity::prelude::ActiveModelBehavior;
use sea_orm::entity::prelude::DeriveEntityModel;
use sea_orm::entity::prelude::DerivePrimaryKey;
use sea_orm::entity::prelude::DeriveRelation;
use sea_orm::entity::prelude::EntityTrait;
use sea_orm::entity::prelude::EnumIter;
use sea_orm::entity::prelude::PrimaryKeyTrait;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "node")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Binary(16)")]
    pub(crate) id: Vec<u8>,
    #[sea_orm(column_type = "Binary(16)")]
    pub(crate) owner_id: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    pub(crate) name: String,
    /// JSON object: user to grant.
    #[sea_orm(column_type = "Text")]
    pub(crate) grants: String,
    /// Ed25519 public key.
    #[sea_orm(column_type = "Binary(32)")]
    pub(crate) identity: Vec<u8>,
    /// JSON object.
    #[sea_orm(column_type = "Text")]
    pub(crate) labels: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) admission: String,
    pub(crate) cordoned: bool,
    /// JSON of what the node said about itself.
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) capabilities: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) version: String,
    pub(crate) enrolled_at: i64,
    pub(crate) generation: i64,
    /// SHA-256 of the public key of the last renewal.
    #[sea_orm(column_type = "Binary(32)", nullable)]
    pub(crate) renewed_for: Option<Vec<u8>>,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) suspicion: Option<String>,
    /// JSON list: the identity keys before, each with the time of its end.
    #[sea_orm(column_type = "Text")]
    pub(crate) former_keys: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
