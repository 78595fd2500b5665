//! Nodes: the identity keys that they had before.

use sea_orm::DbErr;
use sea_orm::sea_query::ColumnDef;
use sea_orm::sea_query::Table;
use sea_orm_migration::MigrationName;
use sea_orm_migration::MigrationTrait;
use sea_orm_migration::SchemaManager;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m2026_11_22_former_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        // Nodes from before have the key that they enrolled with.
        let column = ColumnDef::new("former_keys").text().not_null().default("[]").take();
        schema.alter_table(Table::alter().table("node").add_column(column).take()).await
    }
}
