//! The first tables: users and their credentials, nodes and invites, sessions, tasks, output.

use sea_orm::DbErr;
use sea_orm::sea_query::ColumnDef;
use sea_orm::sea_query::ConditionalStatement as _;
use sea_orm::sea_query::Expr;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::sea_query::ForeignKey;
use sea_orm::sea_query::ForeignKeyAction;
use sea_orm::sea_query::ForeignKeyCreateStatement;
use sea_orm::sea_query::Index;
use sea_orm::sea_query::IndexCreateStatement;
use sea_orm::sea_query::Table;
use sea_orm::sea_query::TableCreateStatement;
use sea_orm_migration::MigrationName;
use sea_orm_migration::MigrationTrait;
use sea_orm_migration::SchemaManager;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m2026_11_22_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            setting(),
            account(),
            api_token(),
            login(),
            login_code(),
            invite(),
            node(),
            presence(),
            session(),
            session_log(),
            task(),
            task_spec(),
            output_chunk(),
            repeat_key(),
        ] {
            schema.create_table(table).await?;
        }
        for index in indexes() {
            schema.create_index(index).await?;
        }
        Ok(())
    }
}

fn setting() -> TableCreateStatement {
    table("setting", [text("name").primary_key().take(), blob("value")])
}

fn account() -> TableCreateStatement {
    table(
        "account",
        [
            id("id").primary_key().take(),
            text("name"),
            text("name_key").unique_key().take(),
            text("role"),
            text("password_hash").null().take(),
            flag("disabled"),
            number("created_at"),
        ],
    )
}

fn api_token() -> TableCreateStatement {
    let columns = [
        id("id").primary_key().take(),
        id("account_id"),
        text("name"),
        digest("digest"),
        text("scopes"),
        number("created_at"),
        number("expires_at").null().take(),
        number("last_used_at").null().take(),
    ];
    table("api_token", columns)
        .foreign_key(&mut refers("api_token", "account_id", "account"))
        .take()
}

fn login() -> TableCreateStatement {
    let columns = [
        id("id").primary_key().take(),
        id("account_id"),
        digest("current"),
        digest("previous").null().take(),
        number("created_at"),
        number("expires_at"),
        text("user_agent").null().take(),
    ];
    table("login", columns).foreign_key(&mut refers("login", "account_id", "account")).take()
}

fn login_code() -> TableCreateStatement {
    let columns = [
        digest("digest").primary_key().take(),
        id("account_id"),
        number("expires_at"),
        number("used_at").null().take(),
    ];
    table("login_code", columns)
        .foreign_key(&mut refers("login_code", "account_id", "account"))
        .take()
}

fn invite() -> TableCreateStatement {
    table(
        "invite",
        [
            id("id").primary_key().take(),
            id("owner_id"),
            text("name"),
            digest("secret_digest"),
            text("labels"),
            number("created_at"),
            number("expires_at"),
            text("fate"),
        ],
    )
}

fn node() -> TableCreateStatement {
    table(
        "node",
        [
            id("id").primary_key().take(),
            id("owner_id"),
            text("name"),
            digest("identity"),
            text("labels"),
            text("admission"),
            flag("cordoned"),
            text("capabilities").null().take(),
            text("version"),
            number("enrolled_at"),
        ],
    )
}

fn presence() -> TableCreateStatement {
    let columns = [
        id("node_id").primary_key().take(),
        number("epoch"),
        flag("open"),
        id("boot").null().take(),
        number("since").null().take(),
        number("last_seen").null().take(),
        text("health").null().take(),
    ];
    table("presence", columns).foreign_key(&mut refers("presence", "node_id", "node")).take()
}

fn session() -> TableCreateStatement {
    table(
        "session",
        [
            id("id").primary_key().take(),
            id("owner_id"),
            text("name"),
            text("status"),
            text("nodes"),
            number("created_at"),
            number("closed_at").null().take(),
        ],
    )
}

fn session_log() -> TableCreateStatement {
    let columns =
        [id("session_id"), number("last_seq"), number("first_seq"), number("at"), blob("entries")];
    table("session_log", columns)
        .primary_key(Index::create().col("session_id").col("last_seq"))
        .foreign_key(&mut refers("session_log", "session_id", "session"))
        .take()
}

fn task() -> TableCreateStatement {
    let columns = [
        id("id").primary_key().take(),
        id("session_id"),
        id("account_id"),
        id("node_id").null().take(),
        text("state"),
        flag("is_open"),
        number("created_at"),
        number("revision"),
        blob("spec").null().take(),
        blob("life"),
    ];
    table("task", columns).foreign_key(&mut refers("task", "session_id", "session")).take()
}

fn task_spec() -> TableCreateStatement {
    let columns = [id("task_id").primary_key().take(), blob("spec")];
    table("task_spec", columns).foreign_key(&mut refers("task_spec", "task_id", "task")).take()
}

fn output_chunk() -> TableCreateStatement {
    let columns = [
        id("task_id"),
        ColumnDef::new("stream").integer().not_null().take(),
        number("position"),
        blob("data"),
    ];
    table("output_chunk", columns)
        .primary_key(Index::create().col("task_id").col("stream").col("position"))
        .foreign_key(&mut refers("output_chunk", "task_id", "task"))
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("api_token_account", "api_token", ["account_id"]),
        index("login_account", "login", ["account_id"]),
        index("login_code_account", "login_code", ["account_id"]),
        index("invite_owner", "invite", ["owner_id"]),
        // Names of removed nodes are free again.
        index("node_live_name", "node", ["owner_id", "name"])
            .unique()
            .cond_where(Expr::col("admission").ne("retired"))
            .take(),
        index("repeat_key_age", "repeat_key", ["created_at"]),
        index("session_owner", "session", ["owner_id"]),
        index("task_session", "task", ["session_id", "id"]),
        index("task_account", "task", ["account_id", "id"]),
        index("task_node", "task", ["node_id", "id"]),
        index("task_open", "task", ["id"]).cond_where(Expr::cust("\"is_open\" = TRUE")).take(),
    ]
}

fn repeat_key() -> TableCreateStatement {
    let columns =
        [id("account_id"), text("name"), digest("digest"), id("task_id"), number("created_at")];
    table("repeat_key", columns).primary_key(Index::create().col("account_id").col("name")).take()
}

fn table<const N: usize>(name: &'static str, columns: [ColumnDef; N]) -> TableCreateStatement {
    let mut table = Table::create().table(name).take();
    for column in columns {
        table.col(column);
    }
    table
}

fn index<const N: usize>(
    name: &'static str,
    table: &'static str,
    columns: [&'static str; N],
) -> IndexCreateStatement {
    let mut index = Index::create().name(name).table(table).take();
    for column in columns {
        index.col(column);
    }
    index
}

/// What refers to a row goes with it.
fn refers(
    table: &'static str,
    column: &'static str,
    to: &'static str,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("{table}_{to}"))
        .from(table, column)
        .to(to, "id")
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}

fn id(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary_len(16).not_null().take()
}

fn digest(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary_len(32).not_null().take()
}

fn blob(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().not_null().take()
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().take()
}
