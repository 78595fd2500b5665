//! `doctor`: what keeps things from working, one check after the other.

mod files;
mod node;
mod pin;

use std::time::Duration;
use std::time::Instant;

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::HubInfo;
use cortex_proto::json::UserInfo;
use http::header;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::args::setup::DoctorArgs;
use crate::client::Client;
use crate::client::address::Route;
use crate::client::call::Call;
use crate::context::choice::Choice;
use crate::context::choice::Environment;
use crate::context::choice::Origin;
use crate::context::choice::choose;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::output::span;
use crate::output::style::Tone;
use crate::program::Program;

/// Nodes refuse signatures from further away than this.
const MOST_SKEW: Duration = Duration::from_secs(30);

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    check: &'static str,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Finding>,
}

impl Finding {
    /// Found well.
    pub(crate) fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, ok: true, detail: detail.into(), hint: None }
    }

    /// Found wrong.
    pub(crate) fn bad(
        check: &'static str,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { check, ok: false, detail: detail.into(), hint: Some(hint.into()) }
    }

    /// Found wrong, as a failure tells.
    pub(crate) fn of(check: &'static str, failure: &Failure) -> Self {
        Self {
            check,
            ok: false,
            detail: failure.message().to_owned(),
            hint: failure.hint().map(ToOwned::to_owned),
        }
    }
}

/// Runs all checks and prints what they found; exits with 1 if one is wrong.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) async fn run(program: &Program, args: DoctorArgs) -> Result<Exit> {
    let mut checks = Vec::new();
    match Environment::read() {
        Ok(environment) => {
            files::check(&program.globals, &environment, &mut checks);
            check_hub(program, environment, &mut checks).await;
        }
        Err(failure) => checks.push(Finding::of("environment", &failure)),
    }
    if let Some(file) = &args.config {
        node::check(file, &mut checks).await;
    }
    let ok = checks.iter().all(|check| check.ok);
    print(program, &Report { ok, checks })?;
    Ok(if ok { Exit::OK } else { Exit::FAILED })
}

async fn check_hub(program: &Program, environment: Environment, out: &mut Vec<Finding>) {
    let choice = match choose(&program.globals, &environment) {
        Ok(choice) => choice,
        Err(failure) => return out.push(Finding::of("hub", &failure)),
    };
    out.push(Finding::good("hub", described(&choice)));
    let mut client = Client::new(choice, environment.file);
    if !check_reachable(&mut client, out).await {
        return;
    }
    out.push(match client.get::<UserInfo>(Route::new("/api/whoami")).await {
        Ok(user) => Finding::good("credential", format!("{} ({})", user.name, user.role)),
        Err(failure) => Finding::of("credential", &failure),
    });
}

fn described(choice: &Choice) -> String {
    let origin = match &choice.hub_origin {
        Origin::Flag(name) | Origin::Variable(name) => (*name).to_owned(),
        Origin::Context(name) => format!("context \"{name}\""),
        Origin::File | Origin::Unset => "default".to_owned(),
    };
    format!("{}, from {origin}", choice.hub)
}

/// Whether the hub answers, runs our version, and has our time.
async fn check_reachable(client: &mut Client, out: &mut Vec<Finding>) -> bool {
    let start = Instant::now();
    let call = Call::get(Route::new("/api/info")).without_user();
    let response = match client.send(&call).await {
        Ok(response) => response,
        Err(error) => {
            out.push(Finding::of("reachable", &client.told(error)));
            return false;
        }
    };
    let took = start.elapsed();
    let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(read_date);
    let info: HubInfo = match client.read(response).await {
        Ok(info) => info,
        Err(error) => {
            out.push(Finding::of("reachable", &client.told(error)));
            return false;
        }
    };
    out.push(Finding::good("reachable", format!("answered in {}", span::short(took))));
    out.push(check_version(&info.version));
    if let Some(date) = date {
        out.push(check_clock(date, output::now()));
    }
    true
}

fn check_version(version: &str) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    let minor =
        |version: &str| version.splitn(3, '.').take(2).map(str::to_owned).collect::<Vec<_>>();
    match minor(version) == minor(own) {
        true => Finding::good("version", format!("hub {version}, this program {own}")),
        false => Finding::bad(
            "version",
            format!("the hub has {version}, this program is {own}"),
            "use the cortex-cli of the hub's version",
        ),
    }
}

/// An HTTP date; they are always in GMT, which the mail format calls +0000.
fn read_date(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix("GMT")?;
    OffsetDateTime::parse(&format!("{text}+0000"), &Rfc2822).ok().map(Into::into)
}

fn check_clock(hub: Timestamp, own: Timestamp) -> Finding {
    let (skew, word) = match own >= hub {
        true => (own.since(hub), "ahead of"),
        false => (hub.since(own), "behind"),
    };
    // An HTTP date has whole seconds, and the answer took its time.
    match skew {
        skew if skew <= Duration::from_secs(2) => Finding::good("clock", "as the hub's"),
        skew if skew <= MOST_SKEW => {
            Finding::good("clock", format!("{} {word} the hub's", span::short(skew)))
        }
        skew => Finding::bad(
            "clock",
            format!("this machine's clock is {} {word} the hub's", span::short(skew)),
            "set both clocks by NTP: nodes refuse tasks that are signed too far from their own time",
        ),
    }
}

fn print(program: &Program, report: &Report) -> Result<()> {
    let mut text = String::new();
    for finding in &report.checks {
        let mark = match finding.ok {
            true => program.output.stdout("✓", Tone::Good),
            false => program.output.stdout("✗", Tone::Bad),
        };
        text.push_str(&format!("{mark} {}: {}\n", finding.check, finding.detail));
        if let Some(hint) = &finding.hint {
            text.push_str(&format!("  hint: {hint}\n"));
        }
    }
    program.output.document_or(report, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_half_a_minute() {
        let hub = read_date("Sun, 22 Nov 2026 12:00:00 GMT").unwrap();
        assert_eq!(hub.to_string(), "2026-11-22T12:00:00Z");
        assert!(check_clock(hub, hub + Duration::from_secs(30)).ok);
        assert!(check_clock(hub, hub - Duration::from_secs(30)).ok);
        let finding = check_clock(hub, hub + Duration::from_secs(90));
        assert!(!finding.ok && finding.detail.contains("1m30s ahead"), "{finding:?}");
        let finding = check_clock(hub, hub - Duration::from_secs(31));
        assert!(!finding.ok && finding.detail.contains("31s behind"), "{finding:?}");
    }

    #[test]
    fn the_last_number_of_a_version_does_not_matter() {
        let own = env!("CARGO_PKG_VERSION");
        let minor = own.rsplit_once('.').unwrap().0;
        assert!(check_version(&format!("{minor}.999")).ok);
        assert!(!check_version("99.0.0").ok);
    }
}
