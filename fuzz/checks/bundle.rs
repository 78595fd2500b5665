//! The configuration that a node is started with, invite and all: read, or refused in words.

use std::path::Path;

use cortex_node_lib::Environment;
use cortex_node_lib::NodeConfig;

/// The input is the text of a node.yaml.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match NodeConfig::parse(text, Path::new("/base"), &Environment::empty()) {
        Ok(config) => config.validate().expect("what is read can be used"),
        Err(error) => assert!(!error.message().is_empty()),
    }
}
