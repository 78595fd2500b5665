//! Files that a skill publishes, from the node to who called.

use cortex_core::ErrorKind;
use cortex_core::digest::Digest;
use cortex_core::skill::Invocation;
use cortex_core::skill::SkillError;
use cortex_core::skill::TypedSkill;
use cortex_core::task::Outcome;
use cortex_core::task::State;
use cortex_core::task::Task;
use cortex_core::task::TaskSpec;
use serde_json::json;

use crate::sandbox::RunningNode;
use crate::sandbox::Sandbox;
use crate::sandbox::wait;

/// Publishes a large file from its directory, and a small one from memory.
#[derive(Debug)]
struct Bake;

/// How large the large one is.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Order {
    /// In bytes.
    bytes: usize,
}

#[async_trait::async_trait]
impl TypedSkill for Bake {
    const NAME: &'static str = "bake";
    type Input = Order;
    type Output = Vec<String>;

    async fn run(&self, call: &Invocation, order: Order) -> Result<Vec<String>, SkillError> {
        let dir = call.workdir().await?.path;
        std::fs::write(dir.join("cake"), cake(order.bytes))?;
        call.line("baked").await;
        call.publish_file("cake.bin", "cake").await?;
        call.publish("note.txt", "eat soon\n").await?;
        let mut refused = Vec::new();
        for (name, path) in [("note.txt", "cake"), ("../up", "cake"), ("host", "/etc/hostname")] {
            let error = call.publish_file(name, path).await.unwrap_err();
            refused.push(error.code().to_owned());
        }
        Ok(refused)
    }
}

/// Bytes in which every place is different from its neighbours.
fn cake(bytes: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_le_bytes).take(bytes).collect()
}

async fn bakery(sandbox: &Sandbox) -> RunningNode {
    let config = sandbox.invite("lab").await;
    sandbox.start_node(&config, "lab", |builder| builder.skill(Bake)).await
}

async fn file(sandbox: &Sandbox, task: &Task, name: &str) -> Vec<u8> {
    let mut reader = sandbox.hub.file(&sandbox.who, task.id, name).await.unwrap();
    let mut whole = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        whole.extend_from_slice(&piece);
    }
    whole
}

/// Both files are there, whole and once.
async fn check(sandbox: &Sandbox, task: &Task, bytes: usize) {
    let cake = cake(bytes);
    let files = sandbox.hub.files(&sandbox.who, task.id).await.unwrap();
    let found: Vec<_> = files.iter().map(|file| (&*file.name, file.size, file.digest)).collect();
    let note = b"eat soon\n";
    let promised = [
        ("cake.bin", bytes as u64, Digest::of(&cake)),
        ("note.txt", note.len() as u64, Digest::of(note)),
    ];
    assert_eq!(found, promised);
    assert!(file(sandbox, task, "cake.bin").await == cake);
    assert_eq!(file(sandbox, task, "note.txt").await, note);
    let stored = sandbox.hub.task(&sandbox.who, task.id).await.unwrap().output.files.arrived();
    assert_eq!(stored, (bytes + note.len()) as u64, "no byte is there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_skill_publishes_is_there_after_a_restart_too_and_for_nobody_else() {
    const BYTES: usize = (5 << 20) + 3;
    let sandbox = Sandbox::start().await;
    let node = bakery(&sandbox).await;
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.run(session, TaskSpec::skill("bake", json!({"bytes": BYTES}))).await;
    let value = json!(["file_exists", "file_name", "file_path"]);
    assert_eq!(task.outcome, Some(Outcome::Returned { value }), "{task:?}");
    check(&sandbox, &task, BYTES).await;
    let stranger = sandbox.stranger();
    let refused = sandbox.hub.files(&stranger, task.id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    let refused = sandbox.hub.file(&stranger, task.id, "note.txt").await.unwrap_err();
    assert_eq!(refused.code(), "task_not_found");
    let missing = sandbox.hub.file(&sandbox.who, task.id, "NOTE.txt").await.unwrap_err();
    assert_eq!(missing.code(), "file_not_found");
    let sandbox = sandbox.restart().await;
    check(&sandbox, &task, BYTES).await;
    node.stop().await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_whole_and_once_though_the_hub_is_restarted_on_its_way() {
    const BYTES: usize = 24 << 20;
    let sandbox = Sandbox::start().await;
    let node = bakery(&sandbox).await;
    let session = sandbox.session(&[&node]).await;
    let task = sandbox.submit(session, TaskSpec::skill("bake", json!({"bytes": BYTES}))).await;
    wait(async {
        let arrived = async || {
            let task = sandbox.hub.task(&sandbox.who, task.id).await.unwrap();
            task.output.files.arrived()
        };
        while arrived().await < 1 << 20 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // What it has of the file so far is no file.
    assert!(sandbox.hub.files(&sandbox.who, task.id).await.unwrap().is_empty());
    let sandbox = sandbox.restart().await;
    let ended = sandbox.finish(&task).await;
    assert_eq!((ended.state, ended.attempt), (State::Succeeded, 1), "{ended:?}");
    check(&sandbox, &task, BYTES).await;
    node.stop().await;
    sandbox.stop().await;
}
