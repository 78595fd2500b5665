//! Nodes: the join state, which tells a node from a copy of it, and why the hub locked one.

use sea_orm::DbErr;
use sea_orm::sea_query::ColumnDef;
use sea_orm::sea_query::Table;
use sea_orm_migration::MigrationName;
use sea_orm_migration::MigrationTrait;
use sea_orm_migration::SchemaManager;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m2026_11_22_join_state"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column a statement. Nodes from before were never renewed.
        for column in [
            ColumnDef::new("generation").big_integer().not_null().default(1).take(),
            ColumnDef::new("renewed_for").binary_len(32).null().take(),
            ColumnDef::new("suspicion").text().null().take(),
        ] {
            schema.alter_table(Table::alter().table("node").add_column(column).take()).await?;
        }
        Ok(())
    }
}
