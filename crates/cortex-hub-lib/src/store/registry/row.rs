//! Nodes and invites as rows.

use std::collections::HashMap;

use cortex_core::Result;
use cortex_core::id::NodeId;
use cortex_core::invite::Invite;
use cortex_core::node::Admission;
use cortex_core::node::Health;
use cortex_core::node::JoinState;
use cortex_core::node::Node;
use cortex_core::node::Presence;
use cortex_core::timestamp::Timestamp;
use sea_orm::ColumnTrait as _;
use sea_orm::ConnectionTrait;
use sea_orm::EntityTrait as _;
use sea_orm::QueryFilter as _;

use crate::store::column;
use crate::store::entity::invite;
use crate::store::entity::node;
use crate::store::entity::presence;
use crate::store::fault::fault;

/// Which nodes to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Live,
    Retired,
}

/// Reads a node.
pub(super) async fn node<C: ConnectionTrait>(connection: &C, id: NodeId) -> Result<Option<Node>> {
    let row = node::Entity::find_by_id(column::blob(id)).one(connection).await;
    let Some(row) = row.map_err(|error| fault("find node", error))? else { return Ok(None) };
    let presence = presence::Entity::find_by_id(column::blob(id)).one(connection).await;
    let presence = presence.map_err(|error| fault("find node", error))?;
    to_node(row, presence).map(Some)
}

/// Reads many nodes, in no order.
pub(super) async fn nodes<C: ConnectionTrait>(connection: &C, which: Which) -> Result<Vec<Node>> {
    let retired = column::to_word(&Admission::Retired);
    let fits = match which {
        Which::Live => node::Column::Admission.ne(retired),
        Which::Retired => node::Column::Admission.eq(retired),
    };
    let rows = node::Entity::find().filter(fits).all(connection).await;
    let rows = rows.map_err(|error| fault("list nodes", error))?;
    let presences = presence::Entity::find().all(connection).await;
    let presences = presences.map_err(|error| fault("list nodes", error))?;
    let mut presences: HashMap<_, _> =
        presences.into_iter().map(|row| (row.node_id.clone(), row)).collect();
    let node = |row: node::Model| {
        let presence = presences.remove(&row.id);
        to_node(row, presence)
    };
    rows.into_iter().map(node).collect()
}

/// The row of a node.
pub(super) fn of_node(node: &Node) -> node::Model {
    node::Model {
        id: column::blob(node.id),
        owner_id: column::blob(node.owner),
        name: node.name.clone(),
        grants: column::to_json(&node.grants),
        identity: node.identity.to_vec(),
        former_keys: column::to_json(&node.former_keys),
        labels: column::to_json(&node.labels),
        admission: column::to_word(&node.admission),
        cordoned: node.cordoned,
        capabilities: node.capabilities.as_ref().map(column::to_json),
        version: node.version.clone(),
        enrolled_at: node.enrolled_at.as_millis(),
        generation: column::count(node.join.generation),
        renewed_for: node.join.renewed_for.map(|digest| digest.to_vec()),
        suspicion: node.suspicion.as_ref().map(column::to_word),
    }
}

/// The row of a node's presence.
pub(super) fn of_presence(id: NodeId, presence: &Presence) -> presence::Model {
    presence::Model {
        node_id: column::blob(id),
        epoch: column::count(presence.epoch),
        open: presence.open,
        boot: presence.boot.map(column::blob),
        since: column::millis(presence.since),
        last_seen: column::millis(presence.last_seen),
        health: presence.health.as_ref().map(|health| column::to_json(&finite(health))),
    }
}

/// The row of an invite.
pub(super) fn of_invite(invite: &Invite) -> invite::Model {
    invite::Model {
        id: column::blob(invite.id),
        owner_id: column::blob(invite.owner),
        name: invite.name.clone(),
        secret_digest: invite.secret_digest.to_vec(),
        labels: column::to_json(&invite.labels),
        created_at: invite.created_at.as_millis(),
        expires_at: invite.expires_at.as_millis(),
        fate: column::to_json(&invite.fate),
    }
}

/// Reads an invite.
pub(super) fn to_invite(row: &invite::Model) -> Result<Invite> {
    Ok(Invite {
        id: column::id(&row.id)?,
        secret_digest: column::digest(&row.secret_digest)?,
        owner: column::id(&row.owner_id)?,
        name: row.name.clone(),
        labels: column::from_json("invite", &row.labels)?,
        created_at: Timestamp::from_millis(row.created_at),
        expires_at: Timestamp::from_millis(row.expires_at),
        fate: column::from_json("invite", &row.fate)?,
    })
}

fn to_node(row: node::Model, presence: Option<presence::Model>) -> Result<Node> {
    let capabilities = row.capabilities.map(|json| column::from_json("list of capabilities", json));
    let suspicion = row.suspicion.map(|word| column::from_word("suspicion", &word));
    let join = JoinState {
        generation: column::uncount(row.generation),
        renewed_for: row.renewed_for.as_deref().map(column::digest).transpose()?,
    };
    Ok(Node {
        id: column::id(&row.id)?,
        owner: column::id(&row.owner_id)?,
        grants: column::from_json("list of grants", &row.grants)?,
        identity: column::digest(&row.identity)?,
        former_keys: column::from_json("list of former keys", &row.former_keys)?,
        labels: column::from_json("list of labels", &row.labels)?,
        admission: column::from_word("admission", &row.admission)?,
        suspicion: suspicion.transpose()?,
        join,
        cordoned: row.cordoned,
        capabilities: capabilities.transpose()?,
        version: row.version,
        enrolled_at: Timestamp::from_millis(row.enrolled_at),
        presence: presence.map(to_presence).transpose()?.unwrap_or_default(),
        name: row.name,
    })
}

fn to_presence(row: presence::Model) -> Result<Presence> {
    let health = row.health.map(|json| column::from_json("health report", json));
    Ok(Presence {
        epoch: column::uncount(row.epoch),
        open: row.open,
        boot: row.boot.as_deref().map(column::id).transpose()?,
        since: column::time(row.since),
        last_seen: column::time(row.last_seen),
        health: health.transpose()?,
    })
}

/// JSON has no word for what is no number, so it becomes zero.
fn finite(health: &Health) -> Health {
    let or_zero = |value: f32| if value.is_finite() { value } else { 0.0 };
    Health {
        cpu_percent: or_zero(health.cpu_percent),
        load_one: or_zero(health.load_one),
        ..health.clone()
    }
}
