//! The audit log, and exports that can be verified without a hub.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cortex_core::Result;
use cortex_core::chain::Head;
use cortex_proto::json::AuditInfo;
use cortex_proto::json::ChainHead;
use cortex_proto::json::ExportLine;
use cortex_proto::json::Page;
use futures::Stream;
use futures::stream;
use serde::Deserialize;

use super::Api;
use super::entry::stream_word;
use super::extract::InPath;
use super::extract::Params;
use super::failure::Answer;
use super::failure::Failure;
use super::guard::Caller;
use crate::hub::AuditReader;
use crate::hub::ReceiptPart;
use crate::hub::ReceiptReader;
use crate::store::audit::AuditFilter;

const DEFAULT_PAGE: u64 = 100;
const MAX_PAGE: u64 = 1_000;

/// Media type of JSON lines.
const JSON_LINES: &str = "application/jsonl";

/// Which records to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only what this one did: `usr_…`, `nod_…`, `hub` or `nobody`.
    actor: Option<String>,
    /// Only this action, e.g. `node.lock`.
    action: Option<String>,
    /// Only what was done to this: an id, or `hub`.
    object: Option<String>,
    /// Only from this time on, RFC 3339.
    since: Option<String>,
    /// Only before this time, RFC 3339.
    until: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<u64>,
    /// At most this many; 100 if absent, 1,000 at most.
    limit: Option<u64>,
}

/// From where to export.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Start {
    /// Number of the last record that is known already; 0 or absent for all.
    #[serde(default)]
    after: u64,
}

/// What to export of a session.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Extent {
    /// With the stored output, so that its digests can be verified too.
    #[serde(default)]
    output: bool,
}

/// Lists who did what, newest first. Admins see all records, others those about their own things.
#[utoipa::path(
    get, path = "/api/audit", operation_id = "list_audit", tag = "audit",
    params(Filter),
    responses((status = 200, description = "A page of the records that fit and that the caller may see", body = Page<AuditInfo>))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(params): Params<Filter>,
) -> Answer<Json<Page<AuditInfo>>> {
    let limit = params.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let filter = AuditFilter {
        actor: read("actor", params.actor.as_deref())?,
        action: read("action", params.action.as_deref())?,
        object: read("object", params.object.as_deref())?,
        owner: None,
        since: read("since", params.since.as_deref())?,
        until: read("until", params.until.as_deref())?,
        before: params.cursor,
        // One more than is shown tells whether there is a next page.
        limit: limit + 1,
    };
    let records = api.hub.audit(&caller, filter).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX).min(records.len());
    let is_last = shown == records.len();
    let items: Vec<_> = records[..shown].iter().map(AuditInfo::from).collect();
    let next_cursor = items.last().filter(|_| !is_last).map(|last| last.seq.to_string());
    Ok(Json(Page { items, next_cursor }))
}

/// Exports the audit log as JSON lines, oldest first: what it is of, then the records. For admins.
///
/// `cortex-cli audit verify` finds every change of such a file without asking the hub.
#[utoipa::path(
    get, path = "/api/audit/export", operation_id = "export_audit", tag = "audit",
    params(Start),
    responses((status = 200, description = "One line each", content((ExportLine = "application/jsonl"))))
)]
pub(super) async fn export(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(start): Params<Start>,
) -> Answer<Response> {
    let reader = api.hub.audit_from(&caller, start.after).await?;
    let first = ExportLine::Audit {
        hub: api.hub.id().to_string(),
        start: chain_head(reader.start()),
        end: chain_head(reader.end()),
    };
    Ok(lines(stream::try_unfold((Some(first), reader), records)))
}

/// Exports a session's receipts as JSON lines: what it is of, then nodes with their keys, receipts
/// and, on demand, the output that they speak of.
///
/// `cortex-cli audit verify` checks such a file without asking the hub.
#[utoipa::path(
    get, path = "/api/sessions/{id}/receipts", operation_id = "export_receipts", tag = "audit",
    params(("id" = String, Path, description = "`ses_…`, or `default` for the caller's own"), Extent),
    responses((status = 200, description = "One line each", content((ExportLine = "application/jsonl"))))
)]
pub(super) async fn receipts(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(session): InPath<String>,
    Params(extent): Params<Extent>,
) -> Answer<Response> {
    let reader = api.hub.receipts(&caller, &session, extent.output).await?;
    let first = ExportLine::Receipts {
        hub: api.hub.id().to_string(),
        session: reader.session().to_string(),
        output: extent.output,
        end: chain_head(reader.end()),
    };
    Ok(lines(stream::try_unfold((Some(first), reader), parts)))
}

fn read<T: std::str::FromStr>(field: &'static str, text: Option<&str>) -> Answer<Option<T>> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            Failure::invalid("bad_filter", format!("{field}: \"{text}\" makes no sense"))
        })
    };
    text.map(parse).transpose()
}

fn chain_head(head: Head) -> ChainHead {
    ChainHead { count: head.count, digest: head.digest.to_string() }
}

/// An answer of JSON lines. A failure breaks the connection off, so that nobody takes what came
/// before it for the whole.
fn lines(lines: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Response {
    let headers = [(header::CONTENT_TYPE, JSON_LINES), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(lines)).into_response()
}

type Step<S> = Result<Option<(Bytes, S)>>;

async fn records(
    (first, mut reader): (Option<ExportLine>, AuditReader),
) -> Step<(Option<ExportLine>, AuditReader)> {
    if let Some(first) = first {
        return Ok(Some((encode([first]), (None, reader))));
    }
    let links = reader.next().await?;
    if links.is_empty() {
        return Ok(None);
    }
    let lines = links.iter().map(|link| ExportLine::Record(AuditInfo::from(&link.record)));
    Ok(Some((encode(lines), (None, reader))))
}

async fn parts(
    (first, mut reader): (Option<ExportLine>, ReceiptReader),
) -> Step<(Option<ExportLine>, ReceiptReader)> {
    let line = match first {
        Some(first) => Some(first),
        None => reader.next().await?.map(line_of),
    };
    Ok(line.map(|line| (encode([line]), (None, reader))))
}

fn line_of(part: ReceiptPart) -> ExportLine {
    match part {
        ReceiptPart::Node { id, identity } => ExportLine::Node {
            id: id.to_string(),
            identity: hex::encode(identity.key),
            from: Some(identity.from.to_string()),
            until: identity.until.map(|until| until.to_string()),
        },
        ReceiptPart::Receipt { task, signed } => ExportLine::Receipt {
            task: task.to_string(),
            statement: STANDARD.encode(&signed.statement),
            signature: STANDARD.encode(&signed.signature),
        },
        ReceiptPart::Output { task, stream, offset, data } => ExportLine::Output {
            task: task.to_string(),
            stream: stream_word(stream).to_owned(),
            offset,
            data: STANDARD.encode(&data),
        },
    }
}

fn encode(lines: impl IntoIterator<Item = ExportLine>) -> Bytes {
    let mut out = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut out, &line).expect("a line is made of texts and numbers");
        out.push(b'\n');
    }
    out.into()
}
