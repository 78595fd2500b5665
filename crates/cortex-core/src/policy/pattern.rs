//! Matching of patterns: within one text, and over a list of arguments.

/// Stands, as an argument pattern of its own, for any number of arguments.
pub(super) const ANY_ARGUMENTS: &str = "**";
/// Stands, as an argument pattern of its own, for exactly one argument.
pub(super) const ONE_ARGUMENT: &str = "*";

/// For which kind of list a pattern is matched; each errs to the safe side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A wildcard never matches an argument that climbs with `..`.
    Allow,
    /// A wildcard matches whatever it can.
    Deny,
}

/// Says whether the whole of `text` matches `pattern`.
///
/// `*` stands for any run of characters without `/` and `\`, `**` for any run at all.
pub(super) fn text_matches(pattern: &str, text: &str) -> bool {
    let tokens = tokens(pattern);
    // `reached[i]`: the first `i` tokens match what was read so far. The work is bounded by the
    // product of both lengths, whatever the pattern.
    let mut reached = vec![false; tokens.len() + 1];
    reached[0] = true;
    skip_wildcards(&tokens, &mut reached);
    for c in text.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for (index, token) in tokens.iter().enumerate() {
            if !reached[index] {
                continue;
            }
            match token {
                Token::Literal(literal) => next[index + 1] |= *literal == c,
                Token::WithinName => next[index] |= !is_separator(c),
                Token::Anything => next[index] = true,
            }
        }
        skip_wildcards(&tokens, &mut next);
        reached = next;
        if !reached.contains(&true) {
            return false;
        }
    }
    reached[tokens.len()]
}

/// Says whether `args` begin with what `patterns` describe, or with `exact`, are just that.
pub(super) fn args_match(patterns: &[String], args: &[&str], exact: bool, side: Side) -> bool {
    // The same reckoning as within a text, with an argument for a character.
    let mut reached = vec![false; patterns.len() + 1];
    reached[0] = true;
    skip_any_arguments(patterns, &mut reached);
    for arg in args {
        if reached[patterns.len()] && !exact {
            return true;
        }
        let mut next = vec![false; patterns.len() + 1];
        for (index, pattern) in patterns.iter().enumerate() {
            if !reached[index] {
                continue;
            }
            if pattern == ANY_ARGUMENTS {
                next[index] = true;
            } else if arg_matches(pattern, arg, side) {
                next[index + 1] = true;
            }
        }
        skip_any_arguments(patterns, &mut next);
        reached = next;
    }
    reached[patterns.len()]
}

/// Says whether `c` ends a component of a path on any system that a node runs on.
pub(super) fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\')
}

enum Token {
    Literal(char),
    WithinName,
    Anything,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '*' {
            tokens.push(Token::Literal(c));
            continue;
        }
        let mut stars = 1;
        while chars.next_if_eq(&'*').is_some() {
            stars += 1;
        }
        tokens.push(if stars > 1 { Token::Anything } else { Token::WithinName });
    }
    tokens
}

fn skip_wildcards(tokens: &[Token], reached: &mut [bool]) {
    for (index, token) in tokens.iter().enumerate() {
        if reached[index] && !matches!(token, Token::Literal(_)) {
            reached[index + 1] = true;
        }
    }
}

fn skip_any_arguments(patterns: &[String], reached: &mut [bool]) {
    for (index, pattern) in patterns.iter().enumerate() {
        if reached[index] && pattern == ANY_ARGUMENTS {
            reached[index + 1] = true;
        }
    }
}

fn arg_matches(pattern: &str, arg: &str, side: Side) -> bool {
    if pattern == ONE_ARGUMENT {
        return true;
    }
    if !pattern.contains('*') {
        return pattern == arg;
    }
    if side == Side::Allow && arg.split(is_separator).any(|part| part == "..") {
        return false;
    }
    text_matches(pattern, arg)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn one_star_stays_within_a_name_and_two_do_not() {
        for (pattern, text) in [
            ("*", "abc"),
            ("*", ""),
            ("a*c*e", "abcde"),
            ("/**", "/etc/passwd"),
            ("src/*.rs", "src/lib.rs"),
            ("**/lib.rs", "a/b/lib.rs"),
            ("a**b*c", "a/x/bbc"),
            ("ä*", "äö"),
        ] {
            assert!(text_matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("*", "a/b"),
            ("*", "a\\b"),
            ("", "a"),
            ("a", ""),
            ("/*", "/etc/passwd"),
            ("src/*.rs", "src/a/lib.rs"),
            ("a**b*c", "a/x/b/c"),
            ("a", "A"),
        ] {
            assert!(!text_matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_describe_the_beginning_or_with_exact_the_whole() {
        for (patterns, args, prefix, exact) in [
            (&["status"][..], &["status"][..], true, true),
            (&["status"], &["status", "-s"], true, false),
            (&["status"], &["-s", "status"], false, false),
            (&[], &["anything"], true, false),
            (&[], &[], true, true),
            (&["*"], &["a/b"], true, true),
            (&["*"], &[], false, false),
            (&["**", "--force"], &["push", "--force", "x"], true, false),
            (&["**", "--force"], &["--force"], true, true),
            (&["**", "--force"], &["push"], false, false),
            (&["**"], &[], true, true),
            (&["a", "**", "b", "**", "c"], &["a", "b", "b", "x", "c"], true, true),
        ] {
            let patterns = list(patterns);
            assert_eq!(
                args_match(&patterns, args, false, Side::Deny),
                prefix,
                "{patterns:?} {args:?}"
            );
            assert_eq!(
                args_match(&patterns, args, true, Side::Deny),
                exact,
                "{patterns:?} {args:?}"
            );
        }
    }

    #[test]
    fn a_wildcard_that_allows_does_not_climb() {
        let patterns = list(&["src/**"]);
        let climbing = ["src/../../etc/passwd"];
        assert!(!args_match(&patterns, &climbing, false, Side::Allow));
        assert!(args_match(&patterns, &climbing, false, Side::Deny));
        assert!(args_match(&patterns, &["src/a..b/c"], false, Side::Allow));
        assert!(args_match(&list(&[".."]), &[".."], false, Side::Allow));
    }

    proptest! {
        #[test]
        fn a_pattern_without_stars_matches_itself_only(a in "[a-c/]{0,4}", b in "[a-c/]{0,4}") {
            prop_assert_eq!(text_matches(&a, &b), a == b);
        }

        #[test]
        fn two_stars_match_whatever_stands_between(a in "\\PC*", b in "\\PC*", c in "\\PC*") {
            prop_assume!(!a.contains('*') && !c.contains('*'));
            let (pattern, text) = (format!("{a}**{c}"), format!("{a}{b}{c}"));
            prop_assert!(text_matches(&pattern, &text));
        }

        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab/*]{0,6}", text in "[ab/]{0,6}") {
            prop_assert_eq!(text_matches(&pattern, &text), by_definition(&pattern, &text));
        }
    }

    fn by_definition(pattern: &str, text: &str) -> bool {
        let Some(first) = pattern.chars().next() else {
            return text.is_empty();
        };
        if first != '*' {
            return text.strip_prefix(first).is_some_and(|rest| by_definition(&pattern[1..], rest));
        }
        let rest = pattern.trim_start_matches('*');
        let any = pattern.len() - rest.len() > 1;
        (0..=text.len())
            .any(|end| (any || !text[..end].contains('/')) && by_definition(rest, &text[end..]))
    }
}
