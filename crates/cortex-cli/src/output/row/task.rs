//! Rows of tasks.

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::FileInfo;
use cortex_proto::json::ProgressInfo;
use cortex_proto::json::TaskInfo;

use crate::output::span;
use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;

impl Row for TaskInfo {
    const TITLES: &'static [&'static str] =
        &["ID", "STATE", "EXIT", "NODE", "CREATED", "TIME", "COMMAND"];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.id),
            state_cell(&self.state),
            Cell::maybe(self.exit_code.map(|code| code.to_string())),
            Cell::maybe(self.node.as_ref()),
            Cell::plain(span::ago(Some(&self.created_at), now)),
            Cell::maybe(duration(self, now)),
            Cell::plain(command(self)),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let output = &self.output;
        let mut size = format!(
            "{} stdout, {} stderr",
            span::bytes(output.stdout_bytes),
            span::bytes(output.stderr_bytes)
        );
        if output.dropped_bytes > 0 {
            size.push_str(&format!(", {} of them left out", span::bytes(output.dropped_bytes)));
        }
        let delivery = &self.delivery;
        let attempt = match delivery.attempts {
            Some(most) => format!("{} of up to {most}", self.attempt),
            None => self.attempt.to_string(),
        };
        let mut details = vec![
            ("Id", Cell::plain(&self.id)),
            ("Session", Cell::plain(&self.session)),
            ("By", Cell::plain(&self.by)),
            ("Command", Cell::plain(command(self))),
            ("State", state_cell(&self.state)),
            ("Exit code", Cell::maybe(self.exit_code.map(|code| code.to_string()))),
            ("Summary", Cell::maybe(self.summary.as_ref())),
            ("Node", Cell::maybe(self.node.as_ref())),
            ("Attempt", Cell::plain(attempt)),
            ("Process", Cell::maybe(self.pid.map(|pid| pid.to_string()))),
            ("Output", Cell::plain(size)),
            ("Created", Cell::plain(&self.created_at)),
            ("Started", Cell::maybe(self.started_at.as_ref())),
            ("Ended", Cell::maybe(self.ended_at.as_ref())),
            ("Time", Cell::maybe(duration(self, now))),
        ];
        if let Some(waiting) = &self.waiting {
            details.push(("Waits for", Cell::new(&waiting.message, Tone::Warn)));
            details.push(("Own before it", Cell::plain(waiting.ahead.to_string())));
        }
        details.extend(delivery.priority.map(|own| ("Priority", Cell::plain(own.to_string()))));
        details.extend(delivery.deadline.as_ref().map(|at| ("Deadline", Cell::plain(at))));
        if let Some(far) = &self.progress {
            details.push(("Progress", Cell::plain(progress(far))));
        }
        details
    }

    fn key(&self) -> &str {
        &self.id
    }
}

impl Row for FileInfo {
    const TITLES: &'static [&'static str] = &["NAME", "SIZE", "SHA-256"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        let size = span::bytes(self.size);
        vec![Cell::plain(&self.name), Cell::plain(size), Cell::plain(&self.sha256)]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Name", "Size", "SHA-256"].into_iter().zip(self.cells(now)).collect()
    }

    fn key(&self) -> &str {
        &self.name
    }
}

/// A task's state in its colour.
fn state_cell(state: &str) -> Cell {
    let tone = match state {
        "succeeded" => Tone::Good,
        "failed" | "timed_out" | "rejected" | "interrupted" | "lost" => Tone::Bad,
        "cancelled" | "cancelling" => Tone::Warn,
        _ => Tone::Plain,
    };
    Cell::new(state, tone)
}

/// How far it has come, on one line.
pub(crate) fn progress(progress: &ProgressInfo) -> String {
    let ProgressInfo { done, total, percent, message } = progress;
    let far = match (percent, total) {
        (Some(percent), Some(total)) => format!("{percent} % ({done} of {total})"),
        _ => done.to_string(),
    };
    if message.is_empty() { far } else { format!("{far} {message}") }
}

/// How long it ran, or runs until now.
fn duration(task: &TaskInfo, now: Timestamp) -> Option<String> {
    let end = task.ended_at.as_ref().and_then(|end| end.parse().ok());
    span::between(task.started_at.as_deref(), end.unwrap_or(now))
}

/// The words as a shell would read them.
fn command(task: &TaskInfo) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte);
    let quote = |word: &String| match !word.is_empty() && word.bytes().all(is_safe) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    task.command.iter().map(quote).collect::<Vec<_>>().join(" ")
}
