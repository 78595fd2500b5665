//! Nodes come and go: registration, control streams, heartbeats.

use std::sync::Arc;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::capability::Capabilities;
use cortex_core::id::BootId;
use cortex_core::id::NodeId;
use cortex_core::node::Health;
use cortex_core::node::Node;
use cortex_core::node::PRESENCE_TTL;
use cortex_core::node::Sighting;
use cortex_core::node::Suspicion;
use cortex_core::proof;
use cortex_core::proof::CHALLENGE_LEN;
use cortex_core::timestamp::Timestamp;
use tokio::sync::mpsc;

use super::Hub;
use super::admission::NodeToken;
use super::admission::check_key;
use super::admission::check_proof;
use crate::clock;
use crate::feed::Change;
use crate::link::Arrival;
use crate::link::CloseReason;
use crate::link::Down;
use crate::link::Link;
use crate::link::Up;
use crate::trust::challenge::Subject;
use crate::trust::signing::Following;

/// Messages of one node that wait to be taken in; then its stream is not read.
const NEWS_QUEUE: usize = 64;

/// What a node says about itself.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) capabilities: Capabilities,
    pub(crate) version: String,
}

/// What a node proves when it opens a stream.
#[derive(Debug)]
pub(crate) struct StreamClaim {
    pub(crate) nonce: [u8; CHALLENGE_LEN],
    pub(crate) boot: BootId,
    pub(crate) generation: u64,
    pub(crate) signature: Vec<u8>,
}

/// An open stream: its link, what goes down it, and where to put what comes up.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) link: Arc<Link>,
    pub(crate) down: mpsc::Receiver<Down>,
    pub(crate) up: mpsc::Sender<Up>,
    pub(crate) following: Following,
}

impl Hub {
    /// Stores what a node says about itself. Returns its name.
    pub(crate) async fn register(
        &self,
        token: &NodeToken,
        registration: Registration,
    ) -> Result<String> {
        let node = self.node_of(token).await?;
        let Registration { capabilities, version } = registration;
        let sighting = Sighting::Described { capabilities, version };
        self.inner.registry.touch(node.id, sighting, clock::now()).await?;
        if let Some(link) = self.inner.links.get(node.id) {
            let now_known = Arc::new(self.inner.registry.get(node.id).await?);
            link.update(now_known.clone());
            self.inner.dispatch.node_changed(node.id);
            self.inner.feed.announce(Change::Node(now_known));
        }
        Ok(node.name)
    }

    /// A nonce for a node that opens a stream.
    pub(crate) fn stream_challenge(&self, node: NodeId) -> Result<[u8; CHALLENGE_LEN]> {
        self.trust().challenges().issue(Subject::Stream(node), clock::now())
    }

    /// Opens a stream of a node that proves possession of its identity key; it gets the next epoch,
    /// and an older stream of the node is ended.
    pub(crate) async fn open_stream(
        &self,
        token: &NodeToken,
        claim: &StreamClaim,
    ) -> Result<Opened> {
        let opened = self.try_open_stream(token, claim).await;
        if let Err(error) = &opened {
            self.node_refused(token.node, error).await;
        }
        opened
    }

    async fn try_open_stream(&self, token: &NodeToken, claim: &StreamClaim) -> Result<Opened> {
        let now = clock::now();
        self.trust().challenges().redeem(&claim.nonce, Subject::Stream(token.node), now)?;
        let node = self.node_of(token).await?;
        let proof = proof::stream(self.id(), node.id, &claim.nonce, claim.boot, claim.generation);
        check_proof(&node.identity, &proof, &claim.signature)?;
        let (hub, boot) = (self.clone(), claim.boot);
        if node.join.judge(claim.generation).is_err() {
            let locked = async move { Err(hub.suspect(&node, Suspicion::Cloned).await) };
            return self.finish(locked).await;
        }
        self.finish(async move { hub.enter(node, boot).await }).await
    }

    async fn enter(&self, node: Node, boot: BootId) -> Result<Opened> {
        let (id, identity) = (node.id, node.identity);
        if self.inner.links.is_flapping(id, boot, clock::now()) {
            return Err(self.suspect(&node, Suspicion::Flapping).await);
        }
        let opened = Sighting::Opened { boot, capabilities: None, version: node.version };
        let presence = self.inner.registry.touch(id, opened, clock::now()).await?;
        let mut node = self.inner.registry.get(id).await?;
        node.presence = presence;
        let node = Arc::new(node);
        let queue = self.inner.config.limits.link_queue;
        let (link, down) = Link::new(node.clone(), boot, queue, clock::now());
        let (up, news) = mpsc::channel(NEWS_QUEUE);
        let arrival = Arrival { link: link.clone(), news };
        let following = self.trust().signer().follow(id);
        self.inner
            .arrivals
            .send(arrival)
            .await
            .map_err(|_| Error::new(ErrorKind::Unavailable, "open stream", "the hub shuts down"))?;
        self.inner.links.enter(link.clone());
        self.catch_up(&link, identity).await?;
        self.metrics().nodes_online.set(i64::try_from(self.links().len()).unwrap_or(i64::MAX));
        tracing::info!(node = %id, name = %node.name, epoch = link.epoch, "node online");
        self.inner.feed.announce(Change::Node(node));
        Ok(Opened { link, down, up, following })
    }

    /// Takes in changes of the node that were made before its link could be found; `identity` is the
    /// key that has opened it.
    async fn catch_up(&self, link: &Link, identity: [u8; 32]) -> Result<()> {
        let node = self.inner.registry.get(link.node().id).await.inspect_err(|_| {
            link.closed.cancel();
        })?;
        if let Some(reason) = CloseReason::of(node.admission) {
            link.close(reason);
        } else if node.identity != identity {
            link.close(CloseReason::Rekeyed);
        }
        link.update(Arc::new(node));
        Ok(())
    }

    /// Takes a link out: the node counts as offline at once, its tasks wait for the grace time.
    pub(crate) async fn leave(&self, link: &Link) {
        link.closed.cancel();
        if !self.inner.links.leave(link) {
            return;
        }
        let (id, now) = (link.node().id, clock::now());
        self.inner.dispatch.node_left(id, now);
        self.metrics().nodes_online.set(i64::try_from(self.links().len()).unwrap_or(i64::MAX));
        let reason = link.close_reason().map_or("the connection ended", CloseReason::words);
        tracing::info!(node = %id, epoch = link.epoch, reason, "node offline");
        let closed = Sighting::Closed { epoch: link.epoch };
        if let Err(error) = self.inner.registry.touch(id, closed, now).await {
            tracing::warn!(node = %id, %error, "cannot store that the node left");
        }
        match self.inner.registry.get(id).await {
            Ok(mut node) => {
                self.inner.links.overlay(&mut node);
                self.inner.feed.announce(Change::Node(Arc::new(node)));
            }
            Err(error) => tracing::warn!(node = %id, %error, "cannot read node that left"),
        }
    }

    /// Takes a heartbeat of the stream of `epoch`.
    pub(crate) async fn beat(&self, token: &NodeToken, epoch: u64, health: Health) -> Result<()> {
        let node = token.node;
        let link = self.inner.links.get(node).filter(|link| link.epoch == epoch);
        let link = link.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, "take heartbeat", "the stream is not the newest")
                .with_code("fenced")
        })?;
        check_key(token, &link.node())?;
        let now = clock::now();
        link.heard(Some(health.clone()), now);
        self.inner.registry.touch(node, Sighting::Beat { epoch, health }, now).await.map(drop)
    }

    /// Ends the links of nodes that were silent for too long.
    pub(crate) fn end_silent_links(&self, now: Timestamp) {
        for link in self.inner.links.all() {
            if now.since(link.last_seen()) > PRESENCE_TTL {
                link.close(CloseReason::Silent);
            }
        }
    }
}
