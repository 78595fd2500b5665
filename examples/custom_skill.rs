//! A skill of your own, called on a node.
//!
//! ```text
//! cargo run --example custom_skill
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use anyhow::Context as _;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::id::UserId;
use cortex_core::skill::Invocation;
use cortex_core::skill::SkillError;
use cortex_core::skill::TypedSkill;
use cortex_core::task::InputFile;
use cortex_core::task::Outcome;
use cortex_core::task::Progress;
use cortex_core::task::TaskSpec;
use cortex_core::task::Work;
use cortex_hub_lib::Hub;
use cortex_hub_lib::HubBuilder;
use cortex_hub_lib::InviteDraft;
use cortex_hub_lib::TaskAssistant;
use cortex_node_lib::Environment;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::NodeConfig;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct Median;

/// What it takes; `cortex-cli skill show median` prints these comments.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Numbers {
    /// Some numbers. More of them may come in files, one a line.
    #[serde(default)]
    numbers: Vec<f64>,
}

#[async_trait::async_trait]
impl TypedSkill for Median {
    const NAME: &'static str = "median";
    const SUMMARY: &'static str = "Finds the middle one of some numbers.";
    type Input = Numbers;
    type Output = f64;

    async fn run(&self, call: &Invocation, input: Numbers) -> Result<f64, SkillError> {
        let mut numbers = input.numbers;
        for file in call.workdir().await?.files {
            for line in std::fs::read_to_string(file)?.lines() {
                numbers.push(line.trim().parse().map_err(SkillError::new)?);
            }
        }
        call.line(format!("sorting {} numbers", numbers.len())).await;
        call.progress(Progress::share(0.5, "sorting"));
        numbers.sort_by(f64::total_cmp);
        call.progress(Progress::share(1.0, "sorted"));
        // Who called finds it with the task: `cortex-cli skill call median … --out-dir DIR`.
        let lines: String = numbers.iter().map(|number| format!("{number}\n")).collect();
        call.publish("sorted.txt", lines).await?;
        let middle = numbers.get(numbers.len() / 2).copied();
        middle.ok_or_else(|| SkillError::new("of no numbers, none is in the middle"))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (hub, driver) =
        HubBuilder::default().data_dir(dir.path().join("hub")).build(&listener).await?;
    let shutdown = CancellationToken::new();
    tokio::try_join!(
        async { driver.run(listener, None, shutdown.clone()).await.context("hub") },
        async {
            call_on_a_node(hub, dir.path()).await?;
            shutdown.cancel();
            Ok(())
        },
    )?;
    Ok(())
}

/// Starts a node that has the skill, and calls it as an AI service would.
async fn call_on_a_node(hub: Hub, dir: &Path) -> anyhow::Result<()> {
    let who = Principal::full(UserId::generate(), Role::Member);
    let draft = InviteDraft { name: "lab".to_owned(), ..InviteDraft::default() };
    let file = dir.join("node.yaml");
    std::fs::write(&file, hub.invite(&who, draft, None).await?.config.expose_secret())?;
    let config = NodeConfig::load(&file, &Environment::of_process())?.config;
    let (node, driver) = NodeBuilder::new(config).skill(Median).build()?;
    let shutdown = CancellationToken::new();
    tokio::try_join!(async { driver.run(shutdown.clone()).await.context("node") }, async {
        node.wait_online().await?;
        let session = hub.create_session(&who, None, &["lab".to_owned()]).await?;
        let assistant = TaskAssistant::new(hub.clone(), who.clone(), session.id);
        let spec = TaskSpec::new(Work::Skill {
            name: "median".to_owned(),
            input: json!({"numbers": [3.5, 1.0]}),
            files: vec![InputFile { name: "more.txt".to_owned(), data: "2.25\n".into() }],
        });
        let done = assistant.dispatch_single("lab", spec).await?;
        let mut sorted = hub.file(&who, done.task.id, "sorted.txt").await?;
        while let Some(piece) = sorted.next().await? {
            print!("{}", String::from_utf8_lossy(&piece));
        }
        print!("{}", String::from_utf8_lossy(&done.stdout));
        if let Some(progress) = &done.task.progress {
            println!("{progress}");
        }
        match &done.task.outcome {
            Some(Outcome::Returned { value }) => println!("the median is {value}"),
            other => anyhow::bail!("the task ended otherwise: {other:?}"),
        }
        shutdown.cancel();
        Ok(())
    },)?;
    Ok(())
}
