//! Amounts of output that are typed: bytes with their unit, or lines.

/// Units of bytes; those of 1000 and of 1024 both, as people write them.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// How much of an output's end is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// The last so many lines.
    Lines(u32),
    /// The last so many bytes.
    Bytes(u64),
}

/// Parses an amount such as `64KiB` or `10GB`.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim_start());
    let amount =
        number.parse::<u64>().ok().zip(unit).and_then(|(n, (_, unit))| n.checked_mul(*unit));
    amount.ok_or_else(|| "expected bytes with their unit, e.g. 64KiB, 100MiB or 10GB".to_owned())
}

/// Parses `N` lines, or an amount of bytes.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn tail(text: &str) -> Result<Tail, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(Tail::Lines).map_err(|_| "expected a number of lines".to_owned());
    }
    bytes(text)
        .map(Tail::Bytes)
        .map_err(|_| "expected lines, e.g. 100, or bytes, e.g. 64KiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_unit_and_lines_have_none() {
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(bytes("10 GB"), Ok(10_000_000_000));
        for bad in ["", "1", "KiB", "1.5GiB", "-1B", "99999999999TiB", "1kib"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(tail("100"), Ok(Tail::Lines(100)));
        assert_eq!(tail("7B"), Ok(Tail::Bytes(7)));
        for bad in ["", "x", "99999999999", "1 line"] {
            assert!(tail(bad).is_err(), "{bad}");
        }
    }
}
