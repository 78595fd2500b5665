//! Remembered hubs: `~/.config/cortex/config.yaml`, and which hub a command talks to.

pub(crate) mod choice;
pub(crate) mod file;

use std::collections::BTreeMap;
use std::path::PathBuf;

use cortex_core::timestamp::Timestamp;
pub(crate) use cortex_proto::json::Secret;
use serde::Deserialize;
use serde::Serialize;

use crate::exit::Failure;
use crate::exit::Result;

/// All that is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Contexts {
    /// The context in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// Every context by its name.
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// One remembered hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Its URL.
    pub(crate) hub: String,
    /// PEM file with the authority that it is verified against, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// An API token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Secret>,
    /// What a login gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<Login>,
}

/// The tokens of a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// Bearer token for the API.
    pub(crate) access_token: Secret,
    /// When it stops being good, by this machine's clock.
    pub(crate) expires_at: Timestamp,
    /// Gets the next pair, once.
    pub(crate) refresh_token: Secret,
}

/// Takes a token as it stands in a file or variable: white space around it does not belong to it.
///
/// # Errors
/// A usage failure if it is empty or cannot be sent in a header; `origin` says where it is from.
pub(crate) fn parse_token(text: &str, origin: &str) -> Result<Secret> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::usage(format!("{origin} holds no token")));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage(format!("{origin} does not hold a token")));
    }
    Ok(Secret::from(text))
}

impl Contexts {
    /// The context `name`.
    ///
    /// # Errors
    /// Not found, with the names that there are.
    pub(crate) fn named(&self, name: &str) -> Result<&Context> {
        self.contexts.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            let hint = match names.as_slice() {
                [] => "cortex-cli login URL makes the first one".to_owned(),
                names => format!("there are: {}", names.join(", ")),
            };
            Failure::new(cortex_core::ErrorKind::NotFound, format!("no context \"{name}\""))
                .or_hint(hint)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_without_the_white_space_around_it() {
        assert_eq!(parse_token(" cxt1.a \n", "FILE").unwrap().expose(), "cxt1.a");
        for text in ["", "\n", "a b", "a\nb", "ä"] {
            assert!(parse_token(text, "FILE").is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_missing_context_says_which_there_are() {
        let mut contexts = Contexts::default();
        let context = Context { hub: "http://h".into(), ca: None, token: None, login: None };
        assert!(contexts.named("a").unwrap_err().hint().unwrap().contains("login"));
        contexts.contexts.insert("dev".into(), context.clone());
        contexts.contexts.insert("work".into(), context);
        assert_eq!(contexts.named("a").unwrap_err().hint(), Some("there are: dev, work"));
        assert!(contexts.named("dev").is_ok());
    }
}
