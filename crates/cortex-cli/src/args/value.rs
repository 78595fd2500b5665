//! Single values that are typed: pairs, times, names of variables.

use std::time::Duration;

use cortex_core::timestamp::Timestamp;

/// A label or variable: `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    /// What stands before the first `=`.
    pub(crate) key: String,
    /// What stands behind it; may be empty.
    pub(crate) value: String,
}

/// A change of a node's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LabelChange {
    /// `key=value`: sets it.
    Set(Pair),
    /// `key-`: takes it away.
    Remove(String),
}

/// Parses `key=value`.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn pair(text: &str) -> Result<Pair, String> {
    match text.split_once('=') {
        Some(("", _)) => Err("the part before \"=\" is empty".to_owned()),
        Some((key, value)) => Ok(Pair { key: key.to_owned(), value: value.to_owned() }),
        None => Err("expected key=value".to_owned()),
    }
}

/// Parses `key=value` or `key-`.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn label_change(text: &str) -> Result<LabelChange, String> {
    if text.contains('=') {
        return pair(text).map(LabelChange::Set);
    }
    match text.strip_suffix('-') {
        Some(key) if !key.is_empty() => Ok(LabelChange::Remove(key.to_owned())),
        _ => Err("expected key=value, or key- to take a label away".to_owned()),
    }
}

/// Parses a span such as `90s`, `30m` or `1h 30m`.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "expected a time with its unit, e.g. 90s, 30m or 1h30m".to_owned())
}

/// A point in time as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long from now.
    In(Duration),
    /// This one.
    At(Timestamp),
}

impl Moment {
    /// The time.
    #[must_use]
    pub(crate) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Moment::In(span) => now + span,
            Moment::At(time) => time,
        }
    }
}

/// Parses a span from now such as `10m`, or a time such as `2026-11-22T18:00:00Z`.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(span) = span(text) {
        return Ok(Moment::In(span));
    }
    let time = text.parse().map(Moment::At);
    time.map_err(|_| {
        "expected a span such as 10m, or a time such as 2026-11-22T18:00:00Z".to_owned()
    })
}

/// Milliseconds of a span, for the wire.
#[must_use]
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_split_at_the_first_equals_sign() {
        let parsed = pair("path=a=b").unwrap();
        assert_eq!((parsed.key.as_str(), parsed.value.as_str()), ("path", "a=b"));
        assert_eq!(pair("empty=").unwrap().value, "");
        assert!(pair("=value").is_err());
        assert!(pair("word").is_err());
    }

    #[test]
    fn a_trailing_dash_takes_a_label_away() {
        assert_eq!(label_change("role-"), Ok(LabelChange::Remove("role".into())));
        let set = LabelChange::Set(Pair { key: "a".into(), value: "b-".into() });
        assert_eq!(label_change("a=b-"), Ok(set));
        assert!(label_change("-").is_err());
        assert!(label_change("role").is_err());
    }

    #[test]
    fn spans_need_a_unit() {
        assert_eq!(span("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(millis(span("90s").unwrap()), 90_000);
        assert!(span("30").is_err());
        assert!(span("").is_err());
        let now = Timestamp::from_millis(1_000);
        assert_eq!(moment("2s").unwrap().from(now), Timestamp::from_millis(3_000));
        let time = moment("1970-01-01T00:00:09Z").unwrap();
        assert_eq!(time.from(now), Timestamp::from_millis(9_000));
        assert!(moment("soon").is_err());
    }
}
