//! Cortex as people run it: a hub and a node, each a process, on a real disk, with TLS, signatures
//! and every task stored before it is sent.

use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use async_trait::async_trait;
use cortex_proto::json::DispatchRequest;
use serde::Deserialize;
use tokio::process::Command;

use crate::load::AnyLane;
use crate::load::Lane;
use crate::process::Program;
use crate::process::output_of;
use crate::process::until;
use crate::process::with_many_files;
use crate::rest::Api;
use crate::spawn::ECHO;
use crate::spawn::HI;

/// The node's name.
pub(crate) const NODE: &str = "bench";

/// The programs under measurement.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    cli: PathBuf,
    node: PathBuf,
}

/// A hub in a process of its own.
#[derive(Debug)]
pub(crate) struct Hub {
    cli: PathBuf,
    dir: PathBuf,
    api: Api,
    grpc: String,
    process: Program,
}

/// A node in a process of its own, with a session that it is attached to.
#[derive(Debug)]
pub(crate) struct Node {
    api: Api,
    session: String,
    cli: PathBuf,
    dir: PathBuf,
    _process: Program,
}

/// What a hub says when it is ready; it says more, which is of no use here.
#[derive(Deserialize)]
struct Ready {
    http: String,
    grpc: String,
}

/// A new `cortex-cli exec` for each task.
#[derive(Debug)]
struct Exec {
    cli: PathBuf,
    dir: PathBuf,
    url: String,
}

impl Programs {
    /// Builds the programs as a release, together with the benchmarks, so that what they share is
    /// built once; or takes them as they are from a directory.
    pub(crate) async fn find(dir: Option<&Path>) -> Result<Self> {
        let dir = match dir {
            // They are started in other directories.
            Some(dir) => dir.canonicalize().with_context(|| format!("{}", dir.display()))?,
            None => build().await?,
        };
        let programs = Self { cli: dir.join("cortex-cli"), node: dir.join("cortex-node") };
        for program in [&programs.cli, &programs.node] {
            ensure!(program.is_file(), "{} is not there", program.display());
        }
        Ok(programs)
    }
}

impl Hub {
    /// Starts a hub with its data below `dir`.
    pub(crate) async fn start(programs: &Programs, dir: &Path) -> Result<Self> {
        Self::start_at(programs.cli.clone(), dir.to_owned(), "127.0.0.1:0", "127.0.0.1:0").await
    }

    /// Kills the hub, as a power cut would, and starts it again with the same data and addresses.
    pub(crate) async fn restart(self) -> Result<Self> {
        let Self { cli, dir, api, process, grpc } = self;
        process.kill().await?;
        let http = api.url().trim_start_matches("http://").to_owned();
        Self::start_at(cli, dir, &http, &grpc).await
    }

    async fn start_at(cli: PathBuf, dir: PathBuf, http: &str, grpc: &str) -> Result<Self> {
        let mut command = with_many_files(&cli);
        command.args(["hub", "serve", "--http", http, "--grpc", grpc]);
        command.args(["-o", "json", "--data-dir"]).arg(data_dir(&dir)).current_dir(&dir);
        let mut process = Program::start("hub", &mut command, &dir)?;
        let line = process.first_line().await?;
        let ready: Ready = serde_json::from_str(&line)
            .with_context(|| format!("the hub's first line is not what is expected: {line}"))?;
        let api = Api::new(&ready.http, &token_file(&dir))?;
        Ok(Self { cli, dir, api, grpc: ready.grpc, process })
    }

    /// How it is reached.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// Its resident memory, in KiB.
    pub(crate) fn resident(&self) -> Result<f64> {
        self.process.resident()
    }

    /// Lines that it wrote to its log at this level since its start.
    pub(crate) fn said(&self, level: &str) -> Result<Vec<String>> {
        Ok(self
            .process
            .log()?
            .lines()
            .filter(|line| line.contains(level))
            .map(str::to_owned)
            .collect())
    }
}

impl Node {
    /// Invites, enrols and starts a node, and attaches it to a new session.
    pub(crate) async fn start(programs: &Programs, hub: &Hub) -> Result<Self> {
        let (cli, dir) = (hub.cli.clone(), hub.dir.clone());
        let config = dir.join("node.yaml");
        let mut invite = cortex_cli(&cli, &dir, &hub.api.url());
        invite.args(["invite", "create", "--name", NODE, "--out"]).arg(&config);
        output_of("cortex-cli invite create", &mut invite).await?;
        let mut command = Command::new(&programs.node);
        command.args(["run", "--config"]).arg(&config);
        command.arg("--data-dir").arg(dir.join("node")).current_dir(&dir);
        let mut process = Program::start("node", &mut command, &dir)?;
        until("the node's first connection", || {
            let ended = process.has_ended().then(|| process.failure("ended"));
            let mut list = cortex_cli(&cli, &dir, &hub.api.url());
            list.args(["node", "list", "--status", "online", "-o", "name"]);
            async move {
                if let Some(failure) = ended {
                    return Err(failure);
                }
                let online = output_of("cortex-cli node list", &mut list).await?;
                Ok(online.starts_with(NODE.as_bytes()).then_some(()))
            }
        })
        .await?;
        let session = hub.api.connect().await?.session(vec![NODE.to_owned()]).await?;
        Ok(Self { api: hub.api.clone(), session, cli, dir, _process: process })
    }

    /// The command line of whoever uses the node.
    pub(crate) fn command(&self) -> Command {
        cortex_cli(&self.cli, &self.dir, &self.api.url())
    }

    /// Sends a task to the node and returns its id.
    pub(crate) async fn submit(&self, request: &DispatchRequest) -> Result<String> {
        self.api.connect().await?.submit(&self.session, request).await
    }

    /// A client with a connection of its own.
    pub(crate) async fn lane(&self) -> Result<AnyLane> {
        self.api.lane(&self.session, &echo(None), Some("hi\n")).await
    }

    /// A client that starts a program for each task.
    pub(crate) fn exec_lane(&self) -> AnyLane {
        Box::new(Exec { cli: self.cli.clone(), dir: self.dir.clone(), url: self.api.url() })
    }
}

/// The request for `echo hi`.
pub(crate) fn echo(node: Option<String>) -> DispatchRequest {
    DispatchRequest { argv: ECHO.map(str::to_owned).to_vec(), node, ..DispatchRequest::default() }
}

#[async_trait]
impl Lane for Exec {
    async fn run(&mut self) -> Result<()> {
        let mut command = cortex_cli(&self.cli, &self.dir, &self.url);
        command.args(["exec", NODE, "--"]).args(ECHO);
        let output = output_of("cortex-cli exec", &mut command).await?;
        ensure!(output == HI, "cortex-cli exec put out {output:?}");
        Ok(())
    }
}

fn data_dir(dir: &Path) -> PathBuf {
    dir.join("hub")
}

fn token_file(dir: &Path) -> PathBuf {
    data_dir(dir).join("admin.token")
}

/// The command line, for this hub and with nothing from the user's own contexts.
fn cortex_cli(cli: &Path, dir: &Path, url: &str) -> Command {
    let mut command = Command::new(cli);
    command.env("CORTEX_HUB", url).env("CORTEX_TOKEN_FILE", token_file(dir));
    command.env("XDG_CONFIG_HOME", dir).env_remove("CORTEX_TOKEN");
    command
}

/// Builds, and returns the directory with what was built.
async fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--bins"]);
    command.args(["--bench", "dispatch", "--bench", "idle", "--bench", "trust"]);
    command.args(["--bench", "terminal"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo says is for whoever waits for it.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().await;
    let status = status.context("cannot start cargo")?;
    ensure!(status.success(), "cargo build failed ({status})");
    // This program is <target>/release/deps/<name>.
    let own = std::env::current_exe()?;
    let dir = own.ancestors().nth(2).context("the benchmark is not where cargo builds")?;
    Ok(dir.to_owned())
}
