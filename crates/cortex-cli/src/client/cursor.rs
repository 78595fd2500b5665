//! How far a reader of a task's output has come.

use std::fmt;
use std::str::FromStr;

/// Bytes read of each stream; as text `STDOUT-STDERR`, e.g. `4096-0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OutputCursor {
    /// Bytes of standard output.
    pub(crate) stdout: u64,
    /// Bytes of standard error.
    pub(crate) stderr: u64,
}

impl OutputCursor {
    /// Whether nothing lacks up to `other`.
    #[must_use]
    pub(crate) fn reaches(self, other: Self) -> bool {
        self.stdout >= other.stdout && self.stderr >= other.stderr
    }
}

impl fmt::Display for OutputCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stdout, self.stderr)
    }
}

impl FromStr for OutputCursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('-').and_then(|(stdout, stderr)| {
            Some(Self { stdout: number(stdout)?, stderr: number(stderr)? })
        });
        parsed.ok_or_else(|| "expected STDOUT-STDERR in bytes, e.g. 4096-0".to_owned())
    }
}

/// Digits only: what `u64` parses besides, a sign in front, is no cursor.
fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_round_trips(stdout: u64, stderr: u64) {
            let cursor = OutputCursor { stdout, stderr };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            if let Ok(cursor) = text.parse::<OutputCursor>() {
                let digits = text.split('-').all(|part| part.bytes().all(|b| b.is_ascii_digit()));
                prop_assert!(digits, "{} as {}", text, cursor);
            }
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "-", "1", "1-", "-1", "+1-2", "1-2-3", "99999999999999999999-0"] {
            assert!(text.parse::<OutputCursor>().is_err(), "{text}");
        }
    }
}
