//! File and environment, in that order; where each value came from is kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Map;
use serde_json::Value;

use super::HubConfig;

/// Environment variables that set a key begin with this; levels are parted by two underscores,
/// e.g. `CORTEX_HUB_LIMITS__NODE_GRACE_S`.
pub const ENV_PREFIX: &str = "CORTEX_HUB_";

/// A configuration, and where its values came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: HubConfig,
    /// For each key with dots between its levels: its value as JSON, and where it came from.
    pub origins: BTreeMap<String, (String, Origin)>,
}

/// Where a value came from; later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File,
    /// The environment.
    Environment,
}

/// Why a configuration cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no YAML, or has an unknown key or a wrong value; line and column are in the text.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// An environment variable names no key, or has a wrong value.
    #[error("environment variable {name}: {reason}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// Reads a configuration from defaults, then `file`, then those of `environment` that begin with
/// [`ENV_PREFIX`].
///
/// # Errors
/// [`ConfigError`]: names file, line and column, or the variable.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let defaults = to_object(&HubConfig::default());
    let from_file = match file {
        Some(path) => read(path)?,
        None => HubConfig::default(),
    };
    let written = match file {
        Some(path) => written_keys(path)?,
        None => Map::new(),
    };
    let mut values = to_object(&from_file);
    let mut origins = BTreeMap::new();
    flatten("", &values, &mut |key, value| {
        let origin = if has(&written, key) { Origin::File } else { Origin::Default };
        origins.insert(key.to_owned(), (value.to_string(), origin));
    });
    for (name, text) in environment {
        let Some(key) = key_of(&name) else { continue };
        let value = set(&defaults, &mut values, &key, &text)
            .map_err(|reason| ConfigError::Variable { name: name.clone(), reason })?;
        serde_json::from_value::<HubConfig>(Value::Object(values.clone()))
            .map_err(|error| ConfigError::Variable { name, reason: error.to_string() })?;
        origins.insert(key, (value, Origin::Environment));
    }
    let config = serde_json::from_value(Value::Object(values)).map_err(|error| {
        let path = file.map(Path::to_path_buf).unwrap_or_default();
        ConfigError::File { path, reason: error.to_string() }
    })?;
    Ok(Loaded { config, origins })
}

/// The key that an environment variable sets. `CORTEX_HUB` itself is the client's.
fn key_of(name: &str) -> Option<String> {
    let rest = name.strip_prefix(ENV_PREFIX)?;
    Some(rest.to_lowercase().replace("__", "."))
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })
}

fn read(path: &Path) -> Result<HubConfig, ConfigError> {
    serde_yaml::from_str(&text_of(path)?)
        .map_err(|error| ConfigError::File { path: path.to_path_buf(), reason: error.to_string() })
}

fn written_keys(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let value: Option<Value> = serde_yaml::from_str(&text_of(path)?).map_err(|error| {
        ConfigError::File { path: path.to_path_buf(), reason: error.to_string() }
    })?;
    Ok(match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    })
}

fn to_object(config: &HubConfig) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Calls `visit` for each key; objects are opened, lists are one value. The policy is one value.
fn flatten(prefix: &str, map: &Map<String, Value>, visit: &mut impl FnMut(&str, &Value)) {
    for (name, value) in map {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Object(inner) if key != "policy" => flatten(&key, inner, visit),
            _ => visit(&key, value),
        }
    }
}

fn has(map: &Map<String, Value>, key: &str) -> bool {
    match key.split_once('.') {
        Some((head, rest)) => {
            map.get(head).and_then(Value::as_object).is_some_and(|inner| has(inner, rest))
        }
        None => map.contains_key(key),
    }
}

/// Sets one key from text: as YAML where the default is no text, as it is where it is.
fn set(
    defaults: &Map<String, Value>,
    values: &mut Map<String, Value>,
    key: &str,
    text: &str,
) -> Result<String, String> {
    if let Some((head, rest)) = key.split_once('.') {
        let inner_default = defaults.get(head).and_then(Value::as_object);
        let inner = values.get_mut(head).and_then(Value::as_object_mut);
        return match inner_default.zip(inner) {
            Some((default, inner)) if head != "policy" => set(default, inner, rest, text),
            _ => Err(unknown(defaults, head)),
        };
    }
    let default = defaults.get(key).ok_or_else(|| unknown(defaults, key))?;
    let value = if default.is_string() {
        Value::String(text.to_owned())
    } else {
        serde_yaml::from_str(text).map_err(|error| error.to_string())?
    };
    let shown = value.to_string();
    values.insert(key.to_owned(), value);
    Ok(shown)
}

fn unknown(known: &Map<String, Value>, key: &str) -> String {
    let names: Vec<_> = known.keys().map(String::as_str).collect();
    format!("unknown key \"{key}\"; known here are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let yaml = file("node_host: files.example\nlimits:\n  node_grace_s: 7\n");
        let vars = environment(&[("CORTEX_HUB_LIMITS__NODE_GRACE_S", "9"), ("CORTEX_HUB", "x")]);
        let loaded = load(Some(yaml.path()), vars).unwrap();
        assert_eq!(loaded.config.limits.node_grace_s, 9);
        assert_eq!(loaded.config.node_host, "files.example");
        let origin = |key: &str| loaded.origins[key].1;
        assert_eq!(origin("limits.node_grace_s"), Origin::Environment);
        assert_eq!(origin("node_host"), Origin::File);
        assert_eq!(origin("public_url"), Origin::Default);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let yaml = file("node_host: a\nnode_hots: b\n");
        let error = load(Some(yaml.path()), []).unwrap_err().to_string();
        assert!(error.contains("node_hots") && error.contains("line 2"), "{error}");
        let vars = environment(&[("CORTEX_HUB_DATABSE", "x")]);
        let error = load(None, vars).unwrap_err().to_string();
        assert!(error.contains("databse") && error.contains("data_dir"), "{error}");
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let yaml = file("# nothing\n");
        assert_eq!(load(Some(yaml.path()), []).unwrap().config, HubConfig::default());
    }
}
