//! Tasks and their output.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::Serialize;

use super::DeliveryInfo;
use super::WaitInfo;
use super::secret::Secret;
use super::terminal::TerminalDraft;

/// Asks for a task: exactly one of `argv`, `line` and `skill`; none of them for a shell in a
/// terminal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DispatchRequest {
    /// Program and arguments; nothing interprets them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// A command line for the node's shell; needs a policy that allows that shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// A skill to call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<SkillCall>,
    /// The node, by id or name; any attached node if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The first of these nodes, by id or name, that can take the task now; only these, unless
    /// `require` or `any` says where it goes otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_of: Vec<String>,
    /// Only nodes with these labels, e.g. `role=build,arch!=arm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Only nodes that fit, e.g. `os == "linux" && gpu.memory >= 16GiB && "browser" in skills`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<String>,
    /// Any attached node; so it is too where nothing is said of nodes at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any: bool,
    /// Working directory on the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables set on top of the node's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Variables whose values are kept secret: sealed while they are stored, and replaced by
    /// `[redacted:NAME]` in all that the task puts out. At least 4 bytes each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub secrets: BTreeMap<String, Secret>,
    /// Standard input; at most 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Text>,
    /// Standard input stays open for what is sent to the running task.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open_stdin: bool,
    /// Runs the program in a terminal; the node's own shell where there is neither `argv` nor
    /// `line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalDraft>,
    /// Ends the task when it has run this long, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Time between TERM and KILL, in milliseconds; 5,000 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
    /// Wait for a node instead of failing while none is online.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queue: bool,
    /// Of the caller's tasks that wait, the one with the highest priority goes first; 0 to 255, 128
    /// if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Ends the task if it has not ended by then, whether it waits or runs; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// How many attempts the task may have, 1 to 16; 1 if absent. With more, it is started again on
    /// another node where its node is lost, so that it may run twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u8>,
    /// How much of its output is kept, in bytes: at least 1 MiB; if absent, and at most, as much as
    /// the hub keeps of any task. Of what is more, both ends are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

/// A skill to call.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SkillCall {
    /// The skill's name.
    pub name: String,
    /// Its input.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub input: serde_json::Value,
    /// Files that come with the call: at most 64, with 2 MiB together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileDraft>,
}

/// A file that comes with a call; the skill finds it in a directory of that call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileDraft {
    /// Its name: one part of a path, without slashes.
    pub name: String,
    /// Its bytes.
    pub content: Text,
}

/// A file that a task has published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileInfo {
    /// Its name: one part of a path that every system takes.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// Bytes as text where they are UTF-8, else as base64.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Text {
    /// The bytes, as `encoding` says.
    pub data: String,
    /// `utf8` or `base64`.
    #[serde(default = "utf8")]
    pub encoding: String,
}

fn utf8() -> String {
    "utf8".to_owned()
}

impl Text {
    /// Encodes bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { data: text.to_owned(), encoding: utf8() },
            Err(_) => Self { data: STANDARD.encode(bytes), encoding: "base64".to_owned() },
        }
    }

    /// Decodes to bytes; `None` for an unknown encoding or bad base64.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match self.encoding.as_str() {
            "utf8" => Some(self.data.clone().into_bytes()),
            "base64" => STANDARD.decode(&self.data).ok(),
            _ => None,
        }
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskInfo {
    /// `tsk_…`.
    pub id: String,
    /// Its session, `ses_…`.
    pub session: String,
    /// Who asked for it, `usr_…`.
    pub by: String,
    /// `queued`, `assigned`, `running`, `cancelling`, or one of the ends `succeeded`, `failed`,
    /// `cancelled`, `timed_out`, `rejected`, `interrupted`, `lost`.
    pub state: String,
    /// Program and arguments, the line, or the skill's name: what runs, in short.
    pub command: Vec<String>,
    /// The node of the current or last attempt, `nod_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The current or last attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// How soon it is wanted, until when, and how often it may be tried.
    #[serde(flatten)]
    pub delivery: DeliveryInfo,
    /// What it waits for while it is queued; only where one task is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitInfo>,
    /// Process id on the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Exit code to pass through, once it has ended: the process's own, 128 + n for signal n,
    /// 255 where Cortex ended or refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// How it ended, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// How it ended, in full: `kind` and what belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub outcome: Option<serde_json::Value>,
    /// It runs in a terminal: standard output is what that shows, and in place of standard error
    /// come the changes of its size.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminal: bool,
    /// How much output is stored.
    pub output: OutputInfo,
    /// How far it has come, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressInfo>,
    /// The end of standard output, at most 64 KiB; only where the request waited for the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<Text>,
    /// The end of standard error, at most 64 KiB; only where the request waited for the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<Text>,
    /// When it was submitted.
    pub created_at: String,
    /// When the node said that it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
}

impl TaskInfo {
    /// Whether the task has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended_at.is_some()
    }
}

/// How far a task has come, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProgressInfo {
    /// What is done.
    pub done: u64,
    /// How much there is to do, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// The whole percent that are done, where the total is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// What is being done, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How much output of a task came, and what of it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutputInfo {
    /// Bytes of standard output that came.
    pub stdout_bytes: u64,
    /// Bytes of standard error that came.
    pub stderr_bytes: u64,
    /// Bytes of both that are left out, for the task's cap.
    pub dropped_bytes: u64,
    /// What is left out of standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_gap: Option<GapInfo>,
    /// What is left out of standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_gap: Option<GapInfo>,
}

/// Bytes of a stream that are left out: those before and behind them are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GapInfo {
    /// The first of them.
    pub from: u64,
    /// The first that is stored behind them.
    pub to: u64,
}

/// Output that is left out where a reader has come to, as a server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GapEvent {
    /// `stdout` or `stderr`.
    pub stream: String,
    /// What is left out of it.
    pub gap: GapInfo,
}

/// One piece of a task's output, as a server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutputEvent {
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Where in that stream the bytes begin.
    pub offset: u64,
    /// The bytes, as `encoding` says.
    pub data: String,
    /// `utf8` or `base64`.
    pub encoding: String,
}

/// Sends a signal to a running task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignalRequest {
    /// `HUP`, `INT`, `QUIT`, `KILL`, `USR1`, `USR2`, `TERM`, `CONT`, `STOP` or `TSTP`; with `SIG` in
    /// front, or as its number on Linux, if you like.
    pub signal: String,
}

/// Asks for a task's end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CancelBody {
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_as_text_or_base64() {
        for bytes in [&b"plain \xc3\xa4\n"[..], b"\xff\0", b""] {
            assert_eq!(Text::of(bytes).to_bytes().as_deref(), Some(bytes));
        }
        assert_eq!(Text::of(b"a").encoding, "utf8");
        assert_eq!(Text::of(b"\xff").encoding, "base64");
        let unknown = Text { data: String::new(), encoding: "rot13".into() };
        assert_eq!(unknown.to_bytes(), None);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = serde_json::from_str::<DispatchRequest>(r#"{"argvv": []}"#).unwrap_err();
        assert!(error.to_string().contains("argvv"), "{error}");
    }
}
