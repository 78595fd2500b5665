//! A node inside a program of your own.
//!
//! ```text
//! cargo run --example embed_node -- node.yaml    # a node of that hub, until Ctrl-C
//! cargo run --example embed_node                 # starts a hub beside it, enrols, and ends
//! ```
//!
//! With `--once`, the node leaves as soon as it has been online.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::id::UserId;
use cortex_hub_lib::HubBuilder;
use cortex_hub_lib::InviteDraft;
use cortex_node_lib::Environment;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::NodeConfig;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (flags, files): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    match files.first() {
        Some(file) => run_node(Path::new(file), flags.contains(&"--once".to_owned())).await,
        None => with_own_hub().await,
    }
}

/// The part that matters: configuration in, node out, run until it is told to stop.
async fn run_node(config: &Path, once: bool) -> anyhow::Result<()> {
    let loaded = NodeConfig::load(config, &Environment::of_process())?;
    let (node, driver) = NodeBuilder::new(loaded.config).build()?;
    let shutdown = CancellationToken::new();
    tokio::try_join!(async { driver.run(shutdown.clone()).await.context("node") }, async {
        let epoch = node.wait_online().await?;
        let (name, id) = (node.name(), node.id().context("an online node has an id")?);
        println!("{} is online as {id}, epoch {epoch}", name.unwrap_or_default());
        if !once {
            tokio::signal::ctrl_c().await?;
        }
        shutdown.cancel();
        Ok(())
    },)?;
    println!("the node has left");
    Ok(())
}

/// For a try without a hub: one in this process, that invites the node.
async fn with_own_hub() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (hub, driver) =
        HubBuilder::default().data_dir(dir.path().join("hub")).build(&listener).await?;
    let shutdown = CancellationToken::new();
    tokio::try_join!(
        async { driver.run(listener, None, shutdown.clone()).await.context("hub") },
        async {
            let who = Principal::full(UserId::generate(), Role::Member);
            let draft = InviteDraft { name: "embedded".to_owned(), ..InviteDraft::default() };
            let issued = hub.invite(&who, draft, None).await?;
            let config: PathBuf = dir.path().join("node.yaml");
            std::fs::write(&config, issued.config.expose_secret())?;
            run_node(&config, true).await?;
            shutdown.cancel();
            Ok(())
        },
    )?;
    Ok(())
}
