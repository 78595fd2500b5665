//! `audit …`.

use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use cortex_core::chain::Head;

use crate::args::HELP;

/// `audit …`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Print who did what, newest first.
    List(ListArgs),
    /// Write the audit log, or a session's receipts, to a file that can be verified anywhere.
    Export(ExportArgs),
    /// Verify such a file; asks no hub.
    Verify(VerifyArgs),
}

/// `audit list`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli audit list --action node.lock
  cortex-cli audit list --object nod_01… --since 2026-11-01T00:00:00Z
"
)]
pub(crate) struct ListArgs {
    /// Only what this one did: a user's or a node's id, `hub` or `nobody`.
    #[arg(long, value_name = "ID")]
    pub(crate) actor: Option<String>,
    /// Only this action, e.g. `node.lock`.
    #[arg(long, value_name = "WORD")]
    pub(crate) action: Option<String>,
    /// Only what was done to this: an id, or `hub`.
    #[arg(long, value_name = "ID")]
    pub(crate) object: Option<String>,
    /// Only from this time on, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only before this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// At most this many.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) limit: u64,
}

/// `audit export`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Examples:
  cortex-cli audit export --out audit.jsonl
  cortex-cli audit export --session ses_01… --with-output --out receipts.jsonl
"
)]
pub(crate) struct ExportArgs {
    /// The receipts of this session instead of the audit log.
    #[arg(long, value_name = "ID", conflicts_with = "after")]
    pub(crate) session: Option<String>,
    /// With the stored output, so that its digests can be verified too.
    #[arg(long, requires = "session")]
    pub(crate) with_output: bool,
    /// Only the records after this number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) after: u64,
    /// Write to this file (mode 0600) instead of to standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `audit verify`.
#[derive(Debug, Clone, Args)]
#[command(
    help_template = HELP,
    before_help = "\
Example:
  cortex-cli audit verify audit.jsonl
"
)]
pub(crate) struct VerifyArgs {
    /// The export.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A head that was noted earlier, COUNT:DIGEST: the chain must go through it.
    #[arg(long, value_name = "HEAD", value_parser = head)]
    pub(crate) head: Option<Head>,
}

fn head(text: &str) -> Result<Head, String> {
    let parsed = text.split_once(':').and_then(|(count, digest)| {
        let (count, digest) = (count.parse().ok()?, digest.parse().ok()?);
        Some(Head { count, digest })
    });
    parsed.ok_or_else(|| "expected COUNT:DIGEST, as audit verify prints it".to_owned())
}
