//! The whole mesh in one answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cortex_proto::json::MeshHub;
use cortex_proto::json::MeshInfo;
use cortex_proto::json::MeshNode;
use cortex_proto::json::MeshNodes;
use cortex_proto::json::MeshRates;
use cortex_proto::json::MeshSlots;
use cortex_proto::json::MeshTasks;
use cortex_proto::json::RateInfo;
use serde::Deserialize;

use super::Api;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use crate::dispatch::Beats;
use crate::hub::Mesh;
use crate::hub::Order;

const DEFAULT_ROWS: usize = 100;
const MAX_ROWS: usize = 10_000;

/// Which nodes to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct View {
    /// What comes first: `name` (the default), `cpu`, `memory`, `load` or `tasks`.
    sort: Option<String>,
    /// At most this many nodes; 100 if absent, 10,000 at most. All are counted.
    limit: Option<usize>,
}

/// Shows the mesh at a glance: the caller's nodes with their slots and load, their tasks by state,
/// those that wait among them, how many begin and end a second, and how the hub is. An admin sees everybody's.
///
/// It may be asked for every second: the hub looks through its nodes once a second, whoever asks.
#[utoipa::path(
    get, path = "/api/mesh", operation_id = "get_mesh", tag = "hub",
    params(View),
    responses((status = 200, description = "The mesh", body = MeshInfo))
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(view): Params<View>,
) -> Answer<Json<MeshInfo>> {
    let order = read_order(view.sort.as_deref())?;
    let limit = view.limit.unwrap_or(DEFAULT_ROWS).min(MAX_ROWS);
    let mesh = api.hub.mesh(&caller, order, limit).await?;
    Ok(Json(mesh_info(&mesh, api.hub.version())))
}

fn read_order(text: Option<&str>) -> Answer<Order> {
    Ok(match text {
        None | Some("name") => Order::Name,
        Some("cpu") => Order::Cpu,
        Some("memory") => Order::Memory,
        Some("load") => Order::Load,
        Some("tasks") => Order::Tasks,
        Some(other) => {
            let message = format!("sort: \"{other}\" is none of name, cpu, memory, load, tasks");
            return Err(Failure::invalid("sort", message));
        }
    })
}

fn mesh_info(mesh: &Mesh, version: &str) -> MeshInfo {
    let row = |row: &crate::hub::MeshRow| {
        let health = row.node.presence.health.as_ref();
        MeshNode {
            id: row.node.id.to_string(),
            name: row.node.name.clone(),
            status: row.status.word().to_owned(),
            cordoned: row.node.cordoned,
            version: row.node.version.clone(),
            tasks: row.tasks,
            slots: row.node.slots(),
            slots_taken: row.taken,
            cpu_percent: health.map(|health| health.cpu_percent),
            load_one: health.map(|health| health.load_one),
            memory_used: health.map(|health| health.memory_used),
            memory_total: health.map(|health| health.memory_total),
        }
    };
    let [ten, sixty] = mesh.beats;
    MeshInfo {
        at: mesh.at.to_string(),
        hub: MeshHub {
            version: version.to_owned(),
            uptime_ms: u64::try_from(mesh.uptime.as_millis()).unwrap_or(u64::MAX),
            memory_bytes: mesh.memory,
        },
        node_counts: MeshNodes {
            total: mesh.nodes.total,
            online: mesh.nodes.online,
            offline: mesh.nodes.offline,
            pending: mesh.nodes.pending,
            revoked: mesh.nodes.revoked,
            cordoned: mesh.nodes.cordoned,
        },
        slots: MeshSlots { total: mesh.slots.total, taken: mesh.slots.taken },
        tasks: MeshTasks {
            queued: mesh.tasks.queued,
            assigned: mesh.tasks.assigned,
            running: mesh.tasks.running,
            cancelling: mesh.tasks.cancelling,
        },
        rates: MeshRates { ten_seconds: rates(ten, 10.0), minute: rates(sixty, 60.0) },
        nodes: mesh.rows.iter().map(row).collect(),
    }
}

fn rates(beats: Beats, seconds: f64) -> RateInfo {
    let rate = |count: u32| f64::from(count) / seconds;
    RateInfo {
        submitted: rate(beats.submitted),
        started: rate(beats.started),
        ended: rate(beats.ended),
        failed: rate(beats.failed),
    }
}
