//! Terminals over HTTP: the screen as text, and the terminal itself over a WebSocket.
//!
//! The messages are described in `docs/design/terminal.md`.

mod socket;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use cortex_proto::json::CursorInfo;
use cortex_proto::json::RunInfo;
use cortex_proto::json::ScreenInfo;
use serde::Deserialize;

use super::Api;
use super::events::PROTOCOL;
use super::events::Upgrade;
use super::extract::InPath;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use super::sse;
use super::tasks::read_id;
use crate::screen::Colour;
use crate::screen::Run;

use socket::Socket;
use socket::Start;

/// The longest message that a client sends.
const MAX_INCOMING: usize = 64 << 10;

/// What to show besides the screen.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Look {
    /// At most this many rows of what has scrolled out; none if absent.
    #[serde(default)]
    scrollback: usize,
    /// Also the escape sequences that draw the screen.
    #[serde(default)]
    drawing: bool,
    /// Also the rows with how they look.
    #[serde(default)]
    runs: bool,
}

/// How to join a terminal.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Join {
    /// `watch` (if absent), or `type`, which needs the scope `exec`.
    #[serde(default)]
    #[param(inline)]
    mode: Mode,
    /// Bytes of output that the client has shown already: it gets those that follow instead of the
    /// screen.
    offset: Option<u64>,
    /// Every byte that the terminal shows, however far behind the reader is; else the screen comes
    /// again where more than 1 MiB was missed.
    #[serde(default)]
    all: bool,
}

/// Whether somebody watches or types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    /// Only sees.
    #[default]
    Watch,
    /// Types, too.
    Type,
}

/// Shows what is on a terminal's screen, or was at its end.
#[utoipa::path(
    get, path = "/api/tasks/{id}/screen", operation_id = "get_task_screen", tag = "tasks",
    params(("id" = String, Path, description = "`tsk_…`"), Look),
    responses((status = 200, description = "The screen as text", body = ScreenInfo))
)]
pub(super) async fn screen(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Params(look): Params<Look>,
) -> Answer<Json<ScreenInfo>> {
    let seen = api.hub.screen(&caller, read_id(&id)?, look.scrollback).await?;
    Ok(Json(ScreenInfo {
        cols: seen.window.cols(),
        rows: seen.window.rows(),
        lines: seen.rows,
        scrollback: seen.scrollback,
        cursor: CursorInfo { row: seen.cursor.0, col: seen.cursor.1, visible: seen.has_cursor },
        alternate: seen.is_alternate,
        application_arrows: seen.has_application_arrows,
        bracketed_paste: seen.has_bracketed_paste,
        offset: seen.offset,
        runs: look.runs.then(|| runs(&seen.runs)),
        drawing: look.drawing.then_some(seen.drawing),
    }))
}

fn runs(rows: &[Vec<Run>]) -> Vec<Vec<RunInfo>> {
    let run = |run: &Run| RunInfo {
        text: run.text.clone(),
        fg: run.foreground.map(colour),
        bg: run.background.map(colour),
        bold: run.is_bold,
        dim: run.is_dim,
        italic: run.is_italic,
        underline: run.is_underlined,
        inverse: run.is_inverse,
    };
    rows.iter().map(|row| row.iter().map(run).collect()).collect()
}

fn colour(colour: Colour) -> String {
    match colour {
        Colour::Palette(number) => number.to_string(),
        Colour::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}

/// Joins a terminal: its screen, then what it shows as it comes; in mode `type` also the other way.
///
/// A WebSocket with the subprotocol `cortex.v1`. Binary messages are bytes as they are, both ways;
/// text messages are JSON. The first one from the hub is `screen`, and the binary one after it
/// draws that screen, or `resume` where the client gave an `offset`; `size` says that the terminal has another size, `exit` that its program has
/// ended. A client sends `resize` and `close`. Several may watch and type at once.
#[utoipa::path(
    get, path = "/api/tasks/{id}/terminal", operation_id = "join_task_terminal", tag = "tasks",
    params(("id" = String, Path, description = "`tsk_…`"), Join),
    responses((status = 101, description = "The WebSocket is open"))
)]
pub(super) async fn join(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
    Params(join): Params<Join>,
    wish: sse::Wish,
    Upgrade(upgrade): Upgrade,
) -> Answer<Response> {
    let task = read_id(&id)?;
    let start = match join.offset {
        Some(offset) => Start::Offset(api.hub.resume_terminal(&caller, task, offset).await?),
        None => Start::Screen(Box::new(api.hub.join_terminal(&caller, task).await?)),
    };
    let upgrade = upgrade.ok_or_else(|| {
        let message = "a terminal is joined over a WebSocket";
        Failure::of_http(StatusCode::UPGRADE_REQUIRED, "websocket", message)
            .with_hint("GET …/screen shows what is on it")
    })??;
    let keyboard = match join.mode {
        Mode::Watch => None,
        Mode::Type => Some(api.hub.keyboard(&caller, task).await?),
    };
    let over = caller.over(&api);
    let socket = Socket { api, caller, task, keyboard, all: join.all, request: wish.request };
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(MAX_INCOMING);
    Ok(upgrade.on_upgrade(move |stream| socket.serve(stream, start, over)))
}
