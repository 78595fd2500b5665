//! How long a former key is accepted after it was replaced.

use std::time::Duration;

use cortex_core::Error;
use cortex_core::ErrorKind;
use cortex_core::Result;
use cortex_core::envelope::CLOCK_SKEW;
use cortex_core::envelope::MAX_LIFE;
use serde::Deserialize;
use serde::Serialize;

/// How keys are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Rotation {
    /// Time for which a tainted authority is accepted, in seconds.
    pub ca_overlap_s: u64,
    /// Time for which a tainted signing key is accepted, in seconds; 630 at most: longer than
    /// that, no message can be good.
    pub signing_overlap_s: u64,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { ca_overlap_s: 48 * 3600, signing_overlap_s: longest_signing_overlap().as_secs() }
    }
}

impl Rotation {
    /// [`Self::ca_overlap_s`] as a span.
    #[must_use]
    pub fn ca_overlap(&self) -> Duration {
        Duration::from_secs(self.ca_overlap_s)
    }

    /// [`Self::signing_overlap_s`] as a span.
    #[must_use]
    pub fn signing_overlap(&self) -> Duration {
        Duration::from_secs(self.signing_overlap_s)
    }

    /// # Errors
    /// `Invalid`: a span is too long.
    pub(crate) fn validate(&self) -> Result<()> {
        let limit = longest_signing_overlap();
        if self.signing_overlap() <= limit {
            return Ok(());
        }
        let message = format!("rotation.signing_overlap_s: at most {}", limit.as_secs());
        Err(Error::new(ErrorKind::Invalid, "build hub", message))
    }
}

/// A message lives for so long at most, and clocks may differ by so much.
fn longest_signing_overlap() -> Duration {
    MAX_LIFE + CLOCK_SKEW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_signing_key_outlives_what_it_signed() {
        let mut rotation = Rotation::default();
        assert_eq!(rotation.signing_overlap(), Duration::from_secs(630));
        rotation.validate().unwrap();
        rotation.signing_overlap_s += 1;
        assert_eq!(rotation.validate().unwrap_err().kind(), ErrorKind::Invalid);
    }
}
