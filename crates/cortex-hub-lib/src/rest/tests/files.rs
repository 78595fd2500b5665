//! Files that a task publishes: there once they are whole, once, and never as anything else.

use axum::http::StatusCode;
use axum::http::header;
use bytes::Bytes;
use cortex_core::digest::Digest;
use cortex_core::report::News;
use cortex_core::task::SentFile;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use serde_json::json;

use super::rig::FakeNode;
use super::rig::Rig;
use super::rig::until;
use crate::link::CloseReason;

/// A task that runs on the node.
async fn running(rig: &Rig, node: &mut FakeNode) -> std::sync::Arc<Task> {
    let body = json!({"argv": ["plot"], "node": "lab"});
    rig.call("POST", "/api/sessions/default/dispatch", Some(body)).await;
    let task = node.task().await;
    node.start(&task).await;
    task
}

fn bytes_at(offset: u64, data: &[u8]) -> News {
    News::Output { stream: Stream::Files, offset, data: Bytes::copy_from_slice(data) }
}

fn file(name: &str, offset: u64, data: &[u8]) -> News {
    let (size, digest) = (data.len() as u64, Digest::of(data));
    News::File(SentFile { name: name.to_owned(), offset, size, digest })
}

/// Bytes in which nothing comes twice in the same place.
fn long(len: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_le_bytes).take(len).collect()
}

#[tokio::test]
async fn a_file_is_there_when_it_is_whole_and_comes_as_an_attachment() {
    let rig = Rig::start().await;
    let mut node = rig.node("lab").await;
    let task = running(&rig, &mut node).await;
    let path = format!("/api/tasks/{}/files", task.id);
    let data = long(300_000);
    let mut news: Vec<_> =
        data.chunks(70_000).zip(0..).map(|(piece, at)| bytes_at(at * 70_000, piece)).collect();
    news.push(bytes_at(300_000, b"a,b\n"));
    node.report(&task, news).await;
    let id = task.id;
    until(async || {
        let task = rig.get(&format!("/api/tasks/{id}")).await;
        task.json()["state"] == "running"
    })
    .await;
    assert_eq!(rig.get(&path).await.json()["items"], json!([]));
    // What was sent before a link was lost comes again, and changes nothing.
    let again = vec![
        bytes_at(280_000, &data[280_000..]),
        file("long \u{e4}.bin", 0, &data),
        bytes_at(300_000, b"a,b\n"),
        file("short.csv", 300_000, b"a,b\n"),
        file("long \u{e4}.bin", 0, &data),
    ];
    node.report(&task, again).await;
    node.end(&task, 0).await;
    let ended = rig.get(&format!("/api/tasks/{id}?wait=20")).await.json();
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let listed = rig.get(&path).await.json();
    let info = |name: &str, data: &[u8]| json!({"name": name, "size": data.len(), "sha256": Digest::of(data).to_string()});
    assert_eq!(
        listed["items"],
        json!([info("long \u{e4}.bin", &data), info("short.csv", b"a,b\n")])
    );
    let answer = rig.get(&format!("{path}/long%20%C3%A4.bin")).await;
    assert!(answer.body == data);
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment; filename*=UTF-8''long%20%C3%A4.bin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_LENGTH, "300000"),
    ] {
        assert_eq!(answer.headers[&name], value);
    }
    assert_eq!(answer.headers["x-cortex-sha256"], Digest::of(&data).to_string());
    let missing = rig.get(&format!("{path}/none")).await;
    assert_eq!((missing.status, missing.code()), (StatusCode::NOT_FOUND, "file_not_found".into()));
    // None of it is output, and the log says what was published.
    assert_eq!(ended["output"]["stdout_bytes"], 0);
    let page = rig.get("/api/sessions/default/events?limit=500").await.json();
    let kinds: Vec<_> = page["items"].as_array().unwrap().iter().map(|one| &one["type"]).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "task.file").count(), 2, "{kinds:?}");
    assert!(!kinds.contains(&&json!("task.output")), "{kinds:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_node_that_says_other_than_it_sent_is_cut_off_and_nothing_is_published() {
    for (name, news) in [
        ("digest", vec![bytes_at(0, b"abc"), file("a", 0, b"abd")]),
        ("bytes that did not come", vec![bytes_at(0, b"abc"), file("a", 0, b"abcd")]),
        ("bytes of another", vec![bytes_at(0, b"abc"), file("a", 0, b"abc"), file("b", 0, b"abc")]),
        ("name twice", vec![bytes_at(0, b"abcd"), file("a", 0, b"abc"), file("A", 3, b"d")]),
        ("a gap", vec![bytes_at(1, b"abc")]),
    ] {
        let rig = Rig::start().await;
        let mut node = rig.node("lab").await;
        let task = running(&rig, &mut node).await;
        let before = usize::from(news.len() == 3);
        node.report(&task, news).await;
        assert!(matches!(node.cut_off().await, CloseReason::Protocol(_)), "{name}");
        let listed = rig.get(&format!("/api/tasks/{}/files", task.id)).await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), before, "{name}");
        rig.stop().await;
    }
}
