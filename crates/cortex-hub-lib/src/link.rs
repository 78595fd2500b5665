//! The live streams of nodes: one link a node, the newest wins.

mod takeovers;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use cortex_core::id::BootId;
use cortex_core::id::NodeId;
use cortex_core::id::SessionId;
use cortex_core::id::TaskId;
use cortex_core::id::UserId;
use cortex_core::node::Admission;
use cortex_core::node::Health;
use cortex_core::node::Node;
use cortex_core::node::PRESENCE_TTL;
use cortex_core::report::Ack;
use cortex_core::report::KnownAttempt;
use cortex_core::report::Report;
use cortex_core::task::Input;
use cortex_core::task::Task;
use cortex_core::timestamp::Timestamp;
use ed25519_dalek::VerifyingKey;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use takeovers::Takeovers;

/// What goes down a link. Tasks, cancels and input are signed where they are written to the stream.
#[derive(Debug, Clone)]
pub(crate) enum Down {
    /// Run this task's current attempt.
    Run(Arc<Task>),
    /// End this attempt.
    Cancel {
        /// The session of the task.
        session: SessionId,
        /// The task.
        task: TaskId,
        /// Its attempt.
        attempt: u32,
        /// Why.
        reason: String,
    },
    /// Put this into an attempt.
    Input {
        /// The session of the task.
        session: SessionId,
        /// The task.
        task: TaskId,
        /// Its attempt.
        attempt: u32,
        /// The input's number.
        number: u64,
        /// The input.
        input: Input,
    },
    /// These reports are stored.
    Acks(Vec<Ack>),
    /// The node may claim other tasks of the work pool than before.
    Pool {
        /// Those that it may claim from now on, in the order in which it should try them.
        offered: Vec<TaskId>,
        /// Those that it may not claim any more, and does not get if it did.
        withdrawn: Vec<TaskId>,
    },
}

/// What comes up a link.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Up {
    /// What the node knows; once, at the start.
    Inventory(Vec<KnownAttempt>),
    /// News of tasks.
    Reports(Vec<Report>),
    /// Attempts have got their input up to these numbers.
    Given(Vec<Ack>),
    /// The node claims tasks that it was offered.
    Claims(Vec<TaskId>),
    /// The node trusts what the bundle of this serial says.
    Adopted(u64),
    /// The node leaves on purpose.
    Leaving(String),
}

/// Why the hub ends a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// A newer stream of the same node was opened.
    TakenOver,
    /// The node was locked.
    Locked,
    /// The node was removed.
    Removed,
    /// The hub shuts down.
    Shutdown,
    /// The node's identity key was replaced; the stream was opened with the old one.
    Rekeyed,
    /// Nothing was heard for too long.
    Silent,
    /// The node broke the protocol.
    Protocol(String),
}

impl CloseReason {
    /// Why the link of a node with this admission is ended; nothing where it may work.
    pub(crate) fn of(admission: Admission) -> Option<Self> {
        match admission {
            Admission::Active => None,
            Admission::Locked => Some(CloseReason::Locked),
            _ => Some(CloseReason::Removed),
        }
    }

    /// What the node and whoever waits for its tasks are told.
    pub(crate) fn words(&self) -> &str {
        match self {
            CloseReason::TakenOver => "a newer stream of this node was opened",
            CloseReason::Locked => "the node was locked",
            CloseReason::Removed => "the node was removed",
            CloseReason::Shutdown => "the hub shuts down",
            CloseReason::Rekeyed => "the node's identity key was replaced",
            CloseReason::Silent => "no heartbeat came for too long",
            CloseReason::Protocol(fault) => fault,
        }
    }
}

/// Why something could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The node is not connected.
    Absent,
    /// Too much waits for the node already.
    Full,
}

/// One live stream of a node.
#[derive(Debug)]
pub(crate) struct Link {
    /// The stream's epoch.
    pub(crate) epoch: u64,
    /// The run of the node's process.
    pub(crate) boot: BootId,
    /// The identity key with which it was opened; nothing where it is none.
    pub(crate) key: Option<VerifyingKey>,
    /// Cancelled when the stream is to end or has ended.
    pub(crate) closed: CancellationToken,
    reason: OnceLock<CloseReason>,
    /// Serial of the newest bundle that the node has adopted; 0 before it said so.
    adopted: AtomicU64,
    sender: mpsc::Sender<Down>,
    live: Mutex<Live>,
}

#[derive(Debug)]
struct Live {
    node: Arc<Node>,
    last_seen: Timestamp,
    health: Option<Health>,
}

/// A link that was just opened, on its way to the loop that serves it.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The link.
    pub(crate) link: Arc<Link>,
    /// What comes up from the node.
    pub(crate) news: mpsc::Receiver<Up>,
}

impl Link {
    /// Makes a link of a node as it is known now; what is sent comes out of the receiver.
    pub(crate) fn new(
        node: Arc<Node>,
        boot: BootId,
        queue: usize,
        now: Timestamp,
    ) -> (Arc<Self>, mpsc::Receiver<Down>) {
        let (sender, receiver) = mpsc::channel(queue);
        let link = Self {
            epoch: node.presence.epoch,
            boot,
            key: VerifyingKey::from_bytes(&node.identity).ok(),
            closed: CancellationToken::new(),
            reason: OnceLock::new(),
            adopted: AtomicU64::new(0),
            sender,
            live: Mutex::new(Live { node, last_seen: now, health: None }),
        };
        (Arc::new(link), receiver)
    }

    /// The node as it is known.
    pub(crate) fn node(&self) -> Arc<Node> {
        self.live().node.clone()
    }

    /// Replaces what is known of the node, after a change by its owner.
    pub(crate) fn update(&self, node: Arc<Node>) {
        self.live().node = node;
    }

    /// Sends without waiting.
    pub(crate) fn send(&self, down: Down) -> Result<(), SendError> {
        self.sender.try_send(down).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Absent,
        })
    }

    /// Sends, waiting for room; a link that has ended swallows what is sent.
    pub(crate) async fn send_patiently(&self, down: Down) {
        tokio::select! {
            () = self.closed.cancelled() => {}
            // An error says the same: the stream has ended.
            _ = self.sender.send(down) => {}
        }
    }

    /// Records that the node was heard of.
    pub(crate) fn heard(&self, health: Option<Health>, now: Timestamp) {
        let mut live = self.live();
        live.last_seen = now;
        if health.is_some() {
            live.health = health;
        }
    }

    /// Records that the node trusts what a bundle says.
    pub(crate) fn adopt(&self, serial: u64) {
        self.adopted.fetch_max(serial, Ordering::Relaxed);
    }

    /// Whether the node trusts what the bundle of this serial says.
    pub(crate) fn has_adopted(&self, serial: u64) -> bool {
        self.adopted.load(Ordering::Relaxed) >= serial
    }

    /// Whether tasks may go down it: it has not ended, its node may work, and was heard of lately.
    ///
    /// [`Hub::end_silent_links`](crate::hub::Hub::end_silent_links) ends one that is silent, a
    /// moment after the node counts as offline: what is asked for in between is to wait.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        let live = self.live();
        let is_fresh = now.since(live.last_seen) <= PRESENCE_TTL;
        is_fresh && live.node.admission == Admission::Active && !self.closed.is_cancelled()
    }

    /// When the node was last heard of.
    pub(crate) fn last_seen(&self) -> Timestamp {
        self.live().last_seen
    }

    /// Ends the stream; the first reason counts.
    pub(crate) fn close(&self, reason: CloseReason) {
        // A second reason is not an error: the stream is ending anyway.
        let _ = self.reason.set(reason);
        self.closed.cancel();
    }

    /// Why the hub ended the stream, if it did.
    pub(crate) fn close_reason(&self) -> Option<&CloseReason> {
        self.reason.get()
    }

    /// Puts what is known live over what is stored.
    fn overlay(&self, node: &mut Node) {
        let live = self.live();
        if node.presence.epoch > self.epoch {
            return;
        }
        node.presence.epoch = self.epoch;
        node.presence.open = !self.closed.is_cancelled();
        node.presence.boot = Some(self.boot);
        node.presence.since = live.node.presence.since;
        node.presence.last_seen = Some(live.last_seen);
        if live.health.is_some() {
            node.presence.health.clone_from(&live.health);
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Live> {
        // No code panics while it holds this lock.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All live links.
#[derive(Debug, Default)]
pub(crate) struct Table {
    links: Mutex<HashMap<NodeId, Arc<Link>>>,
    takeovers: Mutex<Takeovers>,
}

impl Table {
    /// Enters a link; an older one of the same node is ended.
    pub(crate) fn enter(&self, link: Arc<Link>) {
        let id = link.node().id;
        let older = {
            let mut links = self.lock();
            match links.get(&id) {
                Some(newer) if newer.epoch > link.epoch => Some(link),
                _ => links.insert(id, link),
            }
        };
        if let Some(older) = older {
            older.close(CloseReason::TakenOver);
        }
    }

    /// Whether a process that opens a stream throws out another one of its node, and that happens
    /// too often. A process that comes back after its own broken connection throws nobody out.
    pub(crate) fn is_flapping(&self, node: NodeId, boot: BootId, now: Timestamp) -> bool {
        let is_other = |link: &Arc<Link>| link.boot != boot && !link.closed.is_cancelled();
        if !self.get(node).as_ref().is_some_and(is_other) {
            return false;
        }
        // No code panics while it holds this lock.
        self.takeovers.lock().unwrap_or_else(PoisonError::into_inner).count(node, now)
    }

    /// Takes a link out, unless a newer one has replaced it. Says whether it was the newest.
    pub(crate) fn leave(&self, link: &Link) -> bool {
        let id = link.node().id;
        let mut links = self.lock();
        let is_newest = links.get(&id).is_some_and(|newest| newest.epoch == link.epoch);
        if is_newest {
            links.remove(&id);
        }
        is_newest
    }

    /// The link of a node.
    pub(crate) fn get(&self, node: NodeId) -> Option<Arc<Link>> {
        self.lock().get(&node).cloned()
    }

    /// Sends to a node without waiting.
    pub(crate) fn send(&self, node: NodeId, down: Down) -> Result<(), SendError> {
        self.get(node).ok_or(SendError::Absent)?.send(down)
    }

    /// An online node by its owner and name.
    pub(crate) fn named(&self, owner: UserId, name: &str) -> Option<Arc<Node>> {
        let links = self.lock();
        links.values().map(|link| link.node()).find(|node| node.owner == owner && node.name == name)
    }

    /// All links.
    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        self.lock().values().cloned().collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Puts what is known live over a stored node; one that has no link is not open.
    pub(crate) fn overlay(&self, node: &mut Node) {
        match self.get(node.id) {
            Some(link) => link.overlay(node),
            None => node.presence.open = false,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NodeId, Arc<Link>>> {
        // No code panics while it holds this lock.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
