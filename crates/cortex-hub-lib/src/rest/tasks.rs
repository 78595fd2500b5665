//! Tasks: list, look, wait, cancel.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use cortex_core::id::TaskId;
use cortex_core::session::TaskFilter;
use cortex_core::task::Stream;
use cortex_core::task::Task;
use cortex_proto::json::CancelBody;
use cortex_proto::json::Page;
use cortex_proto::json::TaskInfo;
use cortex_proto::json::Text;
use serde::Deserialize;

use super::Api;
use super::convert::task_info;
use super::delivery::wait_info;
use super::extract::BodyOrDefault;
use super::extract::InPath;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;

/// The longest wait of one request, in seconds.
const MAX_WAIT: u64 = 60;
const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;
/// Bytes of each stream's end that a waiting request is answered with.
const TAIL_BYTES: u64 = 64 << 10;
const DEFAULT_REASON: &str = "asked for";
const MAX_REASON_CHARS: usize = 256;

/// Which tasks to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only tasks of this session: its id, or `default`.
    session: Option<String>,
    /// Only tasks whose current or last attempt is on this node: its id or name.
    node: Option<String>,
    /// Only tasks that have not ended.
    #[serde(default)]
    open: bool,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// At most this many; 100 if absent, 1,000 at most.
    limit: Option<usize>,
}

/// How long to wait for a task's end.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// Answer when the task has ended, or after this many seconds; 60 at most.
    wait: Option<u64>,
}

impl Wait {
    /// The span, if one was asked for.
    pub(super) fn span(&self) -> Answer<Option<Duration>> {
        match self.wait {
            Some(seconds) if seconds > MAX_WAIT => Err(Failure::invalid(
                "wait",
                format!("wait: at most {MAX_WAIT} seconds, and again after that"),
            )),
            seconds => Ok(seconds.map(Duration::from_secs)),
        }
    }
}

/// Lists tasks, newest first.
#[utoipa::path(
    get, path = "/api/tasks", operation_id = "list_tasks", tag = "tasks",
    params(Filter),
    responses((status = 200, description = "A page of the tasks that fit and that the caller may see", body = Page<TaskInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(params): Params<Filter>,
) -> Answer<Json<Page<TaskInfo>>> {
    let limit = params.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let session = match &params.session {
        Some(key) => Some(api.hub.session(&caller, key).await?.id),
        None => None,
    };
    let node = match &params.node {
        Some(key) => Some(api.hub.node(&caller, key).await?.id),
        None => None,
    };
    let before = params.cursor.as_deref().map(read_cursor).transpose()?;
    let filter = TaskFilter {
        session,
        node,
        open: params.open,
        before,
        // One more than is shown tells whether there is a next page.
        limit: limit + 1,
        ..TaskFilter::default()
    };
    let tasks = api.hub.tasks(&caller, filter).await?;
    let shown = &tasks[..tasks.len().min(limit)];
    let next_cursor =
        (tasks.len() > limit).then(|| shown.last().map(|last| last.id.to_string())).flatten();
    Ok(Json(Page { items: shown.iter().map(|task| task_info(task)).collect(), next_cursor }))
}

/// Shows a task, at once or when it has ended.
///
/// With `wait`, the answer of an ended task has the ends of its output.
#[utoipa::path(
    get, path = "/api/tasks/{id}", operation_id = "get_task", tag = "tasks",
    params(("id" = String, Path, description = "`tsk_…`"), Wait),
    responses((status = 200, description = "The task as it now is", body = TaskInfo))
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Params(wait): Params<Wait>,
) -> Answer<Json<TaskInfo>> {
    let id = read_id(&id)?;
    let Some(span) = wait.span()? else {
        let mut info = task_info(&*api.hub.task(&caller, id).await?);
        info.waiting = api.hub.waiting(&caller, id).await?.map(wait_info);
        return Ok(Json(info));
    };
    let task = api.hub.wait(&caller, id, span).await?;
    Ok(Json(with_tails(&api, &caller, &task).await?))
}

/// Asks for a task's end.
///
/// A queued task has ended with the answer; a running one is `cancelling` until its node has
/// confirmed.
#[utoipa::path(
    post, path = "/api/tasks/{id}/cancel", operation_id = "cancel_task", tag = "tasks",
    params(("id" = String, Path, description = "`tsk_…`")),
    request_body = CancelBody,
    responses((status = 200, description = "The task as it now is", body = TaskInfo))
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
    BodyOrDefault(body): BodyOrDefault<CancelBody>,
) -> Answer<Json<TaskInfo>> {
    let id = read_id(&id)?;
    let reason = body.reason.as_deref().unwrap_or(DEFAULT_REASON);
    if reason.chars().count() > MAX_REASON_CHARS {
        let message = format!("reason: at most {MAX_REASON_CHARS} characters");
        return Err(Failure::invalid("reason", message));
    }
    let task = api.hub.cancel(&caller, id, reason).await?;
    Ok(Json(task_info(&task)))
}

/// Reads a task's id from a path: what is none names no task.
pub(super) fn read_id(text: &str) -> Answer<TaskId> {
    text.parse().map_err(|_| {
        Failure::not_found(format!("no task \"{text}\"")).with_hint("cortex-cli task list")
    })
}

/// A task with the ends of its output, once it has ended.
pub(super) async fn with_tails(api: &Api, caller: &Caller, task: &Task) -> Answer<TaskInfo> {
    let mut info = task_info(task);
    if task.state.is_end() {
        info.stdout = Some(tail(api, caller, task, Stream::Stdout).await?);
        if !info.terminal {
            info.stderr = Some(tail(api, caller, task, Stream::Stderr).await?);
        }
    }
    Ok(info)
}

async fn tail(api: &Api, caller: &Caller, task: &Task, stream: Stream) -> Answer<Text> {
    let totals = task.output.of(stream);
    let (mut offset, end) = (totals.last(TAIL_BYTES), totals.arrived());
    let is_cut = offset > 0;
    let mut bytes = Vec::new();
    while offset < end {
        let limit = usize::try_from(end - offset).unwrap_or(usize::MAX);
        let part = api.hub.output(caller, task.id, stream, offset, limit).await?;
        if part.data.is_empty() {
            break;
        }
        offset += part.data.len() as u64;
        bytes.extend_from_slice(&part.data);
    }
    Ok(Text::of(from_whole_character(&bytes, is_cut)))
}

/// Leaves out the rest of a character that the tail's beginning has cut.
fn from_whole_character(bytes: &[u8], is_cut: bool) -> &[u8] {
    if !is_cut {
        return bytes;
    }
    let continues = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    let skip = bytes.iter().take(3).take_while(continues).count();
    &bytes[skip..]
}

fn read_cursor(text: &str) -> Answer<TaskId> {
    text.parse().map_err(|_| Failure::invalid("cursor", "cursor: not one that this list gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_character_is_left_out_and_a_whole_one_stays() {
        let text = "aä".as_bytes();
        assert_eq!(from_whole_character(&text[2..], true), b"");
        assert_eq!(from_whole_character(&text[1..], true), "ä".as_bytes());
        assert_eq!(from_whole_character(b"\x80\x80", false), b"\x80\x80");
        assert_eq!(from_whole_character(b"\x80\x80\x80\x80a", true), b"\x80a");
    }

    #[test]
    fn a_wait_has_an_upper_bound() {
        let wait = |seconds| Wait { wait: seconds }.span();
        assert_eq!(wait(None).unwrap(), None);
        assert_eq!(wait(Some(60)).unwrap(), Some(Duration::from_secs(60)));
        assert_eq!(wait(Some(61)).unwrap_err().problem("").code, "wait");
    }

    #[test]
    fn an_id_that_is_none_names_no_task() {
        assert_eq!(read_id("nod_x").unwrap_err().problem("").status, 404);
        assert_eq!(read_cursor("x").unwrap_err().problem("").status, 422);
    }
}
