//! Changes of nodes and invites, each inside the writer's transaction.

use std::collections::HashSet;

use cortex_core::Result;
use cortex_core::id::InviteId;
use cortex_core::id::NodeId;
use cortex_core::id::UserId;
use cortex_core::invite::Invite;
use cortex_core::invite::InviteError;
use cortex_core::node::Node;
use cortex_core::node::Presence;
use cortex_core::node::Sighting;
use cortex_core::registry::Enrolled;
use cortex_core::registry::Enrolment;
use cortex_core::registry::InviteAct;
use cortex_core::registry::NodeChange;
use cortex_core::registry::refusal;
use cortex_core::timestamp::Timestamp;
use sea_orm::ActiveModelTrait as _;
use sea_orm::ColumnTrait as _;
use sea_orm::DbErr;
use sea_orm::EntityTrait as _;
use sea_orm::IntoActiveModel as _;
use sea_orm::QueryFilter as _;
use sea_orm::QuerySelect as _;
use sea_orm::sea_query::Expr;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::sea_query::OnConflict;

use super::row;
use crate::store::column;
use crate::store::connection::WriteConnection;
use crate::store::entity::invite;
use crate::store::entity::node;
use crate::store::entity::presence;
use crate::store::fault::fault;

/// Rows in one statement.
const ROWS: usize = 200;

/// Stores an invite, or withdraws one.
pub(super) async fn invite(
    writes: &WriteConnection,
    act: InviteAct,
    now: Timestamp,
) -> Result<Invite> {
    match act {
        InviteAct::Issue(invite) => {
            if find_invite(writes, invite.id).await?.is_some() {
                return Err(refusal::invite_exists(invite.id));
            }
            let row = row::of_invite(&invite).into_active_model();
            let stored = invite::Entity::insert(row).exec_without_returning(writes).await;
            stored.map_err(failed("issue invite"))?;
            Ok(invite)
        }
        InviteAct::Withdraw(id) => {
            let stored = find_invite(writes, id).await?;
            let mut invite = stored.ok_or_else(|| refusal::invite_not_found(id))?;
            invite.withdraw(now)?;
            update_fate(writes, &invite).await?;
            Ok(invite)
        }
    }
}

/// Uses an invite and makes its node.
pub(super) async fn enroll(
    writes: &WriteConnection,
    enrolment: Enrolment,
    now: Timestamp,
) -> Result<Node> {
    let stored = find_invite(writes, enrolment.invite).await?;
    // Whoever guesses an id learns no more than whoever guesses a secret.
    let mut invite = stored.ok_or(InviteError::WrongSecret)?;
    let taken = live_names(writes, invite.owner, &invite.name, None).await?;
    let node = match invite.enroll(&enrolment, |name| taken.contains(name), now)? {
        Enrolled::Replay(node) => return find_node(writes, node).await,
        Enrolled::New(node) => node,
    };
    if row::node(writes, node.id).await?.is_some() {
        return Err(refusal::node_exists(node.id));
    }
    update_fate(writes, &invite).await?;
    let row = row::of_node(&node).into_active_model();
    let stored = node::Entity::insert(row).exec_without_returning(writes).await;
    stored.map_err(failed("enrol node"))?;
    Ok(*node)
}

/// Records an opened or closed stream, or a beat of a node that is not in memory.
///
/// `newest` adds what is known in memory only.
pub(super) async fn sight(
    writes: &WriteConnection,
    id: NodeId,
    newest: impl FnOnce(Node) -> Node + Send,
    sighting: Sighting,
    now: Timestamp,
) -> Result<Node> {
    let mut node = newest(find_node(writes, id).await?);
    let changes_node = matches!(sighting, Sighting::Opened { .. } | Sighting::Described { .. });
    node.sight(sighting, now)?;
    if changes_node {
        update_node(writes, &node).await?;
    }
    let row = row::of_presence(id, &node.presence).into_active_model();
    let replace = OnConflict::column(presence::Column::NodeId)
        .update_columns([
            presence::Column::Epoch,
            presence::Column::Open,
            presence::Column::Boot,
            presence::Column::Since,
            presence::Column::LastSeen,
            presence::Column::Health,
        ])
        .to_owned();
    let stored = presence::Entity::insert(row).on_conflict(replace);
    stored.exec_without_returning(writes).await.map_err(failed("record sighting"))?;
    Ok(node)
}

/// Changes a node; if a change is refused, the transaction stores none.
pub(super) async fn amend(
    writes: &WriteConnection,
    id: NodeId,
    changes: Vec<NodeChange>,
) -> Result<Node> {
    let mut node = find_node(writes, id).await?;
    let is_renamed = changes.iter().any(|change| matches!(change, NodeChange::Rename(_)));
    node.amend(changes)?;
    if is_renamed {
        let others = live_names(writes, node.owner, &node.name, Some(id)).await?;
        if others.contains(&node.name) {
            return Err(refusal::name_taken(&node.name));
        }
    }
    update_node(writes, &node).await?;
    Ok(node)
}

/// Stores heartbeats; those of a stream that was replaced meanwhile are left out.
pub(super) async fn store_beats(
    writes: &WriteConnection,
    beats: Vec<(NodeId, Presence)>,
) -> Result<()> {
    for beats in beats.chunks(ROWS) {
        let rows =
            beats.iter().map(|(id, presence)| row::of_presence(*id, presence).into_active_model());
        let same_stream = Expr::col((presence::Entity, presence::Column::Epoch))
            .eq(Expr::col(("excluded", presence::Column::Epoch)));
        let refresh = OnConflict::column(presence::Column::NodeId)
            .update_columns([presence::Column::LastSeen, presence::Column::Health])
            .action_and_where(same_stream)
            .to_owned();
        let stored = presence::Entity::insert_many(rows).on_conflict(refresh);
        stored.exec_without_returning(writes).await.map_err(failed("store heartbeats"))?;
    }
    Ok(())
}

fn failed(operation: &'static str) -> impl FnOnce(DbErr) -> cortex_core::Error {
    move |error| fault(operation, error)
}

async fn find_node(writes: &WriteConnection, id: NodeId) -> Result<Node> {
    row::node(writes, id).await?.ok_or_else(|| refusal::node_not_found(id))
}

async fn find_invite(writes: &WriteConnection, id: InviteId) -> Result<Option<Invite>> {
    let row = invite::Entity::find_by_id(column::blob(id)).one(writes).await;
    let row = row.map_err(failed("find invite"))?;
    row.as_ref().map(row::to_invite).transpose()
}

/// The names of the owner's live nodes, but for one node's.
/// The names of an owner's nodes that are `name`, or `name-` and something: all that
/// [`free_name`](cortex_core::registry::free_name) can ask for.
async fn live_names(
    writes: &WriteConnection,
    owner: UserId,
    name: &str,
    except: Option<NodeId>,
) -> Result<HashSet<String>> {
    let rows: Vec<(Vec<u8>, String)> = node::Entity::find()
        .select_only()
        .columns([node::Column::Id, node::Column::Name])
        .filter(node::Column::OwnerId.eq(column::blob(owner)))
        // The dot comes right after the hyphen.
        .filter(node::Column::Name.gte(name))
        .filter(node::Column::Name.lt(format!("{name}.")))
        // In the words of the index on live names: SQLite takes it for nothing else.
        .filter(Expr::cust("\"admission\" <> 'retired'"))
        .into_tuple()
        .all(writes)
        .await
        .map_err(failed("find node"))?;
    let except = except.map(column::blob);
    let others = rows.into_iter().filter(|(id, _)| Some(id) != except.as_ref());
    Ok(others.map(|(_, name)| name).collect())
}

async fn update_fate(writes: &WriteConnection, invite: &Invite) -> Result<()> {
    let row = row::of_invite(invite).into_active_model().reset_all();
    invite::Entity::update(row).exec(writes).await.map_err(failed("change invite"))?;
    Ok(())
}

async fn update_node(writes: &WriteConnection, node: &Node) -> Result<()> {
    let row = row::of_node(node).into_active_model().reset_all();
    node::Entity::update(row).exec(writes).await.map_err(failed("change node"))?;
    Ok(())
}
