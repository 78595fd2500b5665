//! What a symlink points to: text that is carried as it is and never followed here.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

/// The target of a symlink, as its maker wrote it.
///
/// Not empty, no NUL, at most [`LinkTarget::MAX_LEN`] bytes. It may be absolute, dangling or point
/// out of the workspace: whoever makes or follows the link on a disk has to judge that.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkTarget(Box<str>);

/// Why a text is no [`LinkTarget`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkTargetError {
    /// The text is empty.
    #[error("symlink target is empty")]
    Empty,
    /// The text has more than [`LinkTarget::MAX_LEN`] bytes.
    #[error("symlink target has {length} bytes, the limit is {}", LinkTarget::MAX_LEN)]
    TooLong {
        /// The length in bytes.
        length: usize,
    },
    /// The text has a NUL, which no system can store.
    #[error("symlink target has a NUL character")]
    Nul,
}

impl LinkTarget {
    /// The most bytes that a target may have; Linux stores no longer one.
    pub const MAX_LEN: usize = 4095;

    /// Checks a text and takes it as a target.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn new(text: impl Into<Box<str>> + AsRef<str>) -> Result<Self, LinkTargetError> {
        let length = text.as_ref().len();
        if length == 0 {
            return Err(LinkTargetError::Empty);
        }
        if length > Self::MAX_LEN {
            return Err(LinkTargetError::TooLong { length });
        }
        if text.as_ref().contains('\0') {
            return Err(LinkTargetError::Nul);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for LinkTarget {
    type Err = LinkTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl Serialize for LinkTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LinkTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_carried_as_it_is() {
        for text in ["../../etc/passwd", "/abs", "C:\\x", ".", "a//b/", " "] {
            let target: LinkTarget = text.parse().unwrap();
            let json = serde_json::to_string(&target).unwrap();
            assert_eq!(serde_json::from_str::<LinkTarget>(&json).unwrap().as_str(), text);
        }
    }

    #[test]
    fn empty_long_and_nul_are_refused() {
        assert_eq!(LinkTarget::new(""), Err(LinkTargetError::Empty));
        assert_eq!(LinkTarget::new("a\0b"), Err(LinkTargetError::Nul));
        assert!(LinkTarget::new("a".repeat(4095)).is_ok());
        let refused = Err(LinkTargetError::TooLong { length: 4096 });
        assert_eq!(LinkTarget::new("a".repeat(4096)), refused);
        assert!(serde_json::from_str::<LinkTarget>("\"\"").is_err());
    }
}
