//! The work of a node, from enrolment to its leave.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::BootId;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::NodeConfig;
use crate::health::Discovery;
use crate::health::Sampler;
use crate::identity::Enrolment;
use crate::runner::Drained;
use crate::runner::Runner;
use crate::uplink;
use crate::uplink::Application;
use crate::uplink::Destination;
use crate::uplink::Downlink;
use crate::uplink::Membership;
use crate::uplink::Outbox;
use crate::uplink::Persistence;
use crate::uplink::Pulse;
use crate::uplink::Uplink;

use super::Parts;
use super::Shared;
use super::Status;
use super::credentials::Credentials;
use super::credentials::kept;

/// Messages from the hub that may wait for the runner; more wait on the hub.
const INBOX_SLOTS: usize = 256;

/// How long a leaving node waits for the hub to store its last reports.
const LAST_ACKS: Duration = Duration::from_secs(5);

/// When the node looks for runtimes at the latest, be it online or not.
const LOOK_AROUND_AFTER: Duration = Duration::from_secs(2);

/// Does a node's work; made together with its [`Node`](super::Node), run once.
#[derive(Debug)]
pub struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) parts: Parts,
}

impl Driver {
    /// Runs the node until it is asked to stop, and then stops it in order.
    ///
    /// Enrols first, where that has not been done. When `shutdown` is cancelled, or by
    /// [`Node::shutdown`](super::Node::shutdown): nothing new is started; what runs has the
    /// configured drain time, and is then stopped and reported as interrupted; the last reports
    /// have 5 s to be stored; the hub is told that the node leaves. Installs no signal handlers:
    /// that is for the caller.
    ///
    /// # Errors
    /// `Precondition` (`not_enrolled`): there is neither an enrolment nor an invite. `Denied`: the
    /// hub refuses the invite (`invite_…`), is another one than the pinned one while enrolling
    /// (`hub_pin_mismatch`), or has removed the node and said so with its signature
    /// (`node_revoked`): the keys are erased then. The last error where the
    /// configured limit of attempts is reached. A change of the identity key that was begun is brought
    /// to its end first. Errors of files as in [`crate::NodeBuilder::build`].
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
            // Boxed, so that whoever awaits a driver does not carry all of its states.
            result = Box::pin(self.serve()) => result,
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
        if !self.settle_identity(&member).await? {
            return Ok(());
        }
        self.shared.member.send_replace(Some((member.node, member.name.clone())));
        let outbox = Arc::new(Outbox::new());
        let authority = self.authority_of(&member);
        if authority.anchor.is_none() {
            tracing::warn!(
                "hub.trust_anchor is missing: this node cannot follow when its hub replaces keys"
            );
        }
        let (data_dir, key) = (self.parts.identity.dir().to_path_buf(), self.parts.identity.key());
        let (hub, node) = (member.hub, member.node);
        let credentials = Credentials::new(self.parts.identity.join_state(member));
        let runner = Runner::open(
            self.parts.identity,
            authority,
            self.parts.sandbox,
            self.parts.skills,
            Arc::clone(&outbox),
            self.parts.config.max_tasks,
        )?;
        let (downlink, inbox) = mpsc::channel::<Downlink>(INBOX_SLOTS);
        let leave = watch::Sender::new(None);
        let drain = watch::Sender::new(None);
        let sampler = Sampler::new(data_dir);
        let running = runner.running();
        let uplink = Uplink {
            destination: destination(&self.parts.config),
            membership: Membership { hub, node, boot: BootId::generate(), key },
            credentials: Arc::new(credentials),
            trusted: runner.trusted(),
            outbox: Arc::clone(&outbox),
            inbox: downlink,
            capabilities: self.parts.discovery.view(),
            pulse: Pulse::new(move || {
                let (sampler, running) = (sampler.clone(), Arc::clone(&running));
                Box::pin(async move { sampler.sample(running.load(Ordering::Relaxed)).await })
            }),
            status: self.shared.status.clone(),
            max_tasks: self.parts.config.max_tasks,
            reconnect_limit: self.parts.config.reconnect_limit,
            version: self.parts.version,
        };
        // Tasks of their own, so that a busy runner and a busy stream do not wait for each other.
        let mut parts: JoinSet<Part> = JoinSet::new();
        let (discovery, status) = (self.parts.discovery, self.shared.status.subscribe());
        let mut stopped = leave.subscribe();
        parts.spawn(async move {
            tokio::select! {
                () = look_around(&discovery, status) => {}
                _ = stopped.wait_for(Option::is_some) => {}
            }
            // Kept for its view: what is known now stays known.
            Part::Discovery(discovery)
        });
        let drained = drain.subscribe();
        parts.spawn(async move { Part::Runner(Box::new(runner.run(inbox, drained).await)) });
        let leaving = leave.subscribe();
        parts.spawn(async move { Part::Uplink(uplink.run(leaving).await) });

        let mut kept = None;
        let mut result = Ok(());
        let mut drained = loop {
            tokio::select! {
                Some(part) = parts.join_next() => match ended(part)? {
                    Part::Discovery(discovery) => kept = Some(discovery),
                    Part::Uplink(ended) => {
                        result = ended;
                        drain.send_replace(Some(Duration::ZERO));
                    }
                    Part::Runner(drained) => break drained,
                },
                _ = stop.wait_for(Option::is_some), if drain.borrow().is_none() => {
                    tracing::info!(limit = ?self.parts.config.drain, "draining");
                    drain.send_replace(Some(self.parts.config.drain));
                }
            }
        };
        if drained.is_removed() {
            leave.send_replace(Some("removed".to_owned()));
            while parts.join_next().await.is_some() {}
            drained.erase().await?;
            return Err(removed());
        }
        let is_online = matches!(*self.shared.status.borrow(), Status::Online { .. });
        if is_online {
            tokio::select! {
                () = outbox.emptied() => {}
                () = tokio::time::sleep(LAST_ACKS) => {
                    tracing::warn!("the hub did not store the last reports in time");
                }
                () = drained.turn_away() => {}
            }
        }
        leave.send_replace(Some(stop.borrow().clone().unwrap_or_default()));
        while let Some(part) = parts.join_next().await {
            if let Part::Uplink(ended) = ended(part)? {
                result = ended;
            }
        }
        drop(kept);
        drained.close().await;
        result
    }

    /// Tries until it is asked to stop.
    pub(super) fn persistence(&self, is_enrolling: bool) -> Persistence<'_> {
        Persistence {
            limit: self.parts.config.reconnect_limit,
            is_enrolling,
            status: &self.shared.status,
            leave: self.shared.stop.subscribe(),
        }
    }

    /// What the node is enrolled as; enrols where it is not. `None`: asked to stop before that.
    async fn enrolment(&mut self) -> Result<Option<Enrolment>> {
        if let Some(known) = self.parts.identity.enrolment() {
            return Ok(Some(known.clone()));
        }
        let invite = self.parts.config.invite.as_ref().ok_or_else(|| {
            let message = "the node is not enrolled, and its configuration has no invite";
            Error::new(ErrorKind::Precondition, "enrol", message)
                .with_code("not_enrolled")
                .with_hint("ask the hub's owner for an invite, and put it into the configuration")
        })?;
        let (number, tls_key) = self.parts.identity.first_tls_key()?;
        let csr = tls_key.request()?;
        let application = Application {
            hub: self.parts.config.hub.id,
            invite: invite.id(),
            secret: invite.secret(),
            csr: &csr,
            host_name: &self.parts.host_name,
            version: &self.parts.version,
        };
        let (to, key) = (destination(&self.parts.config), self.parts.identity.key());
        let attempt = || uplink::enrol(&to, &key, &application);
        let enrolled = self.persistence(true).run(attempt).await?;
        let Some(enrolled) = enrolled else { return Ok(None) };
        let enrolment = Enrolment {
            hub: self.parts.config.hub.id,
            node: enrolled.node,
            name: enrolled.name,
            trust_anchor: self.parts.config.hub.trust_anchor.map(|anchor| *anchor.key()),
            task_keys: enrolled.task_keys,
            generation: enrolled.generation,
            certificate: enrolled.certificate.map(|issued| kept(issued, number)),
        };
        self.parts.identity.keep(enrolment.clone())?;
        tracing::info!(node = %enrolment.node, name = enrolment.name, "enrolled");
        Ok(Some(enrolment))
    }
}

pub(super) fn removed() -> Error {
    let message = "the hub has removed this node; its keys are erased";
    Error::new(ErrorKind::Denied, "run node", message)
        .with_code("node_revoked")
        .with_hint("ask the hub's owner for a new invite, and put it into the configuration")
}

/// Whom a node obeys that is enrolled as this.
/// What the driver's tasks end with.
enum Part {
    Discovery(Discovery),
    Runner(Box<Drained>),
    Uplink(Result<()>),
}

fn ended(part: Result<Part, tokio::task::JoinError>) -> Result<Part> {
    part.map_err(|error| {
        let message = format!("a part of the node broke: {error}");
        Error::new(ErrorKind::Internal, "run node", message).with_source(error)
    })
}

/// Finds out what the node can do, once it is online or has waited long enough for that.
async fn look_around(discovery: &Discovery, mut status: watch::Receiver<Status>) {
    let online = status.wait_for(|status| matches!(status, Status::Online { .. }));
    // Looking around keeps a small machine busy: being there comes first.
    drop(tokio::time::timeout(LOOK_AROUND_AFTER, online).await);
    discovery.run().await;
}

pub(super) fn destination(config: &NodeConfig) -> Destination {
    let hub = &config.hub;
    Destination {
        host: hub.server_host.clone(),
        port: hub.grpc_port,
        server_name: hub.server_name.clone(),
        pins: hub.ca_spki_sha256.iter().map(|pin| *pin.as_bytes()).collect(),
        ca_pem: hub.ca_pem.clone(),
    }
}
