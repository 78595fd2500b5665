//! `context list` and `context use`.

use cortex_core::timestamp::Timestamp;
use cortex_proto::json::Page;
use serde::Serialize;

use crate::args::account::ContextCommand;
use crate::context::Context;
use crate::context::choice::Environment;
use crate::context::file::ContextFile;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;
use crate::program::Program;

/// A context, without its secrets.
#[derive(Debug, Serialize)]
pub(crate) struct ContextInfo {
    /// Its name.
    name: String,
    /// The hub's URL.
    hub: String,
    /// Whether it is the one in use.
    current: bool,
    /// `token`, `login` or `none`.
    credential: &'static str,
}

impl Row for ContextInfo {
    const TITLES: &'static [&'static str] = &["", "NAME", "HUB", "CREDENTIAL"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        let mark = if self.current { Cell::new("*", Tone::Good) } else { Cell::blank() };
        vec![mark, Cell::plain(&self.name), Cell::plain(&self.hub), Cell::plain(self.credential)]
    }

    fn details(&self, _: Timestamp) -> Vec<(&'static str, Cell)> {
        vec![
            ("Name", Cell::plain(&self.name)),
            ("Hub", Cell::plain(&self.hub)),
            ("Current", Cell::plain(if self.current { "yes" } else { "no" })),
            ("Credential", Cell::plain(self.credential)),
        ]
    }

    fn key(&self) -> &str {
        &self.name
    }
}

/// Runs a command of the group.
///
/// # Errors
/// The file cannot be read or written; no such context.
pub(crate) fn run(program: &Program, command: ContextCommand) -> Result<Exit> {
    let file = file()?;
    match command {
        ContextCommand::List => {
            let contexts = file.read()?;
            let current = contexts.current.as_deref();
            let items = contexts
                .contexts
                .iter()
                .map(|(name, context)| info(name, context, current == Some(name)))
                .collect();
            program.output.list(&Page { items, next_cursor: None })?;
        }
        ContextCommand::Use(args) => {
            let info = file.update(|contexts| {
                let info = info(&args.name, contexts.named(&args.name)?, true);
                contexts.current = Some(args.name);
                Ok(info)
            })?;
            program.output.item(&info)?;
        }
    }
    Ok(Exit::OK)
}

/// Where contexts are remembered.
///
/// # Errors
/// Neither `XDG_CONFIG_HOME` nor `HOME` names a folder.
pub(crate) fn file() -> Result<ContextFile> {
    Environment::read()?.file.ok_or_else(|| {
        Failure::usage("there is no place to remember a hub").or_hint("set HOME or XDG_CONFIG_HOME")
    })
}

fn info(name: &str, context: &Context, current: bool) -> ContextInfo {
    ContextInfo {
        name: name.to_owned(),
        hub: context.hub.clone(),
        current,
        credential: match (&context.token, &context.login) {
            (Some(_), _) => "token",
            (None, Some(_)) => "login",
            (None, None) => "none",
        },
    }
}
