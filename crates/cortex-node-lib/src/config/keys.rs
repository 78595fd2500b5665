//! The table of keys: how each is called as a variable, how it is set from one, how it is shown.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use cortex_core::Error;
use cortex_core::Result;
use serde::de::DeserializeOwned;

use super::Environment;
use super::NodeConfig;
use super::file::Span;
use super::file::Written;
use super::invalid;

const PREFIX: &str = "CORTEX_NODE_";

/// Variables with our prefix that are for the program around the library.
const RESERVED: [&str; 2] = ["CORTEX_NODE_CONFIG", "CORTEX_NODE_LOG"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A variable of this name.
    Environment(String),
    /// The file.
    File,
    /// Nobody said anything.
    Default,
}

/// One key of the configuration, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginRow {
    /// The key's path in the file, e.g. `hub.server_host`.
    pub key: &'static str,
    /// Its value, masked where it is a secret; empty where there is none.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Environment(name) => write!(f, "environment ({name})"),
            Origin::File => f.write_str("file"),
            Origin::Default => f.write_str("default"),
        }
    }
}

struct Key {
    path: &'static str,
    set: fn(&mut Written, &str) -> Result<(), String>,
    is_set: fn(&Written) -> bool,
    show: fn(&NodeConfig) -> String,
}

macro_rules! key {
    ($path:literal, $($field:ident).+, $parse:ident, $show:expr) => {
        Key {
            path: $path,
            set: |written, text| {
                written.$($field).+ = Some($parse(text)?);
                Ok(())
            },
            is_set: |written| written.$($field).+.is_some(),
            show: $show,
        }
    };
}

const KEYS: &[Key] = &[
    key!("hub.id", hub.id, text, |c| c.hub.id.to_string()),
    key!("hub.server_host", hub.server_host, text, |c| c.hub.server_host.clone()),
    key!("hub.grpc_port", hub.grpc_port, text, |c| c.hub.grpc_port.to_string()),
    key!("hub.server_name", hub.server_name, text, |c| c.hub.server_name.clone()),
    key!("hub.ca_spki_sha256", hub.ca_spki_sha256, list, |c| joined(&c.hub.ca_spki_sha256, ",")),
    key!("hub.ca_pem", hub.ca_pem, text, |c| {
        c.hub.ca_pem.as_ref().map(|pem| format!("({} bytes)", pem.len())).unwrap_or_default()
    }),
    key!("hub.trust_anchor", hub.trust_anchor, text, |c| shown(c.hub.trust_anchor.as_ref())),
    key!("node.name", node.name, text, |c| c.name.clone().unwrap_or_default()),
    key!("node.id", node.id, text, |c| shown(c.id.as_ref())),
    key!("node.data_dir", node.data_dir, text, |c| c.data_dir.display().to_string()),
    key!("node.labels", node.labels, labels, |c| {
        let pairs: Vec<String> = c.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join(",")
    }),
    key!("node.workspace", node.workspace, text, |c| c.workspace_dir().display().to_string()),
    key!("node.max_tasks", node.max_tasks, text, |c| c.max_tasks.to_string()),
    key!("node.reconnect_limit", node.reconnect_limit, text, |c| shown(c.reconnect_limit.as_ref())),
    key!("node.drain", node.drain, text, |c| Span(c.drain).to_string()),
    key!("invite", invite, text, |c| {
        c.invite.as_ref().map(|invite| format!("{invite:?}")).unwrap_or_default()
    }),
    key!("policy", policy, yaml, |c| {
        let json = c.policy.as_ref().map(serde_json::to_string);
        json.and_then(Result::ok).unwrap_or_default()
    }),
];

/// Sets what the environment sets; says which keys that were, and by which variable.
///
/// # Errors
/// `Invalid`: an unknown variable with our prefix, or a value that does not fit its key.
pub(super) fn apply(
    written: &mut Written,
    environment: &Environment,
) -> Result<BTreeMap<&'static str, String>> {
    let mut applied = BTreeMap::new();
    for (name, value) in environment.iter() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if RESERVED.contains(&name) {
            continue;
        }
        let key = KEYS.iter().find(|key| variable(key.path) == name);
        let key = key.ok_or_else(|| unknown(name))?;
        let value = value.to_str().ok_or_else(|| invalid(format!("{name} is no UTF-8 text")))?;
        (key.set)(written, value).map_err(|reason| invalid(format!("{name}: {reason}")))?;
        applied.insert(key.path, name.to_owned());
    }
    Ok(applied)
}

/// One row a key, with the value in force and where it came from.
pub(super) fn origins(
    file: &Written,
    environment: &BTreeMap<&'static str, String>,
    config: &NodeConfig,
) -> Vec<OriginRow> {
    let row = |key: &Key| OriginRow {
        key: key.path,
        value: (key.show)(config),
        origin: match environment.get(key.path) {
            Some(name) => Origin::Environment(name.clone()),
            None if (key.is_set)(file) => Origin::File,
            None => Origin::Default,
        },
    };
    KEYS.iter().map(row).collect()
}

fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

fn unknown(name: &str) -> Error {
    let names = KEYS.iter().map(|key| variable(key.path));
    let nearest = names.min_by_key(|known| distance(known, name)).unwrap_or_default();
    invalid(format!("{name} is no variable of a node"))
        .with_hint(format!("did you mean {nearest}?"))
}

/// How many characters must be added, removed or changed to make one text the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (at, to) in right.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

fn text<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|error: T::Err| error.to_string())
}

fn list<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<Vec<T>, String> {
    value.split(',').map(|part| text(part.trim())).collect()
}

fn yaml<T: DeserializeOwned>(value: &str) -> Result<T, String> {
    serde_yaml::from_str(value).map_err(|error| error.to_string())
}

fn labels(value: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').ok_or("write labels as in key=value,key=value")?;
        Ok((key.trim().to_owned(), value.trim().to_owned()))
    };
    value.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

fn shown<T: fmt::Display>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn joined<T: fmt::Display>(values: &[T], separator: &str) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(separator)
}
