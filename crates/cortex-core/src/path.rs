//! Paths inside a workspace: relative, UTF-8, separated by `/`, and the same file on every system.
//!
//! A [`RelPath`] refuses what would name *another* file somewhere: `..`, `\`, a drive or a stream
//! (`:`), a trailing dot or space (Windows drops it), a Windows device. Case and Unicode
//! normalisation are not looked at here: only a whole directory can tell whether names collide.

mod target;

use std::borrow::Borrow;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

pub use target::LinkTarget;
pub use target::LinkTargetError;

/// A checked path of a file, directory or symlink below a workspace's root.
///
/// Never empty, never absolute, no `.` or `..`, no control character, at most
/// [`RelPath::MAX_LEN`] bytes with components of at most [`RelPath::MAX_COMPONENT_LEN`] bytes.
/// Order is the order of the bytes. Cloning is cheap: the text is shared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Arc<str>);

/// Why a text is no [`RelPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The text is empty.
    #[error("path is empty")]
    Empty,
    /// The text has more than [`RelPath::MAX_LEN`] bytes.
    #[error("path has {length} bytes, the limit is {}", RelPath::MAX_LEN)]
    TooLong {
        /// The length in bytes.
        length: usize,
    },
    /// The text begins with `/`.
    #[error("path is absolute")]
    Absolute,
    /// Two separators follow each other, or the text ends with one.
    #[error("path has an empty component")]
    EmptyComponent,
    /// A component is `.` or `..`.
    #[error("path has a component \"{component}\"")]
    Dots {
        /// The component: `.` or `..`.
        component: &'static str,
    },
    /// The text has a character that means something else on some system.
    #[error("path has the character {character:?}")]
    Character {
        /// The first such character: a backslash, a colon or a control character.
        character: char,
    },
    /// A component ends with a dot or a space.
    #[error("path has a component that ends with a dot or a space: {component:?}")]
    Trailing {
        /// The component.
        component: String,
    },
    /// A component names a device of Windows, with or without an extension.
    #[error("path has a component that is a device on Windows: {component:?}")]
    Device {
        /// The component.
        component: String,
    },
    /// A component has more than [`RelPath::MAX_COMPONENT_LEN`] bytes.
    #[error("path has a component of {length} bytes, the limit is {}", RelPath::MAX_COMPONENT_LEN)]
    ComponentTooLong {
        /// The component's length in bytes.
        length: usize,
    },
}

impl RelPath {
    /// The most bytes that a path may have.
    pub const MAX_LEN: usize = 4096;
    /// The most bytes that one component of a path may have.
    pub const MAX_COMPONENT_LEN: usize = 255;

    /// Checks a text and takes it as a path.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn new(text: impl Into<Arc<str>> + AsRef<str>) -> Result<Self, PathError> {
        check(text.as_ref())?;
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, outermost first; there is at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The text of the directory that holds it, or `None` directly below the root.
    #[must_use]
    pub fn parent_str(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }

    /// The directory that holds it, or `None` directly below the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.parent_str().map(|parent| Self(parent.into()))
    }

    /// The path of `rest`, one or more components, below this one.
    ///
    /// # Errors
    /// The first rule that the joined text breaks.
    pub fn join(&self, rest: &str) -> Result<Self, PathError> {
        if rest.is_empty() {
            return Err(PathError::EmptyComponent);
        }
        Self::new(format!("{}/{rest}", self.0))
    }

    /// Whether it lies below `directory`, at any depth; no path lies below itself.
    #[must_use]
    pub fn is_below(&self, directory: &RelPath) -> bool {
        self.0.strip_prefix(directory.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

fn check(text: &str) -> Result<(), PathError> {
    if text.is_empty() {
        return Err(PathError::Empty);
    }
    if text.len() > RelPath::MAX_LEN {
        return Err(PathError::TooLong { length: text.len() });
    }
    if text.starts_with('/') {
        return Err(PathError::Absolute);
    }
    let refused = |c: &char| matches!(c, '\\' | ':') || c.is_control();
    if let Some(character) = text.chars().find(refused) {
        return Err(PathError::Character { character });
    }
    text.split('/').try_for_each(check_component)
}

fn check_component(component: &str) -> Result<(), PathError> {
    match component {
        "" => return Err(PathError::EmptyComponent),
        "." => return Err(PathError::Dots { component: "." }),
        ".." => return Err(PathError::Dots { component: ".." }),
        _ => {}
    }
    if component.len() > RelPath::MAX_COMPONENT_LEN {
        return Err(PathError::ComponentTooLong { length: component.len() });
    }
    if component.ends_with(['.', ' ']) {
        return Err(PathError::Trailing { component: component.to_owned() });
    }
    if is_device(component) {
        return Err(PathError::Device { component: component.to_owned() });
    }
    Ok(())
}

/// Windows opens the device for `NUL`, `nul.txt` and `nul .txt` alike.
fn is_device(component: &str) -> bool {
    let stem = component.split_once('.').map_or(component, |(stem, _)| stem);
    let stem = stem.trim_end_matches(' ').to_ascii_lowercase();
    if matches!(stem.as_str(), "con" | "prn" | "aux" | "nul" | "conin$" | "conout$") {
        return true;
    }
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt")).unwrap_or_default();
    let mut characters = port.chars();
    matches!((characters.next(), characters.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl AsRef<str> for RelPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RelPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for RelPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
