//! `config show` and `config check`: of this program, of a `node.yaml`, of a `hub.yaml`.

mod own;

use std::path::Path;

use cortex_core::timestamp::Timestamp;
use cortex_hub_lib::config as hub_config;
use cortex_node_lib::config::Environment as NodeEnvironment;
use cortex_node_lib::config::NodeConfig;
use cortex_proto::json::Page;
use serde::Serialize;
use serde_json::json;

use crate::args::setup::ConfigCommand;
use crate::exit::Exit;
use crate::exit::Failure;
use crate::exit::Result;
use crate::output;
use crate::output::style::Tone;
use crate::output::table::Cell;
use crate::output::table::Row;
use crate::program::Program;

/// One key with its value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    /// Its path in the file.
    key: String,
    /// Its value; a secret is never shown.
    value: String,
    /// Where the value comes from, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

impl Row for Setting {
    const TITLES: &'static [&'static str] = &["KEY", "VALUE", "ORIGIN"];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        vec![Cell::plain(&self.key), Cell::plain(&self.value), Cell::maybe(self.origin.as_ref())]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Key", "Value", "Origin"].into_iter().zip(self.cells(now)).collect()
    }

    fn key(&self) -> &str {
        &self.key
    }
}

/// What kind of program a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Node,
    Hub,
}

/// Runs a command of the group.
///
/// # Errors
/// A file that cannot be read, or that is wrong.
pub(crate) fn run(program: &Program, command: ConfigCommand) -> Result<Exit> {
    match command {
        ConfigCommand::Show(args) => match &args.file {
            None => print(program, own::settings(program)?, args.origin),
            Some(file) => match kind_of(file)? {
                Kind::Node => show_node(program, file, args.origin),
                Kind::Hub => print(program, hub_settings(file)?, args.origin),
            },
        },
        ConfigCommand::Check(args) => match kind_of(&args.file)? {
            Kind::Node => check_node(program, &args.file),
            Kind::Hub => {
                hub_settings(&args.file)?;
                good(program, &args.file, "hub", &[])
            }
        },
    }
}

/// Prints a node's settings.
///
/// # Errors
/// The file cannot be read, or is wrong.
pub(crate) fn show_node(program: &Program, file: &Path, origin: bool) -> Result<Exit> {
    let loaded = NodeConfig::load(file, &NodeEnvironment::of_process())?;
    warn(program, &loaded.warnings);
    let setting = |row: &cortex_node_lib::config::OriginRow| Setting {
        key: row.key.to_owned(),
        value: row.value.clone(),
        origin: Some(row.origin.to_string()),
    };
    print(program, loaded.origins.iter().map(setting).collect(), origin)
}

/// Checks a node's configuration.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_node(program: &Program, file: &Path) -> Result<Exit> {
    let loaded = NodeConfig::load(file, &NodeEnvironment::of_process())?;
    good(program, file, "node", &loaded.warnings)
}

fn hub_settings(file: &Path) -> Result<Vec<Setting>> {
    let loaded = load_hub(Some(file))?;
    let setting = |(key, (value, origin)): (&String, &(String, hub_config::Origin))| Setting {
        key: key.clone(),
        value: value.clone(),
        origin: Some(match origin {
            hub_config::Origin::Default => "default".to_owned(),
            hub_config::Origin::File => "file".to_owned(),
            hub_config::Origin::Environment => format!("environment ({})", variable_of(key)),
        }),
    };
    Ok(loaded.origins.iter().map(setting).collect())
}

/// Reads a hub's configuration, with this process's variables.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn load_hub(file: Option<&Path>) -> Result<hub_config::Loaded> {
    // Whoever has bytes that are no text in a variable meant another program.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    hub_config::load(file, variables).map_err(|error| match error {
        hub_config::ConfigError::Read { path, source } => Failure::file("read", &path, &source),
        error => Failure::usage(error.to_string()).with_code("bad_config"),
    })
}

fn variable_of(key: &str) -> String {
    format!("{}{}", hub_config::ENV_PREFIX, key.replace('.', "__").to_uppercase())
}

/// A node's file has sections that a hub's has not; whatever else is in it, the real parser judges.
fn kind_of(file: &Path) -> Result<Kind> {
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
    Ok(kind_of_text(&text))
}

fn kind_of_text(text: &str) -> Kind {
    let sections = ["hub:", "node:", "invite:"];
    let is_node = text.lines().any(|line| sections.iter().any(|section| line.starts_with(section)));
    if is_node { Kind::Node } else { Kind::Hub }
}

fn print(program: &Program, settings: Vec<Setting>, origin: bool) -> Result<Exit> {
    let items = settings
        .into_iter()
        .map(|setting| Setting { origin: setting.origin.filter(|_| origin), ..setting });
    if !origin && program.output.format() == crate::args::Format::Table {
        let lines: String =
            items.map(|setting| format!("{}: {}\n", setting.key, setting.value)).collect();
        output::write_stdout(lines.as_bytes())?;
        return Ok(Exit::OK);
    }
    program.output.list(&Page { items: items.collect(), next_cursor: None })?;
    Ok(Exit::OK)
}

fn good(program: &Program, file: &Path, kind: &str, warnings: &[String]) -> Result<Exit> {
    warn(program, warnings);
    let shown = file.display().to_string();
    let document = json!({ "file": shown, "kind": kind, "ok": true, "warnings": warnings });
    let mark = program.output.stdout("✓", Tone::Good);
    program
        .output
        .document_or(&document, format_args!("{mark} {shown} is a good {kind} configuration\n"))?;
    Ok(Exit::OK)
}

fn warn(program: &Program, warnings: &[String]) {
    for warning in warnings {
        program.output.warn(warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_known_by_its_sections() {
        assert_eq!(kind_of_text("# made by a hub\nhub:\n  id: hub_1\n"), Kind::Node);
        assert_eq!(kind_of_text("public_url: http://h\nlimits:\n  node_grace_s: 9\n"), Kind::Hub);
        assert_eq!(kind_of_text("nodes:\n  hub: x\n"), Kind::Hub);
        assert_eq!(kind_of_text(""), Kind::Hub);
    }

    #[test]
    fn keys_are_told_with_their_variables() {
        assert_eq!(variable_of("limits.node_grace_s"), "CORTEX_HUB_LIMITS__NODE_GRACE_S");
    }
}
