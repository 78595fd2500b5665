//! Spans and ages in few letters.

use std::time::Duration;

use cortex_core::timestamp::Timestamp;

const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];

/// A span in its two largest units, e.g. `3d4h`, `5m10s`; `250ms` below a second.
#[must_use]
pub(crate) fn short(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds == 0 {
        return format!("{}ms", span.as_millis());
    }
    let Some(first) = UNITS.iter().position(|(unit, _)| seconds >= *unit) else {
        return "0s".to_owned();
    };
    let (unit, letter) = UNITS[first];
    let mut text = format!("{}{letter}", seconds / unit);
    if let Some((smaller, letter)) = UNITS.get(first + 1) {
        let rest = seconds % unit / smaller;
        if rest > 0 {
            text.push_str(&format!("{rest}{letter}"));
        }
    }
    text
}

/// The time between two RFC 3339 texts; empty if one is no time.
#[must_use]
pub(crate) fn between(from: Option<&str>, to: Timestamp) -> Option<String> {
    let from: Timestamp = from?.parse().ok()?;
    Some(short(to.since(from)))
}

/// How long ago an RFC 3339 text was: `now` for the last ten seconds, else e.g. `5m ago`.
#[must_use]
pub(crate) fn ago(at: Option<&str>, now: Timestamp) -> String {
    let Some(at) = at.and_then(|at| at.parse::<Timestamp>().ok()) else {
        return "-".to_owned();
    };
    match now.since(at) {
        age if age < Duration::from_secs(10) => "now".to_owned(),
        age => format!("{} ago", short(age)),
    }
}

/// How long until an RFC 3339 text, e.g. `in 5m`; `over` once it has passed.
#[must_use]
pub(crate) fn until(at: Option<&str>, now: Timestamp) -> String {
    match at.and_then(|at| at.parse::<Timestamp>().ok()) {
        None => "-".to_owned(),
        Some(at) if at <= now => "over".to_owned(),
        Some(at) => format!("in {}", short(at.since(now))),
    }
}

/// Bytes in binary units, e.g. `1.5 GiB`.
#[must_use]
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = count;
    let mut rest = 0;
    while whole >= 1_024 && unit + 1 < UNITS.len() {
        rest = whole % 1_024;
        whole /= 1_024;
        unit += 1;
    }
    match rest * 10 / 1_024 {
        0 => format!("{whole} {}", UNITS[unit]),
        tenths => format!("{whole}.{tenths} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let text = |seconds| short(Duration::from_secs(seconds));
        assert_eq!(text(3 * 86_400 + 4 * 3_600 + 59), "3d4h");
        assert_eq!(text(86_400), "1d");
        assert_eq!(text(310), "5m10s");
        assert_eq!(text(3_600), "1h");
        assert_eq!(text(59), "59s");
        assert_eq!(short(Duration::from_millis(250)), "250ms");
    }

    #[test]
    fn ages_and_deadlines_are_told_from_now() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(ago(Some("2026-11-22T11:59:55Z"), now), "now");
        assert_eq!(ago(Some("2026-11-22T11:55:00Z"), now), "5m ago");
        assert_eq!(ago(None, now), "-");
        assert_eq!(until(Some("2026-11-22T12:30:00Z"), now), "in 30m");
        assert_eq!(until(Some("2026-11-22T12:00:00Z"), now), "over");
        assert_eq!(between(Some("2026-11-22T11:00:00Z"), now).as_deref(), Some("1h"));
    }

    #[test]
    fn bytes_are_told_in_binary_units() {
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(2 * 1_024 * 1_024 * 1_024), "2 GiB");
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
    }
}
