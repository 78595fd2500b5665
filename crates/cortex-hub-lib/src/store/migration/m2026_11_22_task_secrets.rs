//! Tasks: the sealed secrets of those that have not ended.

use sea_orm::DbErr;
use sea_orm::sea_query::ColumnDef;
use sea_orm::sea_query::ForeignKey;
use sea_orm::sea_query::ForeignKeyAction;
use sea_orm::sea_query::Table;
use sea_orm_migration::MigrationName;
use sea_orm_migration::MigrationTrait;
use sea_orm_migration::SchemaManager;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m2026_11_22_task_secrets"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let mut task = ForeignKey::create()
            .name("task_secret_task")
            .from("task_secret", "task_id")
            .to("task", "id")
            .on_delete(ForeignKeyAction::Cascade)
            .take();
        let table = Table::create()
            .table("task_secret")
            .col(ColumnDef::new("task_id").binary_len(16).not_null().primary_key())
            .col(ColumnDef::new("sealed").blob().not_null())
            .foreign_key(&mut task)
            .take();
        schema.create_table(table).await
    }
}
