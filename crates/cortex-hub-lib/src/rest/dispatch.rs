//! Sending a task: stored when the answer comes; on demand the answer waits, or streams the output.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;
use cortex_core::account::Scope;
use cortex_core::task::InputFile;
use cortex_core::task::OutputCap;
use cortex_core::task::Secrets;
use cortex_core::task::ShellWork;
use cortex_core::task::TaskSpec;
use cortex_core::task::Terminal;
use cortex_core::task::Window;
use cortex_core::task::Work;
use cortex_proto::json::DispatchRequest;
use cortex_proto::json::FileDraft;
use cortex_proto::json::TaskInfo;
use cortex_proto::json::TerminalDraft;
use futures::StreamExt as _;
use zeroize::Zeroizing;

use super::Api;
use super::convert::task_info;
use super::delivery::delivery_of;
use super::extract::Body;
use super::extract::IdempotencyKey;
use super::extract::InPath;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use super::output;
use super::placement::Aim;
use super::sse;
use super::tasks::Wait;
use super::tasks::with_tails;
use crate::hub::OutputCursor;
use crate::hub::TaskDraft;

/// Sends a task. When the answer comes, the task is stored and survives a crash.
///
/// With `wait`, the answer comes when the task has ended (200, with the ends of its output) or when
/// the time is over (202). With `Accept: text/event-stream`, it is a stream: `task` at once, `output`
/// and `progress` as they come, `end` at the end. If the client goes away, the task runs on.
#[utoipa::path(
    post, path = "/api/sessions/{id}/dispatch", operation_id = "dispatch_task", tag = "tasks",
    params(
        ("id" = String, Path, description = "`ses_…`, or `default` for the caller's own"),
        Wait,
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of the same request with the same key make one task"),
    ),
    request_body = DispatchRequest,
    responses(
        (status = 200, description = "The task has ended, or its events follow", content(
            (TaskInfo = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 202, description = "The task is stored", body = TaskInfo,
            headers(("Location" = String, description = "Where the task is, relative to this path"))),
    )
)]
pub(super) async fn dispatch(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(session): InPath<String>,
    Params(wait): Params<Wait>,
    wish: sse::Wish,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<DispatchRequest>,
) -> Answer<Response> {
    let span = wait.span()?;
    let aim = Aim::of(&body)?;
    let mut draft = draft_of(body)?;
    draft.spec.target = aim.resolve(&api, &caller, Scope::Exec).await?;
    let task = api.hub.submit(&caller, &session, draft, key.as_deref()).await?;
    if wish.is_stream {
        let follower = api.hub.follow(&caller, task.id, OutputCursor::default()).await?;
        let first = sse::event("task", None, &task_info(&task));
        let first = futures::stream::once(std::future::ready(first));
        let events = first.chain(output::follow(&api, follower, wish.request));
        return Ok(sse::response(events, caller.over(&api)));
    }
    if let Some(span) = span {
        let task = api.hub.wait(&caller, task.id, span).await?;
        if task.state.is_end() {
            return Ok(Json(with_tails(&api, &caller, &task).await?).into_response());
        }
        return Ok(accepted(&task_info(&task)));
    }
    Ok(accepted(&task_info(&task)))
}

fn accepted(info: &TaskInfo) -> Response {
    // Relative to .../api/sessions/{id}/dispatch, so that it is right below any path prefix.
    let place = format!("../../tasks/{}", info.id);
    (StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(info)).into_response()
}

/// Reads what is asked for, but for the target; the core checks it further when it is submitted.
pub(super) fn draft_of(body: DispatchRequest) -> Answer<TaskDraft> {
    let delivery = delivery_of(&body)?;
    let stdin = match body.stdin {
        Some(text) => text.to_bytes().map(Bytes::from).ok_or_else(|| {
            Failure::invalid("stdin", "stdin: encoding is neither \"utf8\" nor good \"base64\"")
        })?,
        None => Bytes::new(),
    };
    let work = match body.skill {
        Some(skill) => {
            let is_shell = !body.argv.is_empty() || body.line.is_some();
            let is_fed = !stdin.is_empty() || body.open_stdin || body.terminal.is_some();
            let has_process = body.cwd.is_some() || !body.env.is_empty() || is_fed;
            if is_shell || has_process {
                return Err(Failure::invalid(
                    "command",
                    "give exactly one of \"argv\", \"line\" and \"skill\"; \
                     \"cwd\", \"env\", \"stdin\" and \"terminal\" belong to the first two",
                ));
            }
            let files = skill.files.into_iter().map(file_of).collect::<Answer<Vec<_>>>()?;
            Work::Skill { name: skill.name, input: skill.input, files }
        }
        None => Work::Shell(ShellWork {
            argv: body.argv,
            line: body.line,
            cwd: body.cwd,
            env: body.env,
            stdin,
            open_stdin: body.open_stdin,
            terminal: body.terminal.map(terminal_of).transpose()?,
        }),
    };
    let secrets = body.secrets.into_iter();
    let secrets = Secrets::new(
        secrets.map(|(name, value)| (name, Zeroizing::new(value.expose().to_owned()))),
    );
    let mut spec = TaskSpec::new(work);
    spec.given =
        secrets.map_err(|error| Failure::invalid("bad_secret", format!("secrets: {error}")))?;
    spec.timeout = body.timeout_ms.map(Duration::from_millis);
    if let Some(grace) = body.grace_ms {
        spec.grace = Duration::from_millis(grace);
    }
    spec.queue = body.queue;
    spec.delivery = delivery;
    spec.output_cap = body.output_bytes.map(OutputCap::of);
    Ok(TaskDraft { spec, node: body.node })
}

fn file_of(draft: FileDraft) -> Answer<InputFile> {
    let data = draft.content.to_bytes().map(Bytes::from).ok_or_else(|| {
        let name = &draft.name;
        Failure::invalid("files", format!("file {name:?}: neither \"utf8\" nor good \"base64\""))
    })?;
    Ok(InputFile { name: draft.name, data })
}

fn terminal_of(draft: TerminalDraft) -> Answer<Terminal> {
    let window = Window::new(draft.cols, draft.rows)
        .map_err(|error| Failure::invalid("terminal", format!("terminal: {error}")))?;
    Ok(Terminal { window, term: draft.term.unwrap_or_else(|| Terminal::TERM.to_owned()) })
}

#[cfg(test)]
mod tests {
    use cortex_proto::json::SkillCall;
    use cortex_proto::json::Text;

    use super::*;

    fn argv() -> DispatchRequest {
        DispatchRequest { argv: vec!["ls".into()], ..DispatchRequest::default() }
    }

    fn code(body: DispatchRequest) -> String {
        draft_of(body).unwrap_err().problem("").code
    }

    #[test]
    fn what_is_asked_for_is_what_is_sent() {
        let draft = draft_of(DispatchRequest {
            node: Some("lab".into()),
            timeout_ms: Some(7),
            stdin: Some(Text::of(b"\xff")),
            ..argv()
        });
        let draft = draft.unwrap();
        assert_eq!(draft.node.as_deref(), Some("lab"));
        assert_eq!(draft.spec.timeout, Some(Duration::from_millis(7)));
        let Work::Shell(shell) = draft.spec.work else {
            panic!("no shell work");
        };
        assert_eq!((shell.argv, &shell.stdin[..]), (vec!["ls".to_owned()], &b"\xff"[..]));
    }

    #[test]
    fn two_kinds_of_work_and_bad_input_are_refused() {
        let skill = SkillCall { name: "ping".into(), ..SkillCall::default() };
        let both = DispatchRequest { skill: Some(skill), ..argv() };
        assert_eq!(code(both), "command");
        let stdin = Text { data: "%".into(), encoding: "base64".into() };
        let stdin = DispatchRequest { stdin: Some(stdin), ..argv() };
        assert_eq!(code(stdin), "stdin");
    }
}
