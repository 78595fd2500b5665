//! A running node: the handle that others hold, and the driver that does the work.

mod credentials;
mod driver;
mod rekey;

use std::sync::Arc;
use std::time::SystemTime;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::id::NodeId;
use tokio::sync::watch;

use crate::config::NodeConfig;
use crate::config::Pin;
use crate::health::Discovery;
use crate::identity;
use crate::identity::Identity;
use crate::sandbox::Sandbox;
use crate::skills::Skills;
use crate::uplink;

pub use crate::uplink::Status;
pub use driver::Driver;

/// The pins of the authorities by which a node of this configuration knows its hub now: those of
/// the configuration until it has enrolled, and then those that its hub has told it.
///
/// Reads the data directory, also while a node uses it; changes nothing.
///
/// # Errors
/// `Denied`: a file cannot be read. `Precondition` (`data_dir_broken`): one cannot be understood.
pub fn trusted_pins(config: &NodeConfig) -> Result<Vec<Pin>> {
    let now = SystemTime::now().into();
    Ok(match identity::look_up_bundle(&config.data_dir)? {
        Some(bundle) => uplink::pins_of(&bundle, now).into_iter().map(Pin::from_bytes).collect(),
        None => config.hub.ca_spki_sha256.clone(),
    })
}

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
        let known = parts.identity.enrolment();
        let member = known.map(|known| (known.node, known.name.clone()));
        let shared = Arc::new(Shared {
            status: watch::Sender::new(Status::Connecting),
            member: watch::Sender::new(member),
            stop: watch::Sender::new(None),
        });
        let driver = Driver { shared: Arc::clone(&shared), parts };
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

impl Shared {
    fn ask_to_stop(&self, reason: String) {
        self.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            stop.get_or_insert(reason);
            is_first
        });
    }
}
