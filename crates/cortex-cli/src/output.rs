//! What is printed: data on standard output, messages on standard error.
//!
//! What is printed depends on the flags only; a terminal changes the colours and nothing else.

pub(crate) mod row;
pub(crate) mod span;
pub(crate) mod style;
pub(crate) mod table;

use std::fmt;
use std::io;
use std::io::IsTerminal as _;
use std::io::Write as _;

use cortex_core::ErrorKind;
use cortex_core::timestamp::Timestamp;
use cortex_proto::json::Page;
use serde::Serialize;

use crate::args::Format;
use crate::args::Globals;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;

/// The two streams that a command prints to, and how it prints.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    format: Format,
    is_quiet: bool,
    stdout_colors: bool,
    stderr_colors: bool,
}

impl Output {
    /// Decides by the flags, by `NO_COLOR`, and by what the streams are.
    pub(crate) fn new(globals: &Globals) -> Self {
        let no_colors =
            globals.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            format: globals.output,
            is_quiet: globals.quiet,
            stdout_colors: !no_colors && io::stdout().is_terminal(),
            stderr_colors: !no_colors && io::stderr().is_terminal(),
        }
    }

    /// The format that was asked for.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether standard output is for programs.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Whether standard output shows colours.
    pub(crate) fn has_colors(&self) -> bool {
        self.stdout_colors
    }

    /// Whether messages are wanted besides errors.
    pub(crate) fn is_chatty(&self) -> bool {
        !self.is_quiet && !self.is_json()
    }

    /// Prints a list.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn list<T: Row + Serialize>(&self, page: &Page<T>) -> Result<()> {
        let text = match self.format {
            Format::Json => json(page, true)?,
            Format::Jsonl => {
                let lines: Result<Vec<String>> =
                    page.items.iter().map(|item| json(item, false)).collect();
                lines?.concat()
            }
            Format::Name => page.items.iter().map(|item| format!("{}\n", item.key())).collect(),
            Format::Table => table::render(&page.items, now(), self.stdout_colors),
        };
        write_stdout(text.as_bytes())
    }

    /// Prints rows as a table, whatever the format.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn rows<T: Row>(&self, items: &[T]) -> Result<()> {
        write_stdout(table::render(items, now(), self.stdout_colors).as_bytes())
    }

    /// Prints pairs of title and text, whatever the format.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn details(&self, details: &[(&'static str, Cell)]) -> Result<()> {
        write_stdout(table::render_details(details, self.stdout_colors).as_bytes())
    }

    /// Prints one thing.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn item<T: Row + Serialize>(&self, item: &T) -> Result<()> {
        match self.format {
            Format::Table => {
                let text = table::render_details(&item.details(now()), self.stdout_colors);
                write_stdout(text.as_bytes())
            }
            Format::Name => write_stdout(format!("{}\n", item.key()).as_bytes()),
            Format::Json | Format::Jsonl => self.document(item),
        }
    }

    /// Prints a JSON document if one is asked for, else `text` as it is.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn document_or(
        &self,
        document: &impl Serialize,
        text: impl fmt::Display,
    ) -> Result<()> {
        match self.is_json() {
            true => self.document(document),
            false => write_stdout(text.to_string().as_bytes()),
        }
    }

    /// Prints a JSON document: indented with `-o json`, else on one line.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn document(&self, document: &impl Serialize) -> Result<()> {
        let text = json(document, self.format == Format::Json)?;
        write_stdout(text.as_bytes())
    }

    /// Says something on standard error, unless the user wants it quiet.
    pub(crate) fn note(&self, message: impl fmt::Display) {
        if !self.is_quiet {
            self.say(format_args!("{message}\n"));
        }
    }

    /// Says a thing that went wrong and was got over.
    pub(crate) fn warn(&self, message: impl fmt::Display) {
        let word = self.stderr("warning:", Tone::Warn);
        self.say(format_args!("{word} {message}\n"));
    }

    /// A word for standard error in the tone's colour, if there are colours.
    pub(crate) fn stderr(&self, word: &str, tone: Tone) -> String {
        style::paint(word, tone, self.stderr_colors)
    }

    /// A word for standard output in the tone's colour, if there are colours.
    pub(crate) fn stdout(&self, word: &str, tone: Tone) -> String {
        style::paint(word, tone, self.stdout_colors)
    }

    /// Tells a failure on standard error: two lines for people, or a problem document.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        if self.is_json() {
            let problem = failure.to_problem();
            if let Ok(text) = json(&problem, self.format == Format::Json) {
                self.say(format_args!("{text}"));
            }
            return;
        }
        let word = self.stderr("error:", Tone::Bad);
        let message = style::inert_lines(failure.message());
        self.say(format_args!("{word} {message}\n"));
        if let Some(hint) = failure.hint() {
            let word = self.stderr("hint:", Tone::Dim);
            self.say(format_args!("{word} {}\n", style::inert_lines(hint)));
        }
    }

    fn say(&self, text: fmt::Arguments<'_>) {
        // Nobody to tell that nobody listens.
        let _ = io::stderr().lock().write_all(text.to_string().as_bytes());
    }
}

/// The wall clock, for ages in tables.
pub(crate) fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

/// Writes bytes to standard output, now.
///
/// # Errors
/// [`Failure::pipe_closed`] if its reader went away.
pub(crate) fn write_stdout(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| write_failed("standard output", &error))
}

/// Writes bytes to standard error, now.
///
/// # Errors
/// [`Failure::pipe_closed`] if its reader went away.
pub(crate) fn write_stderr(bytes: &[u8]) -> Result<()> {
    io::stderr().lock().write_all(bytes).map_err(|error| write_failed("standard error", &error))
}

fn write_failed(stream: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::pipe_closed(),
        _ => Failure::new(ErrorKind::Internal, format!("cannot write to {stream}: {error}")),
    }
}

fn json(document: &impl Serialize, is_pretty: bool) -> Result<String> {
    let text = match is_pretty {
        true => serde_json::to_string_pretty(document),
        false => serde_json::to_string(document),
    };
    let mut text = text.map_err(|error| {
        Failure::new(ErrorKind::Internal, format!("cannot print as JSON: {error}"))
    })?;
    text.push('\n');
    Ok(text)
}
