//! A hub for tests: real TLS, HTTP/2 and signatures, with every message in the test's hands.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cortex_core::id::HubId;
use cortex_core::id::InviteId;
use cortex_core::id::NodeId;
use cortex_core::policy::SandboxPolicy;
use cortex_node_lib::Node;
use cortex_node_lib::NodeBuilder;
use cortex_node_lib::config::Environment;
use cortex_node_lib::config::HubConfig;
use cortex_node_lib::config::InviteToken;
use cortex_node_lib::config::NodeConfig;
use cortex_node_lib::config::Pin;
use cortex_proto::v1;
use cortex_proto::v1::agent_orchestrator_server::AgentOrchestratorServer;
use cortex_proto::v1::enrollment_service_server::EnrollmentServiceServer;
use cortex_proto::v1::token_service_server::TokenServiceServer;
use ed25519_dalek::SigningKey;
use prost::Message as _;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::PublicKeyData as _;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Identity;
use tonic::transport::Server;
use tonic::transport::ServerTlsConfig;

use crate::link::Link;
use crate::service::Service;

/// Nothing in these tests takes longer, unless it is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What the hub knows; shared by its calls and the test.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) hub: HubId,
    pub(crate) node: NodeId,
    pub(crate) invite: InviteId,
    pub(crate) secret: [u8; 32],
    pub(crate) task_key: SigningKey,
    pub(crate) policy: Mutex<Vec<u8>>,
    /// The identity key that enrolled.
    pub(crate) identity: Mutex<Option<[u8; 32]>>,
    /// How often each thing was asked for.
    pub(crate) begun: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) tokens: AtomicU64,
    pub(crate) registrations: AtomicU64,
    pub(crate) beats: AtomicU64,
    pub(crate) epochs: AtomicU64,
    /// The next token call is refused with this word.
    pub(crate) revoked: Mutex<bool>,
    /// That refusal comes with a signed order to forget everything.
    pub(crate) signs_removal: Mutex<bool>,
    /// What becomes of the next changes of the identity key.
    pub(crate) rekeys: Mutex<Rekeys>,
    pub(crate) links: mpsc::Sender<Link>,
}

/// What a hub does when it is asked for another identity key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rekeys {
    /// It changes the key and says so.
    Answered,
    /// It changes the key, and the answer is lost.
    Lost,
    /// It changes nothing, and its answer is lost.
    Unheard,
    /// It says that the node has had too many keys.
    Declined,
}

/// The hub, listening.
#[derive(Debug)]
pub(crate) struct FakeHub {
    pub(crate) state: Arc<State>,
    pub(crate) address: SocketAddr,
    pub(crate) pin: Pin,
    links: mpsc::Receiver<Link>,
    server: JoinHandle<()>,
}

/// A node that runs in a task of its own.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) shutdown: CancellationToken,
    pub(crate) driver: JoinHandle<cortex_core::Result<()>>,
}

impl FakeHub {
    pub(crate) async fn start(policy: SandboxPolicy) -> Self {
        let hub = HubId::generate();
        let name = format!("{}.cortex.internal", hub.to_string().replace('_', "-"));
        let (identity, pin) = certificates(&name);
        let (links, opened) = mpsc::channel(8);
        let state = Arc::new(State {
            hub,
            node: NodeId::generate(),
            invite: InviteId::generate(),
            secret: [5; 32],
            task_key: SigningKey::from_bytes(&[7; 32]),
            policy: Mutex::new(encode(&policy)),
            identity: Mutex::new(None),
            begun: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
            registrations: AtomicU64::new(0),
            beats: AtomicU64::new(0),
            epochs: AtomicU64::new(0),
            revoked: Mutex::new(false),
            signs_removal: Mutex::new(true),
            rekeys: Mutex::new(Rekeys::Answered),
            links,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service(Arc::clone(&state));
        let serve = Server::builder()
            .tls_config(ServerTlsConfig::new().identity(identity))
            .unwrap()
            .add_service(EnrollmentServiceServer::new(service.clone()))
            .add_service(TokenServiceServer::new(service.clone()))
            .add_service(AgentOrchestratorServer::new(service))
            .serve_with_incoming(TcpListenerStream::new(listener).map(|stream| {
                // tonic leaves it to whoever accepts; without it each answer waits for 40 ms.
                stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            }));
        let server = tokio::spawn(async move { serve.await.unwrap() });
        Self { state, address, pin, links: opened, server }
    }

    /// The configuration of a node that was invited.
    pub(crate) fn config(&self, data_dir: &Path) -> NodeConfig {
        let host = self.address.ip().to_string();
        let hub = HubConfig::new(self.state.hub, host, vec![self.pin]).port(self.address.port());
        let invite = InviteToken::new(self.state.invite, self.state.secret);
        NodeConfig::new(hub, data_dir).invite(invite).drain(Duration::ZERO)
    }

    /// Starts a node with the shell.
    pub(crate) fn run(&self, data_dir: &Path) -> Running {
        Running::start(NodeBuilder::new(self.config(data_dir)))
    }

    /// The next control stream that a node opens.
    pub(crate) async fn link(&mut self) -> Link {
        let link = tokio::time::timeout(LIMIT, self.links.recv()).await;
        link.expect("a node connects in time").expect("the hub lives")
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Running {
    pub(crate) fn start(builder: NodeBuilder) -> Self {
        let environment = Environment::empty().with("PATH", "/usr/bin:/bin");
        let (node, driver) = builder.environment(environment).without_discovery().build().unwrap();
        let shutdown = CancellationToken::new();
        let driver = tokio::spawn(driver.run(shutdown.clone()));
        Self { node, shutdown, driver }
    }

    /// Stops the node in order.
    pub(crate) async fn stop(self) -> cortex_core::Result<()> {
        self.shutdown.cancel();
        self.ended().await
    }

    /// Waits until the node has ended by itself.
    pub(crate) async fn ended(self) -> cortex_core::Result<()> {
        tokio::time::timeout(LIMIT, self.driver).await.expect("the node ends in time").unwrap()
    }

    /// Ends the node as a crash would: nothing is said, nothing is written.
    pub(crate) async fn crash(self, data_dir: &Path) {
        self.driver.abort();
        let ended = self.driver.await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
        // Its tasks end a moment later; the last one lets go of the lock.
        let lock = data_dir.join("lock");
        let free = tokio::task::spawn_blocking(move || {
            let file = std::fs::File::open(lock).unwrap();
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
            // Closing is not enough: a process that another test is just starting may have it open.
            rustix::fs::flock(&file, rustix::fs::FlockOperation::Unlock).unwrap();
        });
        tokio::time::timeout(LIMIT, free).await.expect("the lock is let go").unwrap();
    }
}

fn encode(policy: &SandboxPolicy) -> Vec<u8> {
    v1::SandboxPolicy::from(policy).encode_to_vec()
}

fn certificates(name: &str) -> (Identity, Pin) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let pin = Pin::from_bytes(Sha256::digest(ca_key.subject_public_key_info()).into());
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned(), format!("enrol.{name}")]).unwrap();
    let leaf_pem = leaf.signed_by(&key, &issuer).unwrap().pem();
    (Identity::from_pem(format!("{leaf_pem}{ca_pem}"), key.serialize_pem()), pin)
}
