//! Many nodes in one process of their own, each with its own key, connection and data directory.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use cortex_node_lib::Node;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::config::Environment;
use cortex_node_lib::config::NodeConfig;
use futures::StreamExt as _;
use futures::TryStreamExt as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::process::Program;
use crate::process::parent_ended;
use crate::process::with_many_files;
use crate::rest::Api;

/// Nodes that enrol at the same time.
const ENROL_AT_ONCE: usize = 32;

/// The file with a node's configuration, in its own directory.
const CONFIG: &str = "node.yaml";

/// Invites `count` nodes, starts the process with them, and waits until all are online.
///
/// Their names are `prefix-0` and so on.
pub(crate) async fn start(api: &Api, dir: &Path, prefix: &str, count: usize) -> Result<Program> {
    invite(api, dir, prefix, count).await?;
    launch(dir, prefix).await
}

/// Invites `count` nodes, and writes the configurations for them.
pub(crate) async fn invite(api: &Api, dir: &Path, prefix: &str, count: usize) -> Result<()> {
    let mut connection = api.connect().await?;
    for number in 0..count {
        let name = name(prefix, number);
        let home = dir.join(prefix).join(&name);
        std::fs::create_dir_all(&home)?;
        std::fs::write(home.join(CONFIG), connection.invite(name).await?)?;
    }
    Ok(())
}

/// Starts the process with the nodes that were invited, and waits until all are online.
pub(crate) async fn launch(dir: &Path, prefix: &str) -> Result<Program> {
    let dir = dir.join(prefix);
    let mut command = with_many_files(&std::env::current_exe()?);
    command.args(["--role", "fleet"]).arg(&dir);
    let mut fleet = Program::start("fleet", &mut command, &dir)?;
    fleet.first_line().await?;
    Ok(fleet)
}

/// The name of a node.
pub(crate) fn name(prefix: &str, number: usize) -> String {
    format!("{prefix}-{number}")
}

/// Runs the nodes whose configurations are in `dir` until standard input ends; writes a line when
/// all are online.
pub(crate) async fn run(dir: &Path) -> Result<()> {
    let environment = environment(dir)?;
    let mut homes: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        homes.extend(Some(entry?.path().join(CONFIG)).filter(|config| config.is_file()));
    }
    let (shutdown, mut drivers) = (CancellationToken::new(), JoinSet::new());
    let mut nodes: Vec<Node> = Vec::with_capacity(homes.len());
    for config in homes {
        let loaded = NodeConfig::load(&config, &Environment::empty())?;
        let builder = NodeBuilder::new(loaded.config).environment(environment.clone());
        let (node, driver) = builder.build()?;
        nodes.push(node);
        drivers.spawn(driver.run(shutdown.clone()));
        if drivers.len() % ENROL_AT_ONCE == 0 {
            wait_online(&nodes).await?;
        }
    }
    wait_online(&nodes).await?;
    println!("{} nodes are online", nodes.len());
    tokio::select! {
        ended = parent_ended() => ended?,
        Some(ended) = drivers.join_next() => {
            ended.context("a node broke")??;
            bail!("a node stopped by itself");
        }
    }
    shutdown.cancel();
    while let Some(ended) = drivers.join_next().await {
        ended.context("a node broke")??;
    }
    Ok(())
}

async fn wait_online(nodes: &[Node]) -> Result<()> {
    let all = futures::stream::iter(nodes).map(|node| node.wait_online());
    all.buffer_unordered(ENROL_AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}

/// A search path with nothing on it but `echo`: a thousand nodes on one machine need not each ask
/// every compiler for its version.
fn environment(dir: &Path) -> Result<Environment> {
    let (bin, path) = (dir.join("bin"), std::env::var_os("PATH").unwrap_or_default());
    let echo = std::env::split_paths(&path).map(|dir| dir.join("echo")).find(|file| file.is_file());
    std::fs::create_dir_all(&bin)?;
    std::os::unix::fs::symlink(echo.context("there is no echo on the PATH")?, bin.join("echo"))?;
    Ok(Environment::empty().with("PATH", bin))
}
