//! A running node: the handle that others hold, and the driver that does the work.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::BootId;
use cortex_core::id::NodeId;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::NodeConfig;
use crate::health::Discovery;
use crate::health::Sampler;
use crate::identity::Enrolment;
use crate::identity::Identity;
use crate::runner::Authority;
use crate::runner::Runner;
use crate::sandbox::Sandbox;
use crate::skills::Skills;
use crate::uplink;
use crate::uplink::Application;
use crate::uplink::Destination;
use crate::uplink::Downlink;
use crate::uplink::Membership;
use crate::uplink::Outbox;
use crate::uplink::Pulse;
use crate::uplink::Uplink;

pub use crate::uplink::Status;

/// Messages from the hub that may wait for the runner; more wait on the hub.
const INBOX_SLOTS: usize = 256;

/// How long a leaving node waits for the hub to store its last reports.
const LAST_ACKS: Duration = Duration::from_secs(5);

/// A node, for whoever wants to know or stop it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    status: watch::Sender<Status>,
    member: watch::Sender<Option<(NodeId, String)>>,
    /// Why somebody asked the node to stop.
    stop: watch::Sender<Option<String>>,
}

/// Does a node's work; made together with its [`Node`], run once.
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
    pub(crate) config: NodeConfig,
    pub(crate) identity: Identity,
    pub(crate) sandbox: Sandbox,
    pub(crate) skills: Skills,
    pub(crate) discovery: Discovery,
    pub(crate) version: String,
    pub(crate) host_name: String,
}

/// What a driver is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: NodeConfig,
    pub(crate) identity: Identity,
    pub(crate) sandbox: Sandbox,
    pub(crate) skills: Skills,
    pub(crate) discovery: Discovery,
    pub(crate) version: String,
    pub(crate) host_name: String,
}

impl Node {
    pub(crate) fn assemble(parts: Parts) -> (Self, Driver) {
        let Parts { config, identity, sandbox, skills, discovery, version, host_name } = parts;
        let member = identity.enrolment().map(|known| (known.node, known.name.clone()));
        let shared = Arc::new(Shared {
            status: watch::Sender::new(Status::Connecting),
            member: watch::Sender::new(member),
            stop: watch::Sender::new(None),
        });
        let driver = Driver {
            shared: Arc::clone(&shared),
            config,
            identity,
            sandbox,
            skills,
            discovery,
            version,
            host_name,
        };
        (Self { shared }, driver)
    }

    /// The node's id on its hub; `None` before it has enrolled.
    #[must_use]
    pub fn id(&self) -> Option<NodeId> {
        self.shared.member.borrow().as_ref().map(|(id, _)| *id)
    }

    /// The node's name on its hub; `None` before it has enrolled.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.shared.member.borrow().as_ref().map(|(_, name)| name.clone())
    }

    /// How the node stands to its hub, now and whenever that changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// Waits until the node is online, and answers with the epoch of its stream.
    ///
    /// Waits as long as the node tries: put a limit around it where one is needed.
    ///
    /// # Errors
    /// `Unavailable` (`node_stopped`): the node has stopped, with the reason.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait_online(&self) -> Result<u64> {
        let mut status = self.status();
        let is_settled =
            |status: &Status| matches!(status, Status::Online { .. } | Status::Stopped { .. });
        let stopped = |reason: &str| {
            Error::new(ErrorKind::Unavailable, "wait for node", reason).with_code("node_stopped")
        };
        match status.wait_for(is_settled).await.as_deref() {
            Ok(Status::Online { epoch }) => Ok(*epoch),
            Ok(Status::Stopped { reason }) => Err(stopped(reason)),
            _ => Err(stopped("the node is gone")),
        }
    }

    /// Asks the node to stop as [`Driver::run`] describes; the hub is told the reason.
    ///
    /// The first reason stays. Returns at once; the driver ends when the node has stopped.
    pub fn shutdown(&self, reason: impl Into<String>) {
        self.shared.ask_to_stop(reason.into());
    }
}

impl Driver {
    /// Runs the node until it is asked to stop, and then stops it in order.
    ///
    /// Enrols first, where that has not been done. When `shutdown` is cancelled, or by
    /// [`Node::shutdown`]: nothing new is started; what runs has the configured drain time, and is
    /// then stopped and reported as interrupted; the last reports have 5 s to be stored; the hub is
    /// told that the node leaves. Installs no signal handlers: that is for the caller.
    ///
    /// # Errors
    /// `Precondition` (`not_enrolled`): there is neither an enrolment nor an invite. `Denied`: the
    /// hub refuses the invite (`invite_…`), is another one than the pinned one while enrolling
    /// (`hub_pin_mismatch`), or has removed the node (`node_revoked`). The last error where the
    /// configured limit of attempts is reached. Errors of files as in [`crate::NodeBuilder::build`].
    ///
    /// # Cancel safety
    /// Dropping the future ends the node at once: processes are killed, and the next run reports
    /// their tasks as interrupted.
    pub async fn run(self, shutdown: CancellationToken) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let watched = async {
            shutdown.cancelled().await;
            shared.ask_to_stop("shutdown".to_owned());
            std::future::pending::<()>().await;
        };
        let result = tokio::select! {
            result = self.serve() => result,
            () = watched => Ok(()),
        };
        let reason = match &result {
            Ok(()) => shared.stop.borrow().clone().unwrap_or_else(|| "stopped".to_owned()),
            Err(error) => error.to_string(),
        };
        shared.status.send_replace(Status::Stopped { reason });
        result
    }

    async fn serve(mut self) -> Result<()> {
        let mut stop = self.shared.stop.subscribe();
        let Some(member) = self.enrolment().await? else { return Ok(()) };
        self.shared.member.send_replace(Some((member.node, member.name.clone())));
        let outbox = Arc::new(Outbox::new());
        let authority =
            Authority { hub: member.hub, node: member.node, task_keys: member.task_keys.clone() };
        let (data_dir, key) = (self.identity.dir().to_path_buf(), self.identity.key());
        let runner = Runner::open(
            self.identity,
            authority,
            self.sandbox,
            self.skills,
            Arc::clone(&outbox),
            self.config.max_tasks,
        )?;
        let (downlink, inbox) = mpsc::channel::<Downlink>(INBOX_SLOTS);
        let leave = watch::Sender::new(None);
        let drain = watch::Sender::new(None);
        let sampler = Sampler::new(data_dir);
        let running = runner.running();
        let uplink = Uplink {
            destination: destination(&self.config),
            membership: Membership {
                hub: member.hub,
                node: member.node,
                generation: member.generation,
                boot: BootId::generate(),
                key,
            },
            outbox: Arc::clone(&outbox),
            inbox: downlink,
            capabilities: self.discovery.view(),
            pulse: Pulse::new(move || {
                let (sampler, running) = (sampler.clone(), Arc::clone(&running));
                Box::pin(async move { sampler.sample(running.load(Ordering::Relaxed)).await })
            }),
            status: self.shared.status.clone(),
            reconnect_limit: self.config.reconnect_limit,
            version: self.version,
        };
        // Tasks of their own, so that a busy runner and a busy stream do not wait for each other.
        let mut parts: JoinSet<Part> = JoinSet::new();
        let discovery = self.discovery;
        parts.spawn(async move {
            discovery.run().await;
            // Kept for its view: what is known now stays known.
            Part::Discovery(discovery)
        });
        let drained = drain.subscribe();
        parts.spawn(async move { Part::Runner(Box::new(runner.run(inbox, drained).await)) });
        let leaving = leave.subscribe();
        parts.spawn(async move { Part::Uplink(uplink.run(leaving).await) });

        let mut kept = None;
        let mut result = Ok(());
        let runner = loop {
            tokio::select! {
                Some(part) = parts.join_next() => match ended(part)? {
                    Part::Discovery(discovery) => kept = Some(discovery),
                    Part::Uplink(ended) => {
                        result = ended;
                        drain.send_replace(Some(Duration::ZERO));
                    }
                    Part::Runner(runner) => break runner,
                },
                _ = stop.wait_for(Option::is_some), if drain.borrow().is_none() => {
                    tracing::info!(limit = ?self.config.drain, "draining");
                    drain.send_replace(Some(self.config.drain));
                }
            }
        };
        let is_online = matches!(*self.shared.status.borrow(), Status::Online { .. });
        if is_online && tokio::time::timeout(LAST_ACKS, outbox.emptied()).await.is_err() {
            tracing::warn!("the hub did not store the last reports in time");
        }
        leave.send_replace(Some(stop.borrow().clone().unwrap_or_default()));
        while let Some(part) = parts.join_next().await {
            if let Part::Uplink(ended) = ended(part)? {
                result = ended;
            }
        }
        drop(kept);
        runner.close().await;
        result
    }

    /// What the node is enrolled as; enrols where it is not. `None`: asked to stop before that.
    async fn enrolment(&mut self) -> Result<Option<Enrolment>> {
        if let Some(known) = self.identity.enrolment() {
            return Ok(Some(known.clone()));
        }
        let invite = self.config.invite.as_ref().ok_or_else(|| {
            let message = "the node is not enrolled, and its configuration has no invite";
            Error::new(ErrorKind::Precondition, "enrol", message)
                .with_code("not_enrolled")
                .with_hint("ask the hub's owner for an invite, and put it into the configuration")
        })?;
        let application = Application {
            hub: self.config.hub.id,
            invite: invite.id(),
            secret: invite.secret(),
            host_name: &self.host_name,
            version: &self.version,
        };
        let enrolled = uplink::enrol(
            &destination(&self.config),
            &self.identity.key(),
            &application,
            self.config.reconnect_limit,
            &self.shared.status,
            self.shared.stop.subscribe(),
        )
        .await?;
        let Some(enrolled) = enrolled else { return Ok(None) };
        let enrolment = Enrolment {
            hub: self.config.hub.id,
            node: enrolled.node,
            name: enrolled.name,
            task_keys: enrolled.task_keys,
            generation: enrolled.generation,
        };
        self.identity.keep(enrolment.clone())?;
        tracing::info!(node = %enrolment.node, name = enrolment.name, "enrolled");
        Ok(Some(enrolment))
    }
}

/// What the driver's tasks end with.
enum Part {
    Discovery(Discovery),
    Runner(Box<Runner>),
    Uplink(Result<()>),
}

fn ended(part: Result<Part, tokio::task::JoinError>) -> Result<Part> {
    part.map_err(|error| {
        let message = format!("a part of the node broke: {error}");
        Error::new(ErrorKind::Internal, "run node", message).with_source(error)
    })
}

impl Shared {
    fn ask_to_stop(&self, reason: String) {
        self.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            stop.get_or_insert(reason);
            is_first
        });
    }
}

fn destination(config: &NodeConfig) -> Destination {
    let hub = &config.hub;
    Destination {
        host: hub.server_host.clone(),
        port: hub.grpc_port,
        server_name: hub.server_name.clone(),
        pins: hub.ca_spki_sha256.iter().map(|pin| *pin.as_bytes()).collect(),
        ca_pem: hub.ca_pem.clone(),
    }
}
