//! Putting bytes into a running task, or typing them into its terminal.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use cortex_core::task::Input;
use serde::Deserialize;
use tokio::time::timeout;

use super::Api;
use super::extract::InPath;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use super::output::Octets;
use super::tasks::read_id;

/// How long a request waits for a task that does not take its input.
const PATIENCE: Duration = Duration::from_secs(20);

/// So much is put in at once; what was put in before a task stopped reading is counted by it.
const PIECE_BYTES: usize = 16 << 10;

/// What follows the bytes.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// Nothing follows: closes standard input after the bytes, tells a terminal that its input ends.
    #[serde(default)]
    close: bool,
    /// Where the bytes begin in all that is put into the task: what was put in before is left out,
    /// so that the request may be repeated. Without it, a repeat puts the bytes in twice.
    offset: Option<u64>,
}

/// Puts bytes into a running task: its standard input, or typed into its terminal.
///
/// The task must have been sent with `open_stdin` or `terminal`. When the answer comes, the bytes
/// are on their way; they survive a lost link to the node, but are not stored. Requests wait while
/// the task does not read, for 20 seconds at most: then repeat them with the same `offset`.
#[utoipa::path(
    post, path = "/api/tasks/{id}/input", operation_id = "put_task_input", tag = "tasks",
    params(("id" = String, Path, description = "`tsk_…`"), After),
    request_body(content = Octets, content_type = "application/octet-stream"),
    responses((status = 204, description = "The bytes are on their way"))
)]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Params(after): Params<After>,
    mut body: Bytes,
) -> Answer<StatusCode> {
    let id = read_id(&id)?;
    let keyboard = match after.offset {
        Some(1..) => api.hub.keyboard_again(&caller, id).await?,
        _ => api.hub.keyboard(&caller, id).await?,
    };
    let whole = body.len();
    let put = async |done: usize, input: Input| match after.offset {
        Some(offset) => keyboard.put_at(offset + done as u64, input).await,
        None => keyboard.put(input).await,
    };
    while !body.is_empty() {
        let left = body.len();
        let piece = body.split_to(left.min(PIECE_BYTES));
        let taken = timeout(PATIENCE, put(whole - left, Input::Data(piece))).await;
        taken.map_err(|_| slow(whole - left))??;
    }
    if after.close {
        timeout(PATIENCE, put(whole, Input::Close)).await.map_err(|_| slow(whole))??;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn slow(put: usize) -> Failure {
    let message = format!("the task does not take its input; {put} bytes of it were put in");
    Failure::of_http(StatusCode::GATEWAY_TIMEOUT, "input_waits", message)
        .with_hint("send the rest when the task reads again")
}
