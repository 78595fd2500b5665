//! Where a task may run: read from a request, and explained.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cortex_core::account::Scope;
use cortex_core::capability::Requirement;
use cortex_core::capability::requirement::Reason;
use cortex_core::placement::Objection;
use cortex_core::task::FirstOf;
use cortex_core::task::Otherwise;
use cortex_core::task::Target;
use cortex_proto::json::DispatchRequest;
use cortex_proto::json::ExplanationInfo;
use cortex_proto::json::FitInfo;
use cortex_proto::json::Page;
use cortex_proto::json::ReasonInfo;

use super::Api;
use super::delivery::wait_info;
use super::dispatch::draft_of;
use super::extract::Body;
use super::extract::InPath;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use super::nodes::read_selector;
use super::tasks::read_id;
use crate::hub::Fitness;

/// Says of each node of a session whether it could take a task now, and why not.
///
/// Takes what `dispatch` takes, and sends nothing; what is to be done may be left out. Nodes that
/// could take it come first.
#[utoipa::path(
    post, path = "/api/sessions/{id}/explain", operation_id = "explain_task", tag = "tasks",
    params(("id" = String, Path, description = "`ses_…`, or `default` for the caller's own")),
    request_body = DispatchRequest,
    responses((status = 200, description = "All nodes that could be meant", body = Page<FitInfo>))
)]
pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(session): InPath<String>,
    Body(body): Body<DispatchRequest>,
) -> Answer<Json<Page<FitInfo>>> {
    let aim = Aim::of(&body)?;
    let mut draft = draft_of(body)?;
    draft.spec.target = aim.resolve(&api, &caller, Scope::Read).await?;
    let fitness = api.hub.explain(&caller, &session, draft).await?;
    Ok(Json(Page { items: fitness.iter().map(fit_info).collect(), next_cursor: None }))
}

/// Says why a task is where it is.
///
/// Of a task that waits: what it waits for, how many of its user's go before it, and of each node
/// that it could mean whether it could take the task now, and why not. Of another: what let it be on
/// its node.
#[utoipa::path(
    get, path = "/api/tasks/{id}/explain", operation_id = "explain_placement", tag = "tasks",
    params(("id" = String, Path, description = "`tsk_…`")),
    responses((status = 200, description = "Why it is where it is", body = ExplanationInfo))
)]
pub(super) async fn explain_task(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Answer<Json<ExplanationInfo>> {
    let explanation = api.hub.explain_task(&caller, read_id(&id)?).await?;
    Ok(Json(ExplanationInfo {
        task: explanation.task.id.to_string(),
        state: explanation.task.state.word().to_owned(),
        message: explanation.message(),
        node: explanation.place.as_ref().map(|(node, ..)| node.to_string()),
        nodes: explanation.nodes.iter().map(fit_info).collect(),
        waiting: explanation.waiting.map(wait_info),
    }))
}

/// Where a request wants its task to run, with nodes still by name.
#[derive(Debug, PartialEq)]
pub(super) enum Aim {
    At(Target),
    FirstOf(Vec<String>, Otherwise),
}

impl Aim {
    /// Reads it; a single `node` is the draft's business.
    pub(super) fn of(body: &DispatchRequest) -> Answer<Self> {
        let has_first = !body.first_of.is_empty();
        let ways = [
            ("node", body.node.is_some()),
            ("labels", body.labels.is_some()),
            ("require", body.require.is_some()),
            ("any", body.any),
        ];
        let given: Vec<_> = ways.into_iter().filter(|(_, given)| *given).map(|way| way.0).collect();
        if let [first, second, ..] = given[..] {
            let message = format!("give \"{first}\" or \"{second}\", not both");
            return Err(Failure::invalid("target", message));
        }
        if has_first && let ["node" | "labels"] = given[..] {
            let message = format!("give \"first_of\" or \"{}\", not both", given[0]);
            return Err(Failure::invalid("target", message));
        }
        let requirement = body.require.as_deref().map(read_requirement).transpose()?;
        if has_first {
            let otherwise = match requirement {
                Some(requirement) => Otherwise::Requires(requirement),
                None if body.any => Otherwise::Any,
                None => Otherwise::Nowhere,
            };
            return Ok(Self::FirstOf(body.first_of.clone(), otherwise));
        }
        Ok(Self::At(match (requirement, &body.labels) {
            (Some(requirement), _) => Target::Requires(requirement),
            (None, Some(labels)) => Target::Labels(read_selector(labels)?),
            (None, None) => Target::Any,
        }))
    }

    /// Finds the nodes that are named.
    pub(super) async fn resolve(self, api: &Api, caller: &Caller, scope: Scope) -> Answer<Target> {
        match self {
            Self::At(target) => Ok(target),
            Self::FirstOf(names, otherwise) => {
                let nodes = api.hub.named_nodes(caller, &names, scope).await?;
                Ok(Target::FirstOf(FirstOf { nodes, otherwise }))
            }
        }
    }
}

fn read_requirement(text: &str) -> Answer<Requirement> {
    let requirement: Result<Requirement, _> = text.parse();
    Ok(requirement.map_err(cortex_core::Error::from)?)
}

fn fit_info(fitness: &Fitness) -> FitInfo {
    FitInfo {
        node: fitness.node.to_string(),
        name: fitness.name.clone(),
        fits: fitness.objections.is_empty(),
        reasons: fitness.objections.iter().map(reason_info).collect(),
        kept: fitness.kept,
    }
}

fn reason_info(objection: &Objection) -> ReasonInfo {
    let condition = match objection {
        Objection::Unmet(Reason::Unmet { condition, .. } | Reason::Unknown { condition, .. }) => {
            Some(condition.clone())
        }
        _ => None,
    };
    ReasonInfo { code: objection.word().to_owned(), message: objection.to_string(), condition }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &DispatchRequest) -> String {
        Aim::of(body).unwrap_err().problem("").code
    }

    fn body(change: impl FnOnce(&mut DispatchRequest)) -> DispatchRequest {
        let mut body = DispatchRequest::default();
        change(&mut body);
        body
    }

    #[test]
    fn each_way_to_name_nodes_is_read() {
        let requirement: Requirement = "os == \"linux\"".parse().unwrap();
        let require = Some("os=='linux'".to_owned());
        let names = vec!["a".to_owned(), "b".to_owned()];
        let first = |otherwise| Aim::FirstOf(names.clone(), otherwise);
        for (body, aim) in [
            (body(|_| ()), Aim::At(Target::Any)),
            (body(|one| one.any = true), Aim::At(Target::Any)),
            (
                body(|one| one.require = require.clone()),
                Aim::At(Target::Requires(requirement.clone())),
            ),
            (body(|one| one.first_of = names.clone()), first(Otherwise::Nowhere)),
            (body(|one| (one.first_of, one.any) = (names.clone(), true)), first(Otherwise::Any)),
            (
                body(|one| (one.first_of, one.require) = (names.clone(), require.clone())),
                first(Otherwise::Requires(requirement)),
            ),
        ] {
            assert_eq!(Aim::of(&body).unwrap(), aim);
        }
    }

    #[test]
    fn two_ways_at_once_and_bad_requirements_are_refused() {
        let text = || Some("x".to_owned());
        assert_eq!(code(&body(|one| (one.node, one.labels) = (text(), text()))), "target");
        assert_eq!(code(&body(|one| (one.require, one.any) = (text(), true))), "target");
        let first = vec!["a".to_owned()];
        assert_eq!(code(&body(|one| (one.first_of, one.node) = (first, text()))), "target");
        let bad = body(|one| one.require = Some("gpu.memry > 1GB".into()));
        let problem = Aim::of(&bad).unwrap_err().problem("");
        assert_eq!((problem.status, problem.code.as_str()), (422, "requirement_field"));
        assert_eq!(problem.hint.as_deref(), Some("did you mean gpu.memory?"));
    }
}
