//! A hub and its nodes in this process, and clients that send tasks to them.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::id::UserId;
use cortex_core::skill::TypedSkill;
use cortex_core::task::State;
use cortex_core::task::TaskSpec;
use cortex_hub_lib::Hub;
use cortex_hub_lib::HubBuilder;
use cortex_hub_lib::InviteDraft;
use cortex_hub_lib::TaskDraft;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::config::Environment;
use cortex_node_lib::config::NodeConfig;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::nothing::Nothing;

const LIMIT: Duration = Duration::from_secs(60);

/// A hub with its nodes.
#[derive(Debug)]
pub(crate) struct Mesh {
    hub: Hub,
    who: Principal,
    session: String,
    drivers: JoinSet<cortex_core::Result<()>>,
    shutdown: CancellationToken,
}

/// Sends a task and waits for its end.
#[derive(Debug)]
pub(crate) struct Client {
    hub: Hub,
    who: Principal,
    session: String,
    node: Option<String>,
}

impl Mesh {
    /// Starts all of them with their data below `home`, and waits until they are online.
    pub(crate) async fn start(home: &Path, nodes: usize) -> Result<Self> {
        let grpc = TcpListener::bind("127.0.0.1:0").await?;
        let builder = HubBuilder::default().data_dir(home.join("hub"));
        let (hub, driver) = builder.build(&grpc).await?;
        let (shutdown, mut drivers) = (CancellationToken::new(), JoinSet::new());
        drivers.spawn(driver.run(grpc, None, shutdown.clone()));
        let who = Principal::full(UserId::generate(), Role::Member);
        let mut names = Vec::new();
        for number in 0..nodes {
            let name = name(number);
            let draft = InviteDraft { name: name.clone(), ..InviteDraft::default() };
            let issued = hub.invite(&who, draft, None).await?;
            let file = home.join(format!("{name}.yaml"));
            std::fs::write(&file, issued.config.expose_secret())?;
            let mut config = NodeConfig::load(&file, &Environment::empty())?.config;
            config.data_dir = home.join(&name);
            let builder =
                NodeBuilder::new(config).without_discovery().environment(Environment::empty());
            let (node, driver) = builder.skill(Nothing).build()?;
            drivers.spawn(driver.run(shutdown.clone()));
            tokio::time::timeout(LIMIT, node.wait_online()).await.context("a node")??;
            names.push(name);
        }
        let session = hub.create_session(&who, None, &names).await?.id.to_string();
        Ok(Self { hub, who, session, drivers, shutdown })
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// A client whose tasks are for one of the nodes, or for all of them.
    pub(crate) fn client(&self, node: Option<usize>) -> Client {
        let (hub, who, session) = (self.hub.clone(), self.who.clone(), self.session.clone());
        Client { hub, who, session, node: node.map(name) }
    }

    /// Ends all of them in order.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.shutdown.cancel();
        while let Some(ended) = self.drivers.join_next().await {
            ended.context("hub or node broke")??;
        }
        Ok(())
    }
}

impl Client {
    pub(crate) async fn run(&mut self) -> Result<()> {
        let spec = TaskSpec::skill(Nothing::NAME, serde_json::Value::Null);
        let draft = TaskDraft { spec, node: self.node.clone() };
        let task = self.hub.submit(&self.who, &self.session, draft, None).await?;
        let task = self.hub.wait(&self.who, task.id, LIMIT).await?;
        ensure!(task.state == State::Succeeded, "the task has {}", task.state.word());
        Ok(())
    }
}

fn name(number: usize) -> String {
    format!("node-{number}")
}
