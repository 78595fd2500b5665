//! The tables that the migrations make are those that the entities describe.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;
use sea_orm::DbBackend;
use sea_orm::EntityTrait;
use sea_orm::IdenStatic as _;
use sea_orm::Iterable as _;
use sea_orm::PrimaryKeyToColumn as _;
use sea_orm::Schema;
use sea_orm::Statement;

use super::directory;
use super::open;
use crate::store::connection::WriteConnection;
use crate::store::database::Files;
use crate::store::entity;

/// Name, type, whether it can be null, and place in the primary key.
type Column = (String, String, bool, bool);

#[tokio::test]
async fn the_entities_describe_the_tables() {
    let directory = directory();
    open(&directory).await.close().await.unwrap();
    let files = Files::take(directory.path()).await.unwrap();
    let migrated = WriteConnection::open(&files.options()).await.unwrap();
    compare(&migrated, entity::account::Entity).await;
    compare(&migrated, entity::api_token::Entity).await;
    compare(&migrated, entity::audit::Entity).await;
    compare(&migrated, entity::invite::Entity).await;
    compare(&migrated, entity::login::Entity).await;
    compare(&migrated, entity::login_code::Entity).await;
    compare(&migrated, entity::node::Entity).await;
    compare(&migrated, entity::output_chunk::Entity).await;
    compare(&migrated, entity::presence::Entity).await;
    compare(&migrated, entity::repeat::Entity).await;
    compare(&migrated, entity::session::Entity).await;
    compare(&migrated, entity::session_log::Entity).await;
    compare(&migrated, entity::setting::Entity).await;
    compare(&migrated, entity::task::Entity).await;
    compare(&migrated, entity::task_secret::Entity).await;
    compare(&migrated, entity::task_spec::Entity).await;
    migrated.close().await.unwrap();
}

async fn compare<E: EntityTrait>(migrated: &WriteConnection, entity: E) {
    let table = entity.table_name().to_owned();
    let fresh = directory();
    let files = Files::take(fresh.path()).await.unwrap();
    let described = WriteConnection::open(&files.options()).await.unwrap();
    let create = Schema::new(DbBackend::Sqlite).create_table_from_entity(entity);
    described.execute(&create).await.unwrap();
    let found = columns(migrated, &table).await;
    assert_eq!(found, columns(&described, &table).await, "{table}");
    for key in E::PrimaryKey::iter() {
        let name = key.into_column().as_str().to_owned();
        assert!(found.get(&name).is_some_and(|column| column.3), "{table}.{name} is a key");
    }
    described.close().await.unwrap();
}

async fn columns(connection: &WriteConnection, table: &str) -> BTreeMap<String, Column> {
    let sql =
        format!("SELECT name, lower(type), \"notnull\", pk FROM pragma_table_info('{table}')");
    let rows = connection.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await;
    let rows = rows.unwrap();
    assert!(!rows.is_empty(), "{table} is missing");
    let column = |row: &sea_orm::QueryResult| {
        let name: String = row.try_get_by_index(0).unwrap();
        let of_type: String = row.try_get_by_index(1).unwrap();
        let is_set: i32 = row.try_get_by_index(2).unwrap();
        let key: i32 = row.try_get_by_index(3).unwrap();
        (name.clone(), (name, of_type, is_set == 0, key > 0))
    };
    rows.iter().map(column).collect()
}
