//! Putting a hub together: configuration in, handle and driver out.

use std::path::PathBuf;
use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::node::Sighting;
use cortex_core::policy::SandboxPolicy;
use cortex_core::registry::NodeFilter;
use cortex_core::registry::NodeRegistry;
use cortex_core::session::SessionStore;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::accounts::Authenticator;
use crate::clock;
use crate::config::HubConfig;
use crate::config::Tls;
use crate::dispatch::Dispatch;
use crate::feed::Feed;
use crate::hub::Hub;
use crate::hub::Inner;
use crate::inbox;
use crate::link::Arrival;
use crate::link::Table;
use crate::metrics::Metrics;
use crate::serve;
use crate::store::Store;
use crate::trust::OutsideCertificate;
use crate::trust::Trust;

/// Links that wait to be served.
const ARRIVAL_QUEUE: usize = 256;

/// Makes a hub.
///
/// The library takes its listeners and its shutdown from the caller. It installs no logger, no
/// metrics recorder, no TLS provider and no signal handler.
///
/// ```no_run
/// # async fn run() -> cortex_core::Result<()> {
/// use cortex_hub_lib::HubBuilder;
/// use tokio_util::sync::CancellationToken;
///
/// let shutdown = CancellationToken::new();
/// let nodes = tokio::net::TcpListener::bind("127.0.0.1:50051").await.expect("a free port");
/// let (hub, driver) = HubBuilder::default()
///     .data_dir("./cortex-data")
///     .public_url("https://ops.example.com/cortex")
///     .build(&nodes)
///     .await?;
/// let routes = cortex_hub_lib::router(&hub); // nest it into your own axum service
/// # drop(routes);
/// driver.run(nodes, None, shutdown).await
/// # }
/// ```
#[derive(Debug, Default)]
pub struct HubBuilder {
    config: HubConfig,
    registry: Option<Arc<dyn NodeRegistry>>,
    sessions: Option<Arc<dyn SessionStore>>,
    authenticator: Option<Arc<dyn Authenticator>>,
}

/// Does a hub's work; runs as long as the hub.
#[derive(Debug)]
#[must_use = "a hub without its driver serves nobody"]
pub struct Driver {
    hub: Hub,
    arrivals: mpsc::Receiver<Arrival>,
    work: TaskTracker,
    shutdown: CancellationToken,
}

impl HubBuilder {
    /// Starts from a configuration.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Sets where database, keys and output live; made at first start.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.data_dir = dir.into();
        self
    }

    /// Sets what browsers and programs dial.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.config.public_url = url.into().trim_end_matches('/').to_owned();
        self
    }

    /// Sets what nodes dial; port 0 means that of the listener.
    #[must_use]
    pub fn node_address(mut self, host: impl Into<String>, port: u16) -> Self {
        self.config.node_host = host.into();
        self.config.node_port = port;
        self
    }

    /// Sets what every node may run.
    #[must_use]
    pub fn policy(mut self, policy: SandboxPolicy) -> Self {
        self.config.policy = policy;
        self
    }

    /// Sets how connections are secured.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.config.tls = tls;
        self
    }

    /// Keeps nodes and invites in a backend of your own.
    #[must_use]
    pub fn registry(mut self, registry: Arc<dyn NodeRegistry>) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Keeps sessions and tasks in a backend of your own.
    #[must_use]
    pub fn sessions(mut self, sessions: Arc<dyn SessionStore>) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// Lets users of your own in, beside those of the hub.
    #[must_use]
    pub fn authenticator(mut self, authenticator: Arc<dyn Authenticator>) -> Self {
        self.authenticator = Some(authenticator);
        self
    }

    /// Opens the data directory, brings the database up to date, and rebuilds what was open.
    ///
    /// `nodes` is the listener that the driver will get: its port goes into the configurations of
    /// new nodes where none is set.
    ///
    /// # Errors
    /// `Invalid`: the configuration. `Precondition`: the data directory cannot be used, or its
    /// database is of a newer version. `Internal`: its content is damaged.
    pub async fn build(mut self, nodes: &TcpListener) -> Result<(Hub, Driver)> {
        if self.config.node_port == 0 {
            self.config.node_port = nodes.local_addr().map(|addr| addr.port()).unwrap_or(0);
        }
        self.config.policy.validate().map_err(|error| {
            Error::new(ErrorKind::Invalid, "build hub", format!("policy: {error}"))
        })?;
        self.config.tls.check().map_err(|reason| {
            Error::new(ErrorKind::Invalid, "build hub", reason).with_code("bad_config")
        })?;
        self.config.rotation.validate()?;
        let config = self.config;
        let store = Store::open(&config.data_dir).await?;
        let mut names = config.alternative_names.clone();
        names.push(config.node_host.clone());
        let trust = Trust::open(&config.data_dir, &names, clock::now())?;
        if let Some((certificate, key)) = config.tls.outside() {
            let outside = OutsideCertificate::load(certificate, key)?;
            trust.authority().present_outside(Arc::new(outside));
        }
        store.set_hub(trust.hub());
        let registry = self.registry.unwrap_or_else(|| store.registry());
        let sessions = self.sessions.unwrap_or_else(|| store.sessions());
        close_stale_streams(&*registry).await?;
        let links = Arc::new(Table::default());
        let feed = Arc::new(Feed::default());
        let metrics = Metrics::default();
        let accounts = Accounts::new(store.accounts(), trust.tokens().clone(), self.authenticator);
        let dispatch = Dispatch::load(
            trust.hub(),
            sessions.clone(),
            registry.clone(),
            accounts.clone(),
            links.clone(),
            feed.clone(),
            metrics.clone(),
            config.limits.clone(),
        )
        .await?;
        let (sender, arrivals) = mpsc::channel(ARRIVAL_QUEUE);
        let (shutdown, work) = (CancellationToken::new(), TaskTracker::new());
        let hub = Hub::new(Inner {
            config,
            store,
            registry,
            sessions,
            trust,
            accounts,
            links,
            feed,
            dispatch,
            metrics,
            known: Default::default(),
            screens: Default::default(),
            looks: Default::default(),
            arrivals: sender,
            shutdown: shutdown.clone(),
            work: work.clone(),
        });
        Ok((hub.clone(), Driver { hub, arrivals, work, shutdown }))
    }
}

/// No stream outlives the hub's process: what the store still shows as open was cut by a crash.
async fn close_stale_streams(registry: &dyn NodeRegistry) -> Result<()> {
    for node in registry.list(NodeFilter::default()).await? {
        if node.presence.open {
            let closed = Sighting::Closed { epoch: node.presence.epoch };
            registry.touch(node.id, closed, clock::now()).await?;
        }
    }
    Ok(())
}

impl Driver {
    /// Serves nodes on `nodes`, and HTTP on `http` if given, until `shutdown` is cancelled or a
    /// listener fails; then ends streams, stores what is on its way, and closes the database.
    ///
    /// An embedder that nests [`router`](crate::router) into a service of its own gives no `http`.
    ///
    /// # Errors
    /// `Internal`: a listener failed, or the database could not be closed.
    ///
    /// # Cancel safety
    /// Not cancel safe: cancel `shutdown` and await the end.
    pub async fn run(
        self,
        nodes: TcpListener,
        http: Option<TcpListener>,
        shutdown: CancellationToken,
    ) -> Result<()> {
        let Driver { hub, arrivals, work, shutdown: ending } = self;
        let mut running = JoinSet::new();
        running.spawn(serve::serve_grpc(hub.clone(), nodes, ending.clone()));
        if let Some(http) = http {
            running.spawn(serve::serve_http(hub.clone(), http, ending.clone()));
        }
        let background = TaskTracker::new();
        background.spawn(inbox::run(hub.clone(), arrivals));
        background.spawn(sweep(hub.clone(), ending.clone()));
        let planning = (hub.clone(), ending.clone());
        background.spawn(async move { planning.0.dispatch().run_pool(planning.1).await });
        background.spawn(hub.clone().enforce_accounts(ending.clone()));
        let renewing = (hub.clone(), ending.clone());
        background.spawn(async move {
            renewing.0.trust().authority().keep_fresh(clock::now, renewing.1).await;
        });
        if let Some(outside) = hub.trust().authority().outside() {
            background.spawn(Arc::clone(outside).keep_fresh(ending.clone()));
        }
        background.close();
        let first = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            () = ending.cancelled() => Ok(()),
            Some(ended) = running.join_next() => flatten(ended),
        };
        ending.cancel();
        let drained = tokio::time::timeout(serve::DRAIN_LIMIT, async {
            background.wait().await;
            work.close();
            work.wait().await;
            while let Some(ended) = running.join_next().await {
                if let Err(error) = flatten(ended) {
                    tracing::warn!(%error, "listener did not end well");
                }
            }
        });
        if drained.await.is_err() {
            tracing::warn!("not all connections ended in time");
            running.abort_all();
        }
        hub.close_store().await?;
        first
    }
}

fn flatten(ended: Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    ended.unwrap_or_else(|failure| {
        Err(Error::new(ErrorKind::Internal, "run hub", "a listener failed").with_source(failure))
    })
}

/// Does what is due because time passes, once a second.
async fn sweep(hub: Hub, ending: CancellationToken) {
    let mut tick = tokio::time::interval(std::time::Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = ending.cancelled() => return,
            _ = tick.tick() => {}
        }
        let now = clock::now();
        hub.end_silent_links(now);
        hub.end_taints(now).await;
        hub.dispatch().sweep(now).await;
    }
}
