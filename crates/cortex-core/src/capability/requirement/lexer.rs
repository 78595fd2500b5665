//! The words of a requirement.

use crate::capability::MAX_TEXT_BYTES;
use crate::capability::requirement::expression::Span;
use crate::capability::requirement::fault::Fault;
use crate::capability::text::is_inert;

/// One word, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A field, or `in`.
    Name(&'a str),
    /// Digits with what stands behind them: `16GiB`, `16 GiB`.
    Number { digits: &'a str, unit: &'a str },
    /// What stands between quotes.
    Text(String),
    /// An operator, a bracket or a comma.
    Symbol(&'static str),
    /// Behind the last word.
    End,
}

/// Longer ones first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 14] =
    ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ","];

/// A fault and where it is.
pub(super) type Placed<T> = Result<T, (Fault, Span)>;

/// Splits a text into its words; the last one is [`Token::End`].
pub(super) fn split(text: &str) -> Placed<Vec<(Token<'_>, Span)>> {
    let mut tokens = Vec::new();
    let mut start = skip_blanks(text, 0);
    while let Some(first) = text[start..].chars().next() {
        let (token, end) = next(text, start, first)?;
        tokens.push((token, Span { start, end }));
        start = skip_blanks(text, end);
    }
    tokens.push((Token::End, Span { start, end: start }));
    Ok(tokens)
}

fn next(text: &str, start: usize, first: char) -> Placed<(Token<'_>, usize)> {
    let rest = &text[start..];
    if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
        return Ok((Token::Symbol(symbol), start + symbol.len()));
    }
    match first {
        '"' | '\'' => quoted(text, start, first),
        '0'..='9' => number(text, start),
        c if c.is_ascii_alphabetic() => {
            let end = start + span_of(rest, is_name);
            Ok((Token::Name(&text[start..end]), end))
        }
        character => {
            let end = start + character.len_utf8();
            Err((Fault::Character { character }, Span { start, end }))
        }
    }
}

fn number(text: &str, start: usize) -> Placed<(Token<'_>, usize)> {
    let end = start + span_of(&text[start..], |c| c.is_ascii_digit());
    let digits = &text[start..end];
    if text[end..].starts_with(['.', '_']) {
        let end = end + span_of(&text[end..], |c| is_name(c) || c == '_');
        return Err((Fault::Fraction, Span { start, end }));
    }
    let unit_start = skip_blanks(text, end);
    let unit_end = unit_start + span_of(&text[unit_start..], |c| c.is_ascii_alphabetic());
    let unit = &text[unit_start..unit_end];
    Ok((Token::Number { digits, unit }, if unit.is_empty() { end } else { unit_end }))
}

fn quoted(text: &str, start: usize, quote: char) -> Placed<(Token<'_>, usize)> {
    let mut value = String::new();
    let mut chars = text[start + 1..].char_indices();
    while let Some((index, c)) = chars.next() {
        let at = start + 1 + index;
        match c {
            c if c == quote => {
                let end = at + 1;
                if value.len() > MAX_TEXT_BYTES || !is_inert(&value) {
                    return Err((Fault::Text, Span { start, end }));
                }
                return Ok((Token::Text(value), end));
            }
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\'' | '\\'))) => value.push(c),
                _ => return Err((Fault::Escape, Span { start: at, end: at + 1 })),
            },
            c => value.push(c),
        }
    }
    Err((Fault::Unclosed { quote }, Span { start, end: text.len() }))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/')
}

fn skip_blanks(text: &str, start: usize) -> usize {
    start + span_of(&text[start..], |c| matches!(c, ' ' | '\t' | '\n' | '\r'))
}

/// How many bytes at the beginning of `text` are of one sort.
fn span_of(text: &str, is_of: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_of(c)).unwrap_or(text.len())
}
