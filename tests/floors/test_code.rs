//! Takes test code out of a file's tokens: rules about imports hold for what is shipped.

use crate::lexer::Kind;
use crate::lexer::Token;

/// Returns the tokens without the items under `#[cfg(test)]`, and the names of the modules that
/// are declared so with a file of their own (`#[cfg(test)] mod name;`).
///
/// `#[cfg(all(test, …))]` counts too; `any` and `not` do not, such code is shipped as well.
pub(crate) fn strip<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<&'a str>) {
    let mut kept = Vec::new();
    let mut files = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if let Some(item) = behind_test_attribute(&tokens[at..]) {
            let item = at + item;
            at = item + item_length(&tokens[item..]);
            files.extend(module_file(&tokens[item..at]));
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    (kept, files)
}

/// How many tokens the attribute `#[cfg(test)]` has that `tokens` begin with.
fn behind_test_attribute(tokens: &[Token<'_>]) -> Option<usize> {
    let opening = [Kind::Sign('#'), Kind::Sign('['), Kind::Word("cfg"), Kind::Sign('(')];
    let all = [Kind::Word("all"), Kind::Sign('(')];
    let begins = |at: usize, with: &[Kind<'_>]| {
        tokens.iter().skip(at).map(|token| token.kind).take(with.len()).eq(with.iter().copied())
    };
    if !begins(0, &opening) {
        return None;
    }
    let at = opening.len() + if begins(opening.len(), &all) { all.len() } else { 0 };
    if !begins(at, &[Kind::Word("test")]) {
        return None;
    }
    Some(1 + group_length(&tokens[1..]))
}

/// How many tokens the item has that `tokens` begin with, its other attributes included.
///
/// It ends with a `;` or `,` outside all brackets, with its block, or where the block around it
/// ends. A `,` in angle brackets ends it early: then more is checked than has to be, not less.
fn item_length(tokens: &[Token<'_>]) -> usize {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Sign(';' | ',') => return at + 1,
            Kind::Sign('{') => return at + group_length(&tokens[at..]),
            Kind::Sign('(' | '[') => at += group_length(&tokens[at..]),
            Kind::Sign('}' | ')' | ']') => return at,
            _ if in_use_tree(&tokens[..=at]) => at += 1 + group_length(&tokens[at + 1..]),
            _ => at += 1,
        }
    }
    at
}

/// Whether a brace behind `tokens` would be that of a `use` tree, which does not end its item.
fn in_use_tree(tokens: &[Token<'_>]) -> bool {
    tokens.last().is_some_and(|token| token.kind == Kind::Sep)
}

/// How many tokens the bracketed group has that `tokens` begin with; none where none begins.
fn group_length(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return if at == 0 { 0 } else { at + 1 };
        }
    }
    tokens.len()
}

/// The name in `mod name;`.
fn module_file<'a>(item: &[Token<'a>]) -> Option<&'a str> {
    let mut last = item.iter().rev().map(|token| token.kind);
    match (last.next(), last.next(), last.next()) {
        (Some(Kind::Sign(';')), Some(Kind::Word(name)), Some(Kind::Word("mod"))) => Some(name),
        _ => None,
    }
}

mod tests {
    use super::strip;
    use crate::lexer::Kind;
    use crate::lexer::tokens;

    /// The words that stay, and the names of test files.
    fn stripped(text: &str) -> (Vec<&str>, Vec<&str>) {
        let (kept, files) = strip(&tokens(text));
        let words = kept.into_iter().filter_map(|token| match token.kind {
            Kind::Word(word) => Some(word),
            Kind::Sep | Kind::Sign(_) => None,
        });
        (words.collect(), files)
    }

    #[test]
    fn takes_out_every_shape_of_item() {
        let text = "a; #[cfg(test)] mod tests { use b; mod c { } } d; \
             #[cfg(test)] use e::{f, g}; h; \
             #[cfg(test)] #[expect(x, reason = \"{\")] fn i(j: [u8; 3]) -> k { l } m; \
             struct n { #[cfg(test)] o: (p, q), r: s, #[cfg(all(test, unix))] t: u } v;";
        assert_eq!(stripped(text).0, ["a", "d", "h", "m", "struct", "n", "r", "s", "v"]);
    }

    #[test]
    fn names_test_files_and_keeps_shipped_ones() {
        let text = "#[cfg(test)] mod tests; #[cfg(test)] pub(crate) mod more; mod shipped;";
        assert_eq!(stripped(text), (vec!["mod", "shipped"], vec!["tests", "more"]));
    }

    #[test]
    fn keeps_what_is_shipped_too() {
        let kept = stripped("#[cfg(any(test, unix))] a; #[cfg(not(test))] b; #[cfg(tested)] c;").0;
        assert_eq!(
            kept,
            ["cfg", "any", "test", "unix", "a", "cfg", "not", "test", "b", "cfg", "tested", "c"]
        );
    }

    #[test]
    fn ends_on_an_open_group() {
        assert_eq!(stripped("a; #[cfg(test)] mod b { c").0, ["a"]);
    }
}
