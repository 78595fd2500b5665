//! Sending signals to running tasks.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use cortex_core::task::Signal;
use cortex_proto::json::SignalRequest;

use super::Api;
use super::extract::Body;
use super::extract::InPath;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use super::tasks::read_id;

/// Sends a signal to a running program and its whole process group.
///
/// In a terminal, it goes to what is in the foreground; `KILL` goes to all that belongs to the task.
/// It goes ahead of input that waits. When the answer comes, the signal is on its way; it survives a
/// lost link to the node, but is not stored.
#[utoipa::path(
    post, path = "/api/tasks/{id}/signal", operation_id = "signal_task", tag = "tasks",
    params(("id" = String, Path, description = "`tsk_…`")),
    request_body = SignalRequest,
    responses((status = 204, description = "The signal is on its way"))
)]
pub(super) async fn send(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Body(request): Body<SignalRequest>,
) -> Answer<StatusCode> {
    let id = read_id(&id)?;
    let signal = read_signal(&request.signal)?;
    api.hub.signal(&caller, id, signal).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_signal(text: &str) -> Answer<Signal> {
    text.parse().map_err(|error| Failure::invalid("signal", format!("signal: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_signal_is_refused_with_those_there_are() {
        assert_eq!(read_signal("sighup").unwrap(), Signal::Hup);
        let problem = read_signal("SEGV").unwrap_err().problem("");
        assert_eq!((problem.status, problem.code.as_str()), (422, "signal"));
        assert!(problem.detail.contains("HUP, INT"), "{}", problem.detail);
    }
}
