//! The hub's own keys, and their rotation.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cortex_core::ring::Act;
use cortex_core::ring::Phase;
use cortex_proto::json::TrustInfo;
use cortex_proto::json::TrustKeyInfo;
use cortex_proto::json::TrustRequest;
use cortex_proto::json::TrustRingInfo;

use super::Api;
use super::extract::BodyOrDefault;
use super::extract::InPath;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use crate::hub::TrustState;
use crate::trust::KeyState;
use crate::trust::Purpose;
use crate::trust::RingState;

/// Shows the hub's keys and how far connected nodes know them. For admins.
#[utoipa::path(
    get, path = "/api/trust", operation_id = "get_trust", tag = "trust",
    responses((status = 200, description = "The keys as they are", body = TrustInfo))
)]
pub(super) async fn get(State(api): State<Arc<Api>>, caller: Caller) -> Answer<Json<TrustInfo>> {
    Ok(Json(trust_info(&api.hub.trust_state(&caller)?)))
}

/// Takes a step of a rotation. For admins.
///
/// The steps are `prepare`, `activate`, `taint` and `revoke`, in this order; `rollback` takes back
/// the last one. Connected nodes are told at once, others when they come back. A tainted key is
/// revoked by itself when its time is over. 409: it is not this step's turn; connected nodes have
/// not got the next key yet; or a tainted key's time is not over.
#[utoipa::path(
    post, path = "/api/trust/{ring}/{act}", operation_id = "turn_trust", tag = "trust",
    params(
        ("ring" = String, Path, description = "`ca` or `signing`"),
        ("act" = String, Path, description = "`prepare`, `activate`, `taint`, `revoke`, `rollback`"),
    ),
    request_body = TrustRequest,
    responses((status = 200, description = "The keys as they now are", body = TrustInfo))
)]
pub(super) async fn turn(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath((ring, act)): InPath<(String, String)>,
    BodyOrDefault(request): BodyOrDefault<TrustRequest>,
) -> Answer<Json<TrustInfo>> {
    let purpose: Purpose = ring.parse().map_err(|error| unknown("ring", &ring, error))?;
    let act: Act = act.parse().map_err(|error| unknown("act", &act, error))?;
    let state = api.hub.turn_trust(&caller, purpose, act, request.force).await?;
    Ok(Json(trust_info(&state)))
}

fn unknown(what: &str, word: &str, error: impl std::fmt::Display) -> Failure {
    Failure::not_found(format!("no {what} \"{word}\": {error}"))
}

fn trust_info(state: &TrustState) -> TrustInfo {
    TrustInfo {
        serial: state.serial,
        trust_anchor: hex::encode(state.anchor),
        rings: state.rings.iter().map(ring_info).collect(),
        nodes_online: u64::try_from(state.nodes_online).unwrap_or(u64::MAX),
        nodes_behind: state.nodes_behind.clone(),
    }
}

fn ring_info(ring: &RingState) -> TrustRingInfo {
    TrustRingInfo {
        ring: ring.purpose.word().to_owned(),
        keys: ring.keys.iter().map(key_info).collect(),
        next: ring.next.word().to_owned(),
    }
}

fn key_info(key: &KeyState) -> TrustKeyInfo {
    let accepted_until = match key.phase {
        Phase::Tainted { until } => Some(until.to_string()),
        _ => None,
    };
    TrustKeyInfo {
        number: key.number,
        phase: key.phase.word().to_owned(),
        accepted_until,
        pin: key.pin.map(hex::encode),
    }
}
