//! Amounts of memory: units, and how an amount is printed.

/// The units, the largest first; where two give an equally short text, the binary one is printed.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// All units, for messages.
pub(super) const UNIT_NAMES: &str = "B, KiB, MiB, GiB, TiB, kB, MB, GB, TB";

/// How many bytes a unit stands for.
pub(super) fn bytes_in(unit: &str) -> Option<u64> {
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes)
}

/// The unit that somebody may have meant who wrote `unit`.
pub(super) fn unit_like(unit: &str) -> Option<&'static str> {
    let lower = unit.to_ascii_lowercase();
    let long = if lower.ends_with('b') { lower } else { format!("{lower}b") };
    UNITS.iter().map(|(name, _)| *name).find(|name| name.to_ascii_lowercase() == long)
}

/// The shortest text that says exactly this amount, e.g. `16GiB` or `500MB`.
pub(super) fn exact(amount: u64) -> String {
    let (number, unit) = shortest(amount);
    format!("{number}{unit}")
}

/// An amount for people, beside the one that it is compared with: exact where that is short or
/// where it would look the same, else cut to one decimal.
pub(super) fn readable(amount: u64, beside: u64) -> String {
    let rough = rough(amount);
    if amount != beside && rough == self::rough(beside) {
        return format!("{amount} B");
    }
    rough
}

fn rough(amount: u64) -> String {
    let (number, unit) = shortest(amount);
    if number < 10_000 {
        return format!("{number} {unit}");
    }
    let binary = UNITS.iter().filter(|(name, _)| name.ends_with("iB"));
    let Some((unit, bytes)) = binary.clone().find(|(_, bytes)| amount >= *bytes) else {
        return format!("{amount} B");
    };
    let tenths = u128::from(amount) * 10 / u128::from(*bytes);
    match tenths % 10 {
        0 => format!("{} {unit}", tenths / 10),
        tenth => format!("{}.{tenth} {unit}", tenths / 10),
    }
}

fn shortest(amount: u64) -> (u64, &'static str) {
    if amount == 0 {
        return (0, "B");
    }
    let exact = UNITS.iter().filter(|(_, bytes)| amount.is_multiple_of(*bytes));
    let texts = exact.map(|(unit, bytes)| (amount / bytes, *unit));
    // Of equally short texts the first counts.
    texts
        .min_by_key(|(number, unit)| (number.to_string().len(), !unit.contains('i')))
        .unwrap_or((amount, "B"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_amount_is_printed_in_the_unit_in_which_it_was_meant() {
        for (text, amount) in [
            ("16GiB", 16 << 30),
            ("16GB", 16_000_000_000),
            ("1536MiB", 3 << 29),
            ("1TiB", 1 << 40),
            ("0B", 0),
            ("1023B", 1023),
            ("18446744073709551615B", u64::MAX),
        ] {
            assert_eq!(exact(amount), text);
        }
    }

    #[test]
    fn people_get_one_decimal_and_never_two_equal_texts_for_two_amounts() {
        let sixteen = 16 << 30;
        assert_eq!(readable(8 << 30, sixteen), "8 GiB");
        assert_eq!(readable(16_623_108_096, sixteen), "15.4 GiB");
        assert_eq!(readable(sixteen + 1, sixteen), "17179869185 B");
        assert_eq!(readable(sixteen, sixteen), "16 GiB");
        assert_eq!(readable(0, sixteen), "0 B");
    }

    #[test]
    fn a_unit_that_is_nearly_right_is_known() {
        assert_eq!(unit_like("gb"), Some("GB"));
        assert_eq!(unit_like("Gi"), Some("GiB"));
        assert_eq!(unit_like("KB"), Some("kB"));
        assert_eq!(unit_like("GIB"), Some("GiB"));
        assert_eq!(unit_like("parsec"), None);
    }

    proptest! {
        #[test]
        fn an_exact_text_says_the_same_amount(amount: u64, shift in 0_u32..50) {
            let amount = amount >> shift;
            let text = exact(amount);
            let at = text.find(|c: char| c.is_alphabetic()).unwrap();
            let number: u64 = text[..at].parse().unwrap();
            prop_assert_eq!(number.checked_mul(bytes_in(&text[at..]).unwrap()), Some(amount));
        }
    }
}
