//! A hub and its nodes in one process: port 0, a directory of its own, ended in good order.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cortex_core::account::Principal;
use cortex_core::account::Role;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::node::Status;
use cortex_core::policy::SandboxPolicy;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_core::task::TaskSpec;
use cortex_hub_lib::Hub;
use cortex_hub_lib::HubBuilder;
use cortex_hub_lib::HubConfig;
use cortex_hub_lib::InviteDraft;
use cortex_hub_lib::TaskDraft;
use cortex_node_lib::Node;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::config::Environment;
use cortex_node_lib::config::NodeConfig;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// No wait of a flow takes longer than this, even on a loaded machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A running hub in a directory of its own.
pub(crate) struct Sandbox {
    pub(crate) hub: Hub,
    pub(crate) who: Principal,
    dir: Arc<TempDir>,
    port: u16,
    running: Running,
}

/// Something that runs until it is told to stop.
struct Running {
    stop: CancellationToken,
    done: JoinHandle<cortex_core::Result<()>>,
}

/// A running node.
pub(crate) struct RunningNode {
    pub(crate) node: Node,
    pub(crate) name: String,
    running: Running,
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(LIMIT, self.done).await;
        ended.expect("it ends in time").expect("it does not panic").expect("it ends well");
    }
}

impl Sandbox {
    /// Starts a hub that lets everything run.
    pub(crate) async fn start() -> Self {
        Self::with_policy(SandboxPolicy::permissive()).await
    }

    /// Starts a hub with a policy.
    pub(crate) async fn with_policy(policy: SandboxPolicy) -> Self {
        Self::with_config(|config| config.policy = policy).await
    }

    /// Starts a hub with a configuration that is changed first.
    pub(crate) async fn with_config(change: impl FnOnce(&mut HubConfig)) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let who = Principal::full(UserId::generate(), Role::Member);
        let mut config = HubConfig::default();
        config.data_dir = dir.path().join("hub");
        change(&mut config);
        Self::open(dir, 0, who, config).await
    }

    async fn open(dir: Arc<TempDir>, port: u16, who: Principal, config: HubConfig) -> Self {
        let nodes = listen(port).await;
        let port = nodes.local_addr().expect("an address").port();
        let built = Box::pin(HubBuilder::new(config).build(&nodes)).await;
        let (hub, driver) = built.expect("the hub is built");
        let stop = CancellationToken::new();
        let done = tokio::spawn(driver.run(nodes, None, stop.clone()));
        Self { hub, who, dir, port, running: Running { stop, done } }
    }

    /// Stops the hub and starts it again on the same port, disk and configuration.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| ()).await
    }

    /// Stops the hub and starts it again with its configuration changed.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut HubConfig)) -> Self {
        let mut config = self.hub.config().clone();
        change(&mut config);
        let Self { hub, who, dir, port, running } = self;
        drop(hub);
        running.stop().await;
        Self::open(dir, port, who, config).await
    }

    /// Stops the hub.
    pub(crate) async fn stop(self) {
        drop(self.hub);
        self.running.stop().await;
    }

    /// The address of the node port.
    pub(crate) fn node_address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A directory below the sandbox's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An admin.
    pub(crate) fn admin(&self) -> Principal {
        Principal::full(UserId::generate(), Role::Admin)
    }

    /// The port that nodes dial.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A principal whom the hub has never seen.
    pub(crate) fn stranger(&self) -> Principal {
        Principal::full(UserId::generate(), Role::Member)
    }

    /// Makes an invite and writes the configuration that comes with it.
    pub(crate) async fn invite(&self, name: &str) -> PathBuf {
        let draft = InviteDraft { name: name.to_owned(), ..InviteDraft::default() };
        let issued = self.hub.invite(&self.who, draft, None).await.expect("an invite");
        let path = self.path(&format!("{name}.yaml"));
        std::fs::write(&path, issued.config.expose_secret()).expect("the file can be written");
        path
    }

    /// Enrols and starts a node, and waits until the hub has it online.
    pub(crate) async fn node(&self, name: &str) -> RunningNode {
        let config = self.invite(name).await;
        self.start_node(&config, name, |builder| builder).await
    }

    /// Starts a node from a configuration file; its data directory is named after it.
    pub(crate) async fn start_node(
        &self,
        config: &Path,
        name: &str,
        equip: impl FnOnce(NodeBuilder) -> NodeBuilder,
    ) -> RunningNode {
        let running = self.launch(config, name, equip);
        wait(running.node.wait_online()).await.expect("the node comes online");
        running
    }

    /// Starts a node once more that was invited under this name; does not wait for it.
    pub(crate) fn restart_node(&self, name: &str) -> RunningNode {
        self.launch(&self.path(&format!("{name}.yaml")), name, |builder| builder)
    }

    /// Starts a node as [`Self::start_node`] does, and does not wait for it.
    pub(crate) fn launch(
        &self,
        config: &Path,
        name: &str,
        equip: impl FnOnce(NodeBuilder) -> NodeBuilder,
    ) -> RunningNode {
        self.launch_with(config, name, |config| config, equip)
    }

    /// Starts a node as [`Self::launch`] does, with its configuration changed.
    pub(crate) fn launch_with(
        &self,
        config: &Path,
        name: &str,
        change: impl FnOnce(NodeConfig) -> NodeConfig,
        equip: impl FnOnce(NodeBuilder) -> NodeBuilder,
    ) -> RunningNode {
        let loaded = NodeConfig::load(config, &Environment::empty()).expect("a good file");
        let mut config = change(loaded.config.drain(Duration::ZERO));
        config.data_dir = self.path(&format!("{name}-data"));
        let builder = equip(NodeBuilder::new(config).without_discovery());
        let (node, driver) = builder.build().expect("the node is built");
        let stop = CancellationToken::new();
        let done = tokio::spawn(driver.run(stop.clone()));
        RunningNode { node, name: name.to_owned(), running: Running { stop, done } }
    }

    /// Waits until the hub has a node online, as after its own restart.
    pub(crate) async fn online(&self, name: &str) {
        let mut changes = self.hub.watch(&self.who);
        let online = async {
            loop {
                let node = self.hub.node(&self.who, name).await.expect("the node is known");
                if node.status(std::time::SystemTime::now().into()) == Status::Online {
                    return;
                }
                changes.next().await;
            }
        };
        wait(online).await;
    }

    /// Makes a session with these nodes attached.
    pub(crate) async fn session(&self, nodes: &[&RunningNode]) -> SessionId {
        let names: Vec<_> = nodes.iter().map(|node| node.name.clone()).collect();
        self.hub.create_session(&self.who, None, &names).await.expect("a session").id
    }

    /// Submits a task to any node of a session.
    pub(crate) async fn submit(&self, session: SessionId, spec: TaskSpec) -> Arc<Task> {
        let draft = TaskDraft { spec, node: None };
        let submitted = self.hub.submit(&self.who, &session.to_string(), draft, None).await;
        submitted.expect("the task is taken")
    }

    /// Waits for a task's end.
    pub(crate) async fn finish(&self, task: &Task) -> Arc<Task> {
        let ended = self.hub.wait(&self.who, task.id, LIMIT).await.expect("the task is there");
        assert!(ended.state.is_end(), "the task is still {}", ended.state.word());
        ended
    }

    /// All stored output of a task.
    pub(crate) async fn output(&self, task: TaskId, stream: Stream) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let part = self.hub.output(&self.who, task, stream, all.len() as u64, 1 << 20).await;
            let part = part.expect("the task is there");
            if part.data.is_empty() {
                return all;
            }
            all.extend_from_slice(&part.data);
        }
    }

    /// Runs a task to its end.
    pub(crate) async fn run(&self, session: SessionId, spec: TaskSpec) -> Arc<Task> {
        let task = self.submit(session, spec).await;
        self.finish(&task).await
    }
}

impl RunningNode {
    /// How the node stands to its hub.
    pub(crate) fn status(&self) -> tokio::sync::watch::Receiver<cortex_node_lib::Status> {
        self.node.status()
    }

    /// Waits until the node ends by itself; returns how.
    pub(crate) async fn ended(self) -> cortex_core::Result<()> {
        wait(self.running.done).await.expect("it does not panic")
    }

    /// Ends the node as a crash would: nothing is said. Waits until its directory is free.
    pub(crate) async fn crash(self, data: &Path) {
        self.running.done.abort();
        assert!(self.running.done.await.is_err_and(|error| error.is_cancelled()));
        let lock = std::fs::File::open(data.join("lock")).expect("the node made it");
        wait(async {
            while lock.try_lock().is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // Closing is not enough: a process that another flow is just starting may have it open.
        lock.unlock().expect("it is ours");
    }

    /// Stops the node in good order.
    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }
}

/// Waits for something, but not for ever.
pub(crate) async fn wait<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("it happens in time")
}

/// Listens on a port of loopback; one that was just given up may take a moment to be free.
async fn listen(port: u16) -> TcpListener {
    let bound = async {
        loop {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    wait(bound).await
}
