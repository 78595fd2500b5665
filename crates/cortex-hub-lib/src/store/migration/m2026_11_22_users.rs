//! Nodes that are shared, and logins that know every token they ever had.
//!
//! Logins from before are ended: nothing of theirs tells an old token from a made-up one.

use sea_orm::DbErr;
use sea_orm::sea_query::ColumnDef;
use sea_orm::sea_query::ForeignKey;
use sea_orm::sea_query::ForeignKeyAction;
use sea_orm::sea_query::Index;
use sea_orm::sea_query::Table;
use sea_orm::sea_query::TableCreateStatement;
use sea_orm_migration::MigrationName;
use sea_orm_migration::MigrationTrait;
use sea_orm_migration::SchemaManager;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m2026_11_22_users"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let mut grants = ColumnDef::new("grants").text().not_null().default("{}").take();
        schema.alter_table(Table::alter().table("node").add_column(&mut grants).take()).await?;
        // Its index goes with it.
        schema.drop_table(Table::drop().table("login").take()).await?;
        schema.create_table(login()).await?;
        let by_account =
            Index::create().name("login_account").table("login").col("account_id").take();
        schema.create_index(by_account).await
    }
}

fn login() -> TableCreateStatement {
    let columns = [
        ColumnDef::new("id").binary_len(16).not_null().primary_key().take(),
        ColumnDef::new("account_id").binary_len(16).not_null().take(),
        ColumnDef::new("current").binary_len(32).not_null().take(),
        ColumnDef::new("root").binary_len(32).not_null().take(),
        ColumnDef::new("created_at").big_integer().not_null().take(),
        ColumnDef::new("refreshed_at").big_integer().not_null().take(),
        ColumnDef::new("expires_at").big_integer().not_null().take(),
        ColumnDef::new("user_agent").text().null().take(),
    ];
    let mut table = Table::create().table("login").take();
    for column in columns {
        table.col(column);
    }
    let mut of_account = ForeignKey::create()
        .name("login_account")
        .from("login", "account_id")
        .to("account", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .take();
    table.foreign_key(&mut of_account).take()
}
