//! The skills that nodes offer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cortex_core::capability::Schema;
use cortex_core::node::Status;
use cortex_core::timestamp::Timestamp;
use cortex_proto::json::Page;
use cortex_proto::json::SkillInfo;
use cortex_proto::json::SkillPlace;
use serde::Deserialize;

use super::Api;
use super::extract::InPath;
use super::extract::Params;
use super::failure::Answer;
use super::guard::Caller;
use crate::clock;
use crate::hub::SkillOffer;

/// Nodes of a skill that are named.
const MOST_PLACES: usize = 100;

/// Whose skills to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only those of this node, by id or name.
    node: Option<String>,
}

/// Lists the skills of the caller's nodes by name, without their schemas.
#[utoipa::path(
    get, path = "/api/skills", operation_id = "list_skills", tag = "skills",
    params(Filter),
    responses((status = 200, description = "All skills", body = Page<SkillInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Answer<Json<Page<SkillInfo>>> {
    let offers = api.hub.skills(&caller, filter.node.as_deref()).await?;
    let now = clock::now();
    let items = offers.iter().map(|offer| skill_info(offer, now)).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Shows a skill with its schemas: once for each way in which nodes describe it.
#[utoipa::path(
    get, path = "/api/skills/{name}", operation_id = "get_skill", tag = "skills",
    params(("name" = String, Path, description = "The skill's name")),
    responses((status = 200, description = "What nodes offer under that name", body = Page<SkillInfo>))
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(name): InPath<String>,
) -> Answer<Json<Page<SkillInfo>>> {
    let offers = api.hub.skill(&caller, &name).await?;
    let now = clock::now();
    let whole = |offer: &SkillOffer| SkillInfo {
        input: said(&offer.skill.form.input),
        output: said(&offer.skill.form.output),
        ..skill_info(offer, now)
    };
    Ok(Json(Page { items: offers.iter().map(whole).collect(), next_cursor: None }))
}

fn skill_info(offer: &SkillOffer, now: Timestamp) -> SkillInfo {
    let mut places: Vec<_> = offer.nodes.iter().map(|node| (node.status(now), node)).collect();
    // Stable: they are by name.
    places.sort_by_key(|(status, _)| *status != Status::Online);
    let online = places.iter().filter(|(status, _)| *status == Status::Online).count();
    let place = |(status, node): &(Status, &cortex_core::node::Node)| SkillPlace {
        id: node.id.to_string(),
        name: node.name.clone(),
        status: status.word().to_owned(),
    };
    SkillInfo {
        name: offer.skill.name.clone(),
        version: offer.skill.version.clone(),
        summary: offer.skill.form.summary.clone(),
        input: None,
        output: None,
        node_count: u32::try_from(places.len()).unwrap_or(u32::MAX),
        online_count: u32::try_from(online).unwrap_or(u32::MAX),
        nodes: places.iter().take(MOST_PLACES).map(place).collect(),
    }
}

/// A schema as JSON; nothing where the node said nothing.
fn said(schema: &Schema) -> Option<serde_json::Value> {
    if schema.text().is_empty() { None } else { schema.read().ok() }
}
