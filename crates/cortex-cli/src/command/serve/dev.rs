//! What `--dev` adds: a context for the user who started it, and a node in the same process.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use cortex_core::ErrorKind;
use cortex_core::account::Principal;
use cortex_hub_lib::Hub;
use cortex_hub_lib::InviteDraft;
use cortex_hub_lib::accounts::Credentials;
use cortex_node_lib::Node;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::config::Environment;
use cortex_node_lib::config::NodeConfig;
use secrecy::ExposeSecret as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::command::context;
use crate::command::serve::Addresses;
use crate::command::serve::reachable;
use crate::command::serve::url_of;
use crate::context::Context;
use crate::context::Secret;
use crate::context::choice::read_token;
use crate::context::file::write_private;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output::style::Tone;
use crate::program::Program;

/// Name of the context, and of the node.
const CONTEXT: &str = "dev";
const NODE: &str = "local";
/// Folder of the node in the hub's data directory, and its configuration in there.
const FOLDER: &str = "local-node";
const FILE: &str = "node.yaml";
/// What the node library writes once it has enrolled.
const ENROLMENT: &str = "enrolment.json";

/// How long the node may take to get online before the user is told.
const ONLINE_LIMIT: Duration = Duration::from_secs(20);
/// How long running tasks get when the hub stops.
const DRAIN: Duration = Duration::from_secs(3);

/// The node in this process.
#[derive(Debug)]
pub(crate) struct LocalNode {
    shutdown: CancellationToken,
    running: JoinSet<cortex_core::Result<()>>,
}

impl LocalNode {
    /// Ends it in order.
    pub(crate) async fn end(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.running.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "local node did not end well"),
                Err(error) => tracing::warn!(%error, "local node failed"),
            }
        }
    }
}

/// Makes the context and starts the node; what does not work is told, and the hub goes on.
pub(crate) async fn begin(
    program: &Program,
    hub: &Hub,
    addresses: Addresses,
    data_dir: &Path,
) -> Option<LocalNode> {
    let token_file = data_dir.join("admin.token");
    let token = match read_token(&token_file) {
        Ok(token) => token,
        Err(failure) => {
            let failure =
                failure.or_hint("sign in with the link above; or begin with an empty --data-dir");
            program.output.failure(&failure.context("no context and no local node"));
            return None;
        }
    };
    match remember(url_of(hub.config(), addresses), &token) {
        Ok(()) => {
            program.output.note(format_args!("  context      {CONTEXT}, for all further commands"));
        }
        Err(failure) => program.output.failure(&failure.context("no context was made")),
    }
    let started = start(hub, addresses, data_dir, &token).await;
    let (node, local) = match started {
        Ok(started) => started,
        Err(failure) => {
            program.output.failure(&failure.context("no local node"));
            return None;
        }
    };
    tell_online(program, &node).await;
    Some(local)
}

fn remember(hub: String, token: &Secret) -> Result<()> {
    let context = Context { hub, ca: None, token: Some(token.clone()), login: None };
    context::file()?.update(|contexts| {
        contexts.contexts.insert(CONTEXT.to_owned(), context);
        contexts.current = Some(CONTEXT.to_owned());
        Ok(())
    })
}

async fn start(
    hub: &Hub,
    addresses: Addresses,
    data_dir: &Path,
    token: &Secret,
) -> Result<(Node, LocalNode)> {
    let folder = std::path::absolute(data_dir.join(FOLDER))
        .map_err(|error| Failure::file("use", data_dir, &error))?;
    let file = folder.join(FILE);
    if !folder.join(ENROLMENT).exists() {
        let principal = principal(hub, token).await?;
        let config = invite(hub, &principal).await?;
        make_folder(&folder)?;
        write_private(&file, config.as_bytes())?;
    }
    // The variables of this process are the hub's, not this node's.
    let mut config = NodeConfig::load(&file, &Environment::empty())?.config;
    let grpc = reachable(addresses.grpc);
    // The ports may be others than at the first start.
    config.hub.server_host = grpc.ip().to_string();
    config.hub.grpc_port = grpc.port();
    config.data_dir = folder;
    let (node, driver) =
        NodeBuilder::new(config.drain(DRAIN)).version(env!("CARGO_PKG_VERSION")).build()?;
    let shutdown = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(driver.run(shutdown.clone()));
    Ok((node, LocalNode { shutdown, running }))
}

fn make_folder(folder: &PathBuf) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Failure::file("make", folder, &error))
}

/// The admin whose token was written at the first start.
async fn principal(hub: &Hub, token: &Secret) -> Result<Principal> {
    let credentials = Credentials {
        bearer: Some(token.expose()),
        headers: &http::HeaderMap::new(),
        address: None,
    };
    let identity = hub.accounts().identify(&credentials).await?;
    Ok(identity.principal.clone())
}

async fn invite(hub: &Hub, principal: &Principal) -> Result<String> {
    let draft = InviteDraft { name: NODE.to_owned(), labels: BTreeMap::new(), life: None };
    let issued = hub.invite(principal, draft, None).await.map_err(|error| {
        let is_taken = error.kind() == ErrorKind::Exists;
        let failure = Failure::from(error);
        match is_taken {
            true => {
                failure.or_hint(format!("cortex-cli node remove {NODE}, then start the hub again"))
            }
            false => failure,
        }
    })?;
    Ok(issued.config.expose_secret().to_owned())
}

async fn tell_online(program: &Program, node: &Node) {
    let output = &program.output;
    match tokio::time::timeout(ONLINE_LIMIT, node.wait_online()).await {
        Ok(Ok(_)) => {
            let dot = output.stderr("●", Tone::Good);
            output.note(format_args!("{dot} node {NODE} is online"));
            output.note("next:");
            output.note("  cortex-cli node list");
            output.note(format_args!("  cortex-cli exec {NODE} -- uname -a"));
        }
        Ok(Err(error)) => output.failure(&Failure::from(error).context("the local node stopped")),
        Err(_) => output.warn(format_args!(
            "node {NODE} is not online after {} s; it goes on trying",
            ONLINE_LIMIT.as_secs()
        )),
    }
}
