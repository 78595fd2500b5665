//! Selectors: which labels a node must have, in text `gpu=a100,zone!=eu-1,rack`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

use crate::capability::label::LabelError;
use crate::capability::label::check_key;
use crate::capability::label::check_pair;

/// How many terms a selector may have.
pub const MAX_TERMS: usize = 64;

/// A list of terms over labels; all of them must hold.
///
/// The selector without terms, in text the empty string, matches every set of labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    terms: Vec<Term>,
}

/// One condition of a [`Selector`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Term {
    /// `key=value`: the label is there and has this value.
    Equals {
        /// The label's key.
        key: String,
        /// The value that it must have.
        value: String,
    },
    /// `key!=value`: the label has another value, or is not there.
    Differs {
        /// The label's key.
        key: String,
        /// The value that it must not have.
        value: String,
    },
    /// `key`: the label is there, with whatever value.
    Exists {
        /// The label's key.
        key: String,
    },
}

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// Between two commas, or beside one, there is nothing.
    #[error("term {position} of the selector is empty")]
    EmptyTerm {
        /// Which term, counted from 1.
        position: usize,
    },
    /// A term names a key or value that no label can have.
    #[error("term {position} of the selector: {source}")]
    Term {
        /// Which term, counted from 1.
        position: usize,
        /// What is wrong with its key or value.
        source: LabelError,
    },
    /// There are more terms than [`MAX_TERMS`].
    #[error("a selector may have at most {MAX_TERMS} terms")]
    TooMany,
}

impl Selector {
    /// The terms, in the order they were written.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Says whether every term holds for `labels`.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.terms.iter().all(|term| term.holds(labels))
    }
}

impl Term {
    /// Says whether this one condition holds for `labels`.
    #[must_use]
    pub fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Term::Equals { key, value } => labels.get(key) == Some(value),
            Term::Differs { key, value } => labels.get(key) != Some(value),
            Term::Exists { key } => labels.contains_key(key),
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut terms = Vec::new();
        for (index, part) in text.split(',').enumerate() {
            if index == MAX_TERMS {
                return Err(SelectorError::TooMany);
            }
            let (position, part) = (index + 1, part.trim());
            if part.is_empty() {
                return Err(SelectorError::EmptyTerm { position });
            }
            let term =
                parse_term(part).map_err(|source| SelectorError::Term { position, source })?;
            terms.push(term);
        }
        Ok(Self { terms })
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Equals { key, value } => write!(f, "{key}={value}"),
            Term::Differs { key, value } => write!(f, "{key}!={value}"),
            Term::Exists { key } => f.write_str(key),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{term}")?;
        }
        Ok(())
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn parse_term(text: &str) -> Result<Term, LabelError> {
    // No key holds '!' or '=', so the first '=' ends the key, and a '!' before it belongs to it.
    let Some((left, value)) = text.split_once('=') else {
        check_key(text)?;
        return Ok(Term::Exists { key: text.to_owned() });
    };
    let (key, differs) = match left.strip_suffix('!') {
        Some(key) => (key.trim_end(), true),
        None => (left.trim_end(), false),
    };
    let value = value.trim_start();
    check_pair(key, value)?;
    let (key, value) = (key.to_owned(), value.to_owned());
    Ok(if differs { Term::Differs { key, value } } else { Term::Equals { key, value } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn selects(selector: &str, pairs: &[(&str, &str)]) -> bool {
        selector.parse::<Selector>().unwrap().matches(&labels(pairs))
    }

    #[test]
    fn all_terms_must_hold() {
        let node = [("gpu", "a100"), ("rack", ""), ("zone", "eu-1")];
        for yes in ["", "gpu", "gpu=a100", "rack=", "zone!=us", "none!=x", " gpu = a100 , rack "] {
            assert!(selects(yes, &node), "{yes:?}");
        }
        for no in ["none", "gpu=h100", "zone!=eu-1", "gpu=a100,none", "rack=1", "gpu="] {
            assert!(!selects(no, &node), "{no:?}");
        }
    }

    #[test]
    fn the_error_says_which_term_is_wrong() {
        let error = |text: &str| text.parse::<Selector>().unwrap_err();
        assert_eq!(error("a=1,,b"), SelectorError::EmptyTerm { position: 2 });
        assert_eq!(error("a,"), SelectorError::EmptyTerm { position: 2 });
        assert!(matches!(error("a,b c"), SelectorError::Term { position: 2, .. }));
        assert!(matches!(error("a==1"), SelectorError::Term { position: 1, .. }));
        assert!(matches!(error("!a"), SelectorError::Term { position: 1, .. }));
        assert_eq!(error(&vec!["a"; MAX_TERMS + 1].join(",")), SelectorError::TooMany);
    }

    #[test]
    fn json_form_is_the_text() {
        let selector: Selector = serde_json::from_str("\"gpu=a100, zone!=us\"").unwrap();
        assert_eq!(serde_json::to_string(&selector).unwrap(), "\"gpu=a100,zone!=us\"");
        assert!(serde_json::from_str::<Selector>("\"a,,b\"").is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_its_text_reads_back(text in "[ab=!, .]{0,20}|\\PC*") {
            if let Ok(selector) = text.parse::<Selector>() {
                prop_assert_eq!(selector.to_string().parse::<Selector>().unwrap(), selector);
            }
        }

        #[test]
        fn a_term_and_its_opposite_never_agree(
            key in "[a-c]", value in "[xy]", held in proptest::collection::btree_map("[a-c]", "[xy]", 0..4),
        ) {
            let equals = Term::Equals { key: key.clone(), value: value.clone() };
            let differs = Term::Differs { key, value };
            prop_assert_ne!(equals.holds(&held), differs.holds(&held));
        }
    }
}
