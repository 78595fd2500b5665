//! What is refused when a store is opened, and what the refusal says.

use std::time::Duration;

use cortex_core::ErrorKind;
use sea_orm::ConnectionTrait as _;

use super::directory;
use super::open;
use crate::store::Store;
use crate::store::database::Files;

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let directory = directory();
    open(&directory).await.close().await.unwrap();
    let later = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2031_01_01_later', 0); \
                 UPDATE setting SET value = CAST('9.1.0' AS BLOB) WHERE name = 'written_by'";
    execute(&directory, later).await;
    let refusal = Store::open(directory.path()).await.unwrap_err();
    assert_eq!((refusal.kind(), refusal.code()), (ErrorKind::Precondition, "database_newer"));
    let message = refusal.message();
    assert!(message.contains("9.1.0") && message.contains("m2031_01_01_later"), "{message}");
    assert!(message.contains(directory.path().to_str().unwrap()), "{message}");
    assert!(refusal.hint().unwrap().contains("9.1.0"));
    let again = Store::open(directory.path()).await.unwrap_err();
    assert!(again.message().contains("9.1.0"), "the refusal must not change the database");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let directory = directory();
    let file = directory.path().join("cortex.db");
    std::fs::write(&file, "these are a few words and no database, ".repeat(200)).unwrap();
    let refusal = Store::open(directory.path()).await.unwrap_err();
    assert_eq!((refusal.kind(), refusal.code()), (ErrorKind::Precondition, "database_unreadable"));
    assert!(refusal.message().contains("cortex.db"), "{refusal}");
    assert!(std::fs::read_to_string(file).unwrap().starts_with("these are"));
}

#[tokio::test]
async fn a_place_where_nothing_can_be_written_is_refused() {
    let directory = directory();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below_a_file = Store::open(&file.join("data")).await.unwrap_err();
    std::fs::create_dir(directory.path().join("cortex.db")).unwrap();
    let a_directory = Store::open(directory.path()).await.unwrap_err();
    for refusal in [below_a_file, a_directory] {
        assert_eq!(
            (refusal.kind(), refusal.code()),
            (ErrorKind::Precondition, "data_dir_unwritable")
        );
        assert!(refusal.message().contains(directory.path().to_str().unwrap()), "{refusal}");
    }
}

#[tokio::test]
async fn a_directory_belongs_to_one_store() {
    let directory = directory();
    let store = open(&directory).await;
    let refusal = Files::take_within(directory.path(), Duration::ZERO).await.unwrap_err();
    assert_eq!((refusal.kind(), refusal.code()), (ErrorKind::Precondition, "data_dir_in_use"));
    store.close().await.unwrap();
    Files::take_within(directory.path(), Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let directory = directory();
    let store = open(&directory).await;
    store.ping().await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(store.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let setting = store.accounts().put_setting_if_absent("name", vec![1]).await;
    assert_eq!(setting.unwrap_err().code(), "store_closed");
}

#[cfg(unix)]
#[tokio::test]
async fn others_cannot_read_what_is_stored() {
    use std::os::unix::fs::PermissionsExt as _;

    let parent = directory();
    let directory = parent.path().join("data");
    let store = Store::open(&directory).await.unwrap();
    store.accounts().put_setting_if_absent("name", vec![1]).await.unwrap();
    let mode =
        |name: &str| std::fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("output")), (0o700, 0o700));
    assert_eq!((mode("cortex.db"), mode("cortex.db-wal")), (0o600, 0o600));
}

async fn execute(directory: &tempfile::TempDir, sql: &str) {
    let files = Files::take(directory.path()).await.unwrap();
    let connection = crate::store::connection::WriteConnection::open(&files.options()).await;
    let connection = connection.unwrap();
    connection.execute_unprepared(sql).await.unwrap();
    connection.close().await.unwrap();
}
