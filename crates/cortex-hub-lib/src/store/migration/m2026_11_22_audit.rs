//! The audit log, which only grows, and the chain of each session's receipts.

use sea_orm::ConnectionTrait as _;
use sea_orm::DbErr;
use sea_orm::sea_query::ColumnDef;
use sea_orm::sea_query::ConditionalStatement as _;
use sea_orm::sea_query::Expr;
use sea_orm::sea_query::Index;
use sea_orm::sea_query::Table;
use sea_orm_migration::MigrationName;
use sea_orm_migration::MigrationTrait;
use sea_orm_migration::SchemaManager;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m2026_11_22_audit"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let mut audit = Table::create();
        audit.table("audit");
        audit.col(number("seq").primary_key());
        for column in [
            number("at").take(),
            text("actor").take(),
            text("action").take(),
            text("object").take(),
            text("outcome").take(),
            text("detail").take(),
            ColumnDef::new("digest").binary_len(32).not_null().take(),
            ColumnDef::new("credential").binary_len(16).null().take(),
            ColumnDef::new("address").text().null().take(),
            ColumnDef::new("owner_id").binary_len(16).null().take(),
        ] {
            audit.col(column);
        }
        schema.create_table(audit).await?;
        for column in ["actor", "object", "owner_id"] {
            let mut index = Index::create();
            index.name(format!("audit_{column}")).table("audit").col(column);
            schema.create_index(index).await?;
        }
        // Nearly all records are submitted tasks, which are found without an index.
        let mut index = Index::create();
        index.name("audit_action").table("audit").col("action");
        index.cond_where(Expr::cust("\"action\" <> 'task.submit'"));
        schema.create_index(index).await?;
        // A record that is there stays as it is, whatever the hub's own code may do.
        for (name, act) in [("audit_no_update", "UPDATE"), ("audit_no_delete", "DELETE")] {
            let trigger = format!(
                "CREATE TRIGGER {name} BEFORE {act} ON audit BEGIN \
                 SELECT RAISE(ABORT, 'the audit log only grows'); END"
            );
            schema.get_connection().execute_unprepared(&trigger).await?;
        }
        for column in [
            number("receipts").default(0).take(),
            ColumnDef::new("receipts_head").binary_len(32).null().take(),
        ] {
            let mut session = Table::alter();
            session.table("session").add_column(column);
            schema.alter_table(session).await?;
        }
        Ok(())
    }
}

fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}
