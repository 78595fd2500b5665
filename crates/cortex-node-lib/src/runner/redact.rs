//! Replaces secrets in what a task puts out, however it is cut into pieces.
//!
//! Of all places where a secret begins the first counts, and there the longest one: what comes out
//! is the same as if all of a stream were looked at at once. The end of a piece that may be the
//! beginning of a secret is held back until more comes.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use aho_corasick::MatchKind;
use cortex_core::task::MIN_SECRET_BYTES;
use cortex_core::task::Outcome;
use cortex_core::task::Secrets;
use serde_json::Value;

/// The most that is let out of what was held back, when nothing more comes for a while: so short a
/// beginning is chance more often than not. All of it is let out at the stream's end.
const LET_OUT: usize = 3;

/// The secrets of one task, ready to be looked for.
#[derive(Debug, Clone)]
pub(super) struct Redactor {
    search: Arc<Search>,
}

#[derive(Debug)]
struct Search {
    /// Each secret, and each line of those that have several.
    patterns: Vec<Vec<u8>>,
    /// What is put in the place of each.
    marks: Vec<Vec<u8>>,
    automaton: AhoCorasick,
    longest: usize,
    let_out: usize,
}

/// One stream that is being redacted.
#[derive(Debug)]
pub(super) struct Redacted {
    search: Arc<Search>,
    held: Vec<u8>,
    /// How many of the held bytes have gone out already.
    gone: usize,
}

impl Redactor {
    /// Looks for these secrets; nothing where there are none.
    ///
    /// Of a secret of several lines, each line is looked for too: a terminal ends them differently,
    /// and a program may print one alone.
    pub(super) fn of(secrets: &Secrets) -> Option<Self> {
        let (mut patterns, mut marks) = (Vec::new(), Vec::new());
        for (name, value) in secrets.iter() {
            let lines = value.lines().map(|line| line.trim_end_matches('\r'));
            let lines = lines.filter(|line| *line != value && line.len() >= MIN_SECRET_BYTES);
            for pattern in std::iter::once(value).chain(lines) {
                patterns.push(pattern.as_bytes().to_vec());
                marks.push(format!("[redacted:{name}]").into_bytes());
            }
        }
        let shortest = patterns.iter().map(Vec::len).min()?;
        let longest = patterns.iter().map(Vec::len).max()?;
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns)
            .expect("64 secrets of 16 KiB are within the automaton's limits");
        let let_out = LET_OUT.min(shortest / 4);
        let search = Search { patterns, marks, automaton, longest, let_out };
        Some(Self { search: Arc::new(search) })
    }

    /// Begins a stream.
    pub(super) fn stream(&self) -> Redacted {
        Redacted { search: Arc::clone(&self.search), held: Vec::new(), gone: 0 }
    }

    /// Redacts a text that is there as a whole.
    pub(super) fn text(&self, text: &str) -> String {
        let mut stream = self.stream();
        let mut out = stream.take(text.as_bytes());
        out.extend(stream.finish());
        // Secrets are text, so what is cut out leaves whole characters.
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Redacts the words and values of an outcome.
    pub(super) fn outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Returned { value } => Outcome::Returned { value: self.value(value) },
            Outcome::Broken { message } => Outcome::Broken { message: self.text(&message) },
            Outcome::Rejected { rule, reason } => {
                Outcome::Rejected { rule: self.text(&rule), reason: self.text(&reason) }
            }
            Outcome::Interrupted { reason } => Outcome::Interrupted { reason: self.text(&reason) },
            other => other,
        }
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (self.text(&name), self.value(value)))
                .collect(),
            other => other,
        }
    }
}

impl Redacted {
    /// Takes a piece; returns what can go out.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        let search = Arc::clone(&self.search);
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(piece);
        let mut out = Vec::with_capacity(text.len());
        let (mut at, mut begin) = (0, search.beginning(&text, 0));
        loop {
            match search.first(&text, at).filter(|(found, _)| found.start < begin) {
                Some((found, mark)) => {
                    self.let_go(&text[at..found.start], &mut out);
                    self.gone = self.gone.saturating_sub(found.len());
                    out.extend_from_slice(mark);
                    at = found.end;
                    if begin < at {
                        begin = search.beginning(&text, at);
                    }
                }
                None => {
                    self.let_go(&text[at..begin], &mut out);
                    text.drain(..begin);
                    self.held = text;
                    return out;
                }
            }
        }
    }

    /// Nothing came for a while: returns what of the held bytes is too short to be told from chance.
    pub(super) fn pause(&mut self) -> Vec<u8> {
        if self.held.len() > self.search.let_out {
            return Vec::new();
        }
        let fresh = self.held[self.gone.min(self.held.len())..].to_vec();
        self.gone = self.held.len();
        fresh
    }

    /// Whether bytes are held back that a pause would let out.
    pub(super) fn is_waiting(&self) -> bool {
        self.held.len() > self.gone && self.held.len() <= self.search.let_out
    }

    /// The stream has ended: returns what was held back.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let search = Arc::clone(&self.search);
        let text = std::mem::take(&mut self.held);
        let (mut out, mut at) = (Vec::new(), 0);
        while let Some((found, mark)) = search.first(&text, at) {
            self.let_go(&text[at..found.start], &mut out);
            self.gone = self.gone.saturating_sub(found.len());
            out.extend_from_slice(mark);
            at = found.end;
        }
        self.let_go(&text[at..], &mut out);
        self.gone = 0;
        out
    }

    /// Lets bytes go, without those that have gone already.
    fn let_go(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let gone = self.gone.min(bytes.len());
        self.gone -= gone;
        out.extend_from_slice(&bytes[gone..]);
    }
}

impl Search {
    /// The first secret that is in the text from `at` on, and what is put in its place.
    fn first(&self, text: &[u8], at: usize) -> Option<(Range<usize>, &[u8])> {
        let found = self.automaton.find(aho_corasick::Input::new(text).range(at..))?;
        Some((found.range(), &self.marks[found.pattern()]))
    }

    /// Where the end of the text begins that may go on as a secret; the text's end if none does.
    fn beginning(&self, text: &[u8], at: usize) -> usize {
        let first = text.len().saturating_sub(self.longest - 1).max(at);
        (first..text.len())
            .find(|begin| {
                let end = &text[*begin..];
                self.patterns.iter().any(|one| one.len() > end.len() && one.starts_with(end))
            })
            .unwrap_or(text.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    fn redactor(values: &[&str]) -> Redactor {
        let names = ["A", "B", "C", "D"];
        let own = |(name, value): (&&str, &&str)| {
            ((*name).to_owned(), Zeroizing::new((*value).to_owned()))
        };
        Redactor::of(&Secrets::new(names.iter().zip(values).map(own)).unwrap()).unwrap()
    }

    fn cut(redactor: &Redactor, pieces: &[&[u8]]) -> String {
        let mut stream = redactor.stream();
        let mut out: Vec<u8> = pieces.iter().flat_map(|piece| stream.take(piece)).collect();
        out.extend(stream.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_is_found_wherever_it_is_cut() {
        let redactor = redactor(&["hunter2", "horse"]);
        let text = b"a hunter2, a hors and a horsehunter2hunter";
        let expected = "a [redacted:A], a hors and a [redacted:B][redacted:A]hunter";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(cut(&redactor, &pieces), expected, "{first} {second}");
            }
        }
    }

    #[test]
    fn of_secrets_in_each_other_the_longest_counts() {
        let redactor = redactor(&["pass", "password", "wordless"]);
        assert_eq!(cut(&redactor, &[b"pass", b"word"]), "[redacted:B]");
        assert_eq!(cut(&redactor, &[b"pass", b"wor", b"k"]), "[redacted:A]work");
        assert_eq!(cut(&redactor, &[b"passwordless"]), "[redacted:B]less");
    }

    #[test]
    fn lines_of_a_secret_are_found_alone() {
        let redactor = redactor(&["-----BEGIN\nabcdefgh\nx\n"]);
        assert_eq!(cut(&redactor, &[b"abcdefgh\r\nx"]), "[redacted:A]\r\nx");
        assert_eq!(cut(&redactor, &[b"-----BEGIN\nabcdefgh\nx\n!"]), "[redacted:A]!");
    }

    #[test]
    fn a_pause_lets_out_only_what_may_be_chance() {
        let redactor = redactor(&["hunter2 is long"]);
        let mut stream = redactor.stream();
        assert_eq!(stream.take(b"$ hu"), b"$ ");
        assert!(stream.is_waiting());
        assert_eq!(stream.pause(), b"hu");
        assert!(!stream.is_waiting() && stream.pause().is_empty());
        // What follows is still known to go on with it.
        assert_eq!(stream.take(b"nter2"), b"");
        assert!(!stream.is_waiting() && stream.pause().is_empty());
        assert_eq!(stream.take(b" is long!"), b"[redacted:A]!");
        assert_eq!(stream.take(b"h"), b"");
        assert_eq!(stream.pause(), b"h");
        assert_eq!(stream.take(b"at"), b"at");
        assert_eq!(stream.take(b"hunter"), b"");
        assert_eq!(stream.finish(), b"hunter");
    }

    #[test]
    fn texts_are_redacted_as_a_whole() {
        let redactor = redactor(&["grün"]);
        assert_eq!(redactor.text("ein grüner Baum"), "ein [redacted:A]er Baum");
        let value = serde_json::json!({"farbe": ["grün", 1, {"grün": null}]});
        let redacted = serde_json::json!({"farbe": ["[redacted:A]", 1, {"[redacted:A]": null}]});
        let outcome = redactor.outcome(Outcome::Returned { value });
        assert_eq!(outcome, Outcome::Returned { value: redacted });
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_as_the_whole(
            values in prop::collection::vec("[ab]{4,7}", 1..4),
            pieces in prop::collection::vec("[abc]{0,6}", 0..30),
        ) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let redactor = redactor(&values);
            let whole = pieces.concat();
            let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            let found = cut(&redactor, &pieces);
            prop_assert_eq!(&found, &redactor.text(&whole));
            for value in values {
                prop_assert!(!found.contains(value), "{} in {}", value, found);
            }
        }

        #[test]
        fn what_is_held_back_is_bounded_and_pauses_lose_nothing(
            values in prop::collection::vec("[ab]{4,20}", 1..4),
            pieces in prop::collection::vec(("[abc]{0,6}", any::<bool>()), 0..30),
        ) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let mut stream = redactor(&values).stream();
            let longest = values.iter().map(|value| value.len()).max().unwrap();
            let mut out = Vec::new();
            for (piece, is_paused) in &pieces {
                out.extend(stream.take(piece.as_bytes()));
                if *is_paused {
                    out.extend(stream.pause());
                }
                prop_assert!(stream.held.len() < longest);
            }
            out.extend(stream.finish());
            let out = String::from_utf8(out).unwrap();
            for value in &values {
                prop_assert!(!out.contains(value), "{} in {}", value, out);
            }
            let others = |text: &str| text.matches('c').count();
            let marks: usize = out.matches("redacted").count();
            let whole: String = pieces.iter().map(|(piece, _)| piece.as_str()).collect();
            prop_assert_eq!(others(&out) - marks, others(&whole));
        }
    }
}
