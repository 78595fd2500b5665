//! Nodes and invites in the database; live nodes also in memory, where their heartbeats go.

mod change;
mod forms;
mod live;
mod row;

use std::sync::Arc;

use async_trait::async_trait;
use cortex_core::Result;
use cortex_core::id::NodeId;
use cortex_core::id::UserId;
use cortex_core::invite::Invite;
use cortex_core::node::Admission;
use cortex_core::node::Node;
use cortex_core::node::Presence;
use cortex_core::node::Sighting;
use cortex_core::registry::Enrolment;
use cortex_core::registry::InviteAct;
use cortex_core::registry::NodeChange;
use cortex_core::registry::NodeFilter;
use cortex_core::registry::NodeRegistry;
use cortex_core::registry::refusal;
use cortex_core::timestamp::Timestamp;
use futures::FutureExt as _;
use sea_orm::ColumnTrait as _;
use sea_orm::DatabaseConnection;
use sea_orm::EntityTrait as _;
use sea_orm::QueryFilter as _;
use sea_orm::QueryOrder as _;
use sea_orm::QueryTrait as _;

use self::live::LiveNodes;
use super::column;
use super::entity::invite;
use super::fault::fault;
use super::writer::Writer;

/// Keeps nodes and invites in the store's database.
///
/// A heartbeat changes memory only; every 20 seconds of heartbeats, those that came since are
/// stored together.
#[derive(Debug)]
pub struct SqlNodeRegistry {
    reads: DatabaseConnection,
    writer: Writer,
    live: Arc<LiveNodes>,
}

impl SqlNodeRegistry {
    pub(super) async fn open(reads: DatabaseConnection, writer: Writer) -> Result<Self> {
        let nodes = row::nodes(&reads, row::Which::Live).await?;
        let live = Arc::new(LiveNodes::new(nodes));
        Ok(Self { reads, writer, live })
    }

    /// Stores the heartbeats that are in memory only.
    pub(super) async fn flush(&self) -> Result<()> {
        let beats = self.live.take_beats();
        if beats.is_empty() {
            return Ok(());
        }
        self.writer
            .run("store heartbeats", move |writes| change::store_beats(writes, beats).boxed())
            .await
    }

    /// Hands over heartbeats where it is time, without waiting for the disk.
    fn flush_when_due(&self, now: Timestamp) {
        if !self.live.is_due(now) {
            return;
        }
        let beats = self.live.take_beats();
        // Where the writer has no place, the beats wait for their next turn.
        self.writer.try_run(move |writes| change::store_beats(writes, beats).boxed());
    }
}

#[async_trait]
impl NodeRegistry for SqlNodeRegistry {
    async fn invite(&self, act: InviteAct, now: Timestamp) -> Result<Invite> {
        self.writer
            .run("change invite", move |writes| change::invite(writes, act, now).boxed())
            .await
    }

    async fn invites(&self, owner: Option<UserId>) -> Result<Vec<Invite>> {
        let rows = invite::Entity::find()
            .apply_if(owner, |query, owner| {
                query.filter(invite::Column::OwnerId.eq(column::blob(owner)))
            })
            .order_by_desc(invite::Column::CreatedAt)
            .order_by_desc(invite::Column::Id)
            .all(&self.reads)
            .await
            .map_err(|error| fault("list invites", error))?;
        rows.iter().map(row::to_invite).collect()
    }

    async fn enroll(&self, enrolment: Enrolment, now: Timestamp) -> Result<Node> {
        let live = Arc::clone(&self.live);
        let overlay = Arc::clone(&self.live);
        let new = enrolment.node;
        let enrolled = self.writer.run_noting(
            "enrol node",
            move |writes| change::enroll(writes, enrolment, now).boxed(),
            // A repeat has made nothing.
            move |note, node: &Node| {
                (node.id == new).then(|| note.owned_by(node.owner).detail(node.name.clone()))
            },
            // A repeat brings a node that may have had heartbeats since.
            move |node: &Node| live.put(node),
        );
        Ok(overlay.newest(enrolled.await?))
    }

    async fn touch(&self, id: NodeId, sighting: Sighting, now: Timestamp) -> Result<Presence> {
        if let Sighting::Beat { .. } = sighting
            && let Some(beaten) = self.live.beat(id, &sighting, now)
        {
            let presence = beaten?;
            self.flush_when_due(now);
            return Ok(presence);
        }
        let (before, after) = (Arc::clone(&self.live), Arc::clone(&self.live));
        let sighted = self.writer.run_then(
            "record sighting",
            move |writes| {
                async move {
                    let newest = |node| before.newest(node);
                    change::sight(writes, id, newest, sighting, now).await
                }
                .boxed()
            },
            move |node| after.put(node),
        );
        Ok(sighted.await?.presence)
    }

    async fn amend(&self, id: NodeId, changes: Vec<NodeChange>, _now: Timestamp) -> Result<Node> {
        let live = Arc::clone(&self.live);
        let amended = self.writer.run_then(
            "change node",
            move |writes| change::amend(writes, id, changes).boxed(),
            move |node: &Node| live.put(node),
        );
        Ok(self.live.newest(amended.await?))
    }

    async fn get(&self, id: NodeId) -> Result<Node> {
        if let Some(node) = self.live.get(id) {
            return Ok(node);
        }
        let node = row::node(&self.reads, id).await?;
        node.ok_or_else(|| refusal::node_not_found(id))
    }

    async fn list(&self, filter: NodeFilter) -> Result<Vec<Node>> {
        let mut nodes = self.live.list(&filter);
        if filter.retired {
            let retired = row::nodes(&self.reads, row::Which::Retired).await?;
            nodes.extend(retired.into_iter().filter(|node| filter.fits(node)));
        }
        nodes.sort_by(|left, right| (&left.name, left.id).cmp(&(&right.name, right.id)));
        // A node that was retired between the two looks is in both.
        nodes.dedup_by(|left, right| left.id == right.id);
        Ok(nodes)
    }
}

/// Whether a node is kept in memory.
fn is_live(node: &Node) -> bool {
    node.admission != Admission::Retired
}
