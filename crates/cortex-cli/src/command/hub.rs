//! `hub status`.

use std::time::Instant;

use cortex_proto::json::HubInfo;
use serde::Serialize;

use crate::client::address::Route;
use crate::client::call::Call;
use crate::exit::Exit;
use crate::exit::Result;
use crate::output::span;
use crate::output::style::Tone;
use crate::program::Program;

/// What `hub status` tells.
#[derive(Debug, Serialize)]
struct Status {
    url: String,
    #[serde(flatten)]
    info: HubInfo,
    answered_in_ms: u64,
}

/// Prints whether the hub answers, and what it is.
///
/// # Errors
/// The hub cannot be reached, or is none.
pub(crate) async fn status(program: &Program) -> Result<Exit> {
    let mut client = program.client()?;
    let start = Instant::now();
    let call = Call::get(Route::new("/api/info")).without_user();
    let info: HubInfo = client.answer(call).await?;
    let took = start.elapsed();
    let status = Status {
        url: client.hub().to_string(),
        info,
        answered_in_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    };
    let dot = program.output.stdout("●", Tone::Good);
    let text = format!(
        "{dot} {} answers ({})\nid:      {}\nversion: {}\n",
        status.url,
        span::short(took),
        status.info.id,
        status.info.version
    );
    program.output.document_or(&status, text)?;
    Ok(Exit::OK)
}
