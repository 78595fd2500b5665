//! What is left when nothing is started: hub and node as libraries in this process, over real TLS
//! and gRPC on loopback, signed, and stored on a real disk; the skill does nothing.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use async_trait::async_trait;
use cortex_core::account::Principal;
use cortex_core::skill::TypedSkill;
use cortex_core::task::State;
use cortex_core::task::TaskSpec;
use cortex_hub_lib::Hub;
use cortex_hub_lib::HubBuilder;
use cortex_hub_lib::TaskDraft;
use cortex_hub_lib::accounts::Credentials;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::config::Environment;
use cortex_node_lib::config::NodeConfig;
use cortex_proto::json::DispatchRequest;
use cortex_proto::json::SkillCall;
use hyper::HeaderMap;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::load::AnyLane;
use crate::load::Lane;
use crate::nothing::Nothing;
use crate::rest::Api;

const NODE: &str = "embedded";
const LIMIT: Duration = Duration::from_secs(30);

/// A hub with one node in this process. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Embedded {
    hub: Hub,
    who: Principal,
    session: String,
    api: Api,
    drivers: JoinSet<cortex_core::Result<()>>,
    shutdown: CancellationToken,
}

/// Submits a task and waits for its end, without HTTP.
#[derive(Debug)]
struct Submit {
    hub: Hub,
    who: Principal,
    session: String,
}

impl Embedded {
    /// Starts both, with their data below `dir`, and waits until the node is online.
    pub(crate) async fn start(dir: &Path) -> Result<Self> {
        let data = dir.join("embedded-hub");
        let grpc = TcpListener::bind("127.0.0.1:0").await?;
        let http = TcpListener::bind("127.0.0.1:0").await?;
        let address = http.local_addr()?.to_string();
        let builder = HubBuilder::default().data_dir(&data).public_url(format!("http://{address}"));
        let (hub, driver) = builder.build(&grpc).await?;
        let written = hub.accounts().ensure_admin(&data).await?;
        let api = Api::new(&address, &written.context("the hub has an admin already")?)?;
        let (shutdown, mut drivers) = (CancellationToken::new(), JoinSet::new());
        drivers.spawn(driver.run(grpc, Some(http), shutdown.clone()));

        let mut connection = api.connect().await?;
        let home = dir.join("embedded-node");
        std::fs::create_dir(&home)?;
        let file = home.join("node.yaml");
        std::fs::write(&file, connection.invite(NODE.to_owned()).await?)?;
        let config = NodeConfig::load(&file, &Environment::empty())?.config;
        let builder =
            NodeBuilder::new(config).without_discovery().environment(Environment::empty());
        let (node, driver) = builder.skill(Nothing).build()?;
        drivers.spawn(driver.run(shutdown.clone()));
        tokio::time::timeout(LIMIT, node.wait_online()).await.context("the node")??;

        let session = connection.session(vec![NODE.to_owned()]).await?;
        let headers = HeaderMap::new();
        let credentials =
            Credentials { bearer: Some(api.token()), headers: &headers, address: None };
        let who = hub.accounts().identify(&credentials).await?.principal.clone();
        Ok(Self { hub, who, session, api, drivers, shutdown })
    }

    /// A client that calls the hub as a library.
    pub(crate) fn lane(&self) -> AnyLane {
        let (hub, who) = (self.hub.clone(), self.who.clone());
        Box::new(Submit { hub, who, session: self.session.clone() })
    }

    /// A client that calls the hub through REST.
    pub(crate) async fn rest_lane(&self) -> Result<AnyLane> {
        let call = SkillCall { name: Nothing::NAME.to_owned(), ..SkillCall::default() };
        let request = DispatchRequest { skill: Some(call), ..DispatchRequest::default() };
        self.api.lane(&self.session, &request, None).await
    }

    /// Ends both in order.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.shutdown.cancel();
        while let Some(ended) = self.drivers.join_next().await {
            ended.context("hub or node broke")??;
        }
        Ok(())
    }
}

#[async_trait]
impl Lane for Submit {
    async fn run(&mut self) -> Result<()> {
        let spec = TaskSpec::skill(Nothing::NAME, serde_json::Value::Null);
        let draft = TaskDraft { spec, node: None };
        let task = self.hub.submit(&self.who, &self.session, draft, None).await?;
        let task = self.hub.wait(&self.who, task.id, LIMIT).await?;
        ensure!(task.state == State::Succeeded, "the task has {}", task.state.word());
        Ok(())
    }
}
