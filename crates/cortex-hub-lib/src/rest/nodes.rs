//! Nodes.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use cortex_core::account::Principal;
use cortex_core::capability::Selector;
use cortex_core::node::Node;
use cortex_core::registry::NodeChange;
use cortex_proto::json::DrainRequest;
use cortex_proto::json::NodeInfo;
use cortex_proto::json::NodePatch;
use cortex_proto::json::NodeStatusInfo;
use cortex_proto::json::Page;
use serde::Deserialize;

use super::Api;
use super::convert::node_info;
use super::convert::node_status;
use super::extract::Body;
use super::extract::BodyOrDefault;
use super::extract::InPath;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use crate::clock;

/// Which nodes to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only nodes with these labels, e.g. `role=build,arch!=arm`.
    labels: Option<String>,
    /// Only nodes with one of these states, e.g. `online` or `pending,offline`.
    status: Option<String>,
}

const STATUSES: [&str; 4] = ["pending", "online", "offline", "revoked"];

/// Lists nodes by name, those too that are shared with the caller.
#[utoipa::path(
    get, path = "/api/nodes", operation_id = "list_nodes", tag = "nodes",
    params(Filter),
    responses((status = 200, description = "All nodes that fit and that the caller may see", body = Page<NodeInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Answer<Json<Page<NodeInfo>>> {
    let labels = filter.labels.as_deref().map(read_selector).transpose()?;
    let wanted = filter.status.as_deref().map(read_statuses).transpose()?;
    let now = clock::now();
    let nodes = api.hub.nodes(&caller, labels).await?;
    let is_wanted = |word: &str| wanted.as_ref().is_none_or(|words| words.contains(&word));
    let mut items = Vec::new();
    for node in nodes.iter().filter(|node| is_wanted(node.status(now).word())) {
        items.push(shown(&api, &caller, node).await?);
    }
    Ok(Json(Page { items, next_cursor: None }))
}

/// Shows a node.
#[utoipa::path(
    get, path = "/api/nodes/{id}", operation_id = "get_node", tag = "nodes",
    params(("id" = String, Path, description = "`nod_…`, or its name")),
    responses((status = 200, description = "The node", body = NodeInfo))
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(key): InPath<String>,
) -> Answer<Json<NodeInfo>> {
    let node = api.hub.node(&caller, &key).await?;
    Ok(Json(shown(&api, &caller, &node).await?))
}

/// Shows whether a node is there, and how it is.
#[utoipa::path(
    get, path = "/api/nodes/{id}/status", operation_id = "get_node_status", tag = "nodes",
    params(("id" = String, Path, description = "`nod_…`, or its name")),
    responses((status = 200, description = "Its presence and health", body = NodeStatusInfo))
)]
pub(super) async fn status(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(key): InPath<String>,
) -> Answer<Json<NodeStatusInfo>> {
    let node = api.hub.node(&caller, &key).await?;
    let open = api.hub.open_tasks_on(node.id);
    Ok(Json(node_status(&node, open, clock::now())))
}

/// Changes a node. Keys that are absent stay as they are; if one change is refused, none is made.
///
/// For its owner, and for users with whom it is shared to manage.
#[utoipa::path(
    patch, path = "/api/nodes/{id}", operation_id = "change_node", tag = "nodes",
    params(("id" = String, Path, description = "`nod_…`, or its name")),
    request_body = NodePatch,
    responses((status = 200, description = "The node as it now is", body = NodeInfo))
)]
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(key): InPath<String>,
    Body(patch): Body<NodePatch>,
) -> Answer<Json<NodeInfo>> {
    let node = api.hub.amend_node(&caller, &key, changes_of(patch)).await?;
    Ok(Json(shown(&api, &caller, &node).await?))
}

/// Drains a node: new tasks go elsewhere, those that it has may end. It is empty when `tasks_open` of
/// its status is 0, and takes tasks again when `cordoned` is taken back.
///
/// For its owner, and for users with whom it is shared to manage.
#[utoipa::path(
    post, path = "/api/nodes/{id}/drain", operation_id = "drain_node", tag = "nodes",
    params(("id" = String, Path, description = "`nod_…`, or its name")),
    request_body = DrainRequest,
    responses((status = 200, description = "How the node is now", body = NodeStatusInfo))
)]
pub(super) async fn drain(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(key): InPath<String>,
    BodyOrDefault(body): BodyOrDefault<DrainRequest>,
) -> Answer<Json<NodeStatusInfo>> {
    let limit = body.timeout_ms.map(Duration::from_millis);
    let node = api.hub.drain_node(&caller, &key, limit).await?;
    let open = api.hub.open_tasks_on(node.id);
    Ok(Json(node_status(&node, open, clock::now())))
}

/// Removes a node for ever. Its tasks end, its stream is cut. For its owner.
#[utoipa::path(
    delete, path = "/api/nodes/{id}", operation_id = "remove_node", tag = "nodes",
    params(("id" = String, Path, description = "`nod_…`, or its name")),
    responses((status = 200, description = "The node as it was", body = NodeInfo))
)]
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(key): InPath<String>,
) -> Answer<Json<NodeInfo>> {
    let node = api.hub.amend_node(&caller, &key, vec![NodeChange::Retire]).await?;
    Ok(Json(shown(&api, &caller, &node).await?))
}

/// A node as the caller sees it.
async fn shown(api: &Api, caller: &Principal, node: &Node) -> Answer<NodeInfo> {
    let owner_name = api.hub.accounts().name_of(node.owner).await?;
    let open = api.hub.open_tasks_on(node.id);
    Ok(node_info(node, owner_name, caller.hold_of(node), open, clock::now()))
}

/// Reads a selector of labels.
pub(super) fn read_selector(text: &str) -> Answer<Selector> {
    text.parse().map_err(|error| Failure::invalid("labels", format!("labels: {error}")))
}

fn read_statuses(text: &str) -> Answer<Vec<&str>> {
    let words: Vec<_> = text.split(',').map(str::trim).collect();
    match words.iter().find(|word| !STATUSES.contains(word)) {
        None => Ok(words),
        Some(word) => Err(Failure::invalid(
            "status",
            format!("status: \"{word}\" is none of {}", STATUSES.join(", ")),
        )),
    }
}

fn changes_of(patch: NodePatch) -> Vec<NodeChange> {
    let changes = [
        patch.name.map(NodeChange::Rename),
        patch.labels.map(NodeChange::Relabel),
        patch.cordoned.map(NodeChange::Cordon),
        patch.locked.map(NodeChange::Lock),
    ];
    changes.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_does_not_exist_is_refused_by_name() {
        assert_eq!(read_statuses("online, pending").unwrap(), ["online", "pending"]);
        let problem = read_statuses("online,gone").unwrap_err().problem("");
        assert_eq!(problem.status, 422);
        assert!(problem.detail.contains("gone"), "{}", problem.detail);
    }

    #[test]
    fn only_what_is_there_is_changed() {
        assert!(changes_of(NodePatch::default()).is_empty());
        let patch = NodePatch { cordoned: Some(true), ..NodePatch::default() };
        assert_eq!(changes_of(patch), [NodeChange::Cordon(true)]);
    }
}
