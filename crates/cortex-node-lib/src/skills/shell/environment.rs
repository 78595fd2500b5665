//! The variables that programs start with.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::fmt;

/// Variables that the node never hands down.
const KEPT_BACK: [&str; 4] = ["LD_PRELOAD", "LD_AUDIT", "BASH_ENV", "ENV"];

/// The node's own environment without what is for the node alone.
///
/// Its `Debug` form has the names only: values may be secrets.
#[derive(Clone, Default)]
pub struct BaseEnvironment {
    variables: BTreeMap<OsString, OsString>,
}

impl BaseEnvironment {
    /// Takes what may be handed down of these variables.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>) -> Self {
        let variables = variables
            .into_iter()
            .filter(|(name, _)| !is_kept_back(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { variables }
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

fn is_kept_back(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("CORTEX_") || KEPT_BACK.contains(&name))
}

/// Whether a variable can make the loader or a shell run code of its value's choice.
pub(super) fn steers_loader(name: &str) -> bool {
    name.starts_with("LD_") || matches!(name, "BASH_ENV" | "ENV")
}

impl fmt::Debug for BaseEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_the_node_alone_is_kept_back() {
        let all = [("PATH", "/bin"), ("CORTEX_TOKEN", "s"), ("LD_PRELOAD", "x"), ("ENV", "y")];
        let base = BaseEnvironment::of(all.map(|(k, v)| (OsStr::new(k), OsStr::new(v))));
        assert_eq!(base.get("PATH"), Some(OsStr::new("/bin")));
        assert_eq!(base.iter().count(), 1);
        assert!(!format!("{base:?}").contains("/bin"));
    }
}
