//! The contracts of the seams, kept by the database.

use std::sync::Arc;
use std::sync::Mutex;

use cortex_core::contract;
use tempfile::TempDir;

use super::directory;
use super::open;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_keep_the_contract() {
    let directories = Directories::default();
    contract::session_store(async || open(&directories.add()).await.sessions()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_keeps_the_contract() {
    let directories = Directories::default();
    contract::node_registry(async || open(&directories.add()).await.registry()).await;
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let directory = directory();
    contract::session_store_reopened(async |_| open(&directory).await.sessions()).await;
}

#[tokio::test]
async fn the_registry_survives_a_restart() {
    let directory = directory();
    contract::node_registry_reopened(async |_| open(&directory).await.registry()).await;
}

/// Keeps directories until the end of a test.
#[derive(Debug, Default)]
struct Directories {
    made: Mutex<Vec<Arc<TempDir>>>,
}

impl Directories {
    fn add(&self) -> Arc<TempDir> {
        let directory = Arc::new(directory());
        self.made.lock().unwrap().push(Arc::clone(&directory));
        directory
    }
}
