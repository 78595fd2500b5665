//! Cuts Rust text into the few tokens that the checks read: words, `::`, and single characters.
//!
//! Comments, strings and character literals are left out, so that a rule's name in a sentence is
//! no breach of the rule. The text is not parsed: what rustc refuses may come out as any tokens.

/// One token and the line (from 1) that it begins on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub(crate) kind: Kind<'a>,
    /// The line that it begins on, from 1.
    pub(crate) line: usize,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A keyword, name or number; `r#type` comes as `type`.
    Word(&'a str),
    /// `::`
    Sep,
    /// Any other character that is no white space.
    Sign(char),
}

/// Cuts `text` into tokens.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut cursor = Cursor { text, at: 0, line: 1 };
    let mut out = Vec::new();
    while let Some(first) = cursor.first() {
        let line = cursor.line;
        if let Some(kind) = cursor.next(first) {
            out.push(Token { kind, line });
        }
    }
    out
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn first(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, bytes: usize) {
        let end = (self.at + bytes).min(self.text.len());
        self.line += self.text[self.at..end].matches('\n').count();
        self.at = end;
    }

    /// Skips to behind the next `end`, or to the end of the text.
    fn skip_past(&mut self, end: &str) {
        let bytes = self.rest().find(end).map_or(self.rest().len(), |at| at + end.len());
        self.skip(bytes);
    }

    /// Takes one token or one piece of what is left out.
    fn next(&mut self, first: char) -> Option<Kind<'a>> {
        let rest = self.rest();
        if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.block_comment();
        } else if let Some(hashes) = raw_string(rest) {
            let opening = rest.find('"').map_or(rest.len(), |at| at + 1);
            self.skip(opening);
            self.skip_past(&format!("\"{}", "#".repeat(hashes)));
        } else if rest.starts_with("r#") {
            self.skip(2);
        } else if first == '"' || rest.starts_with("b\"") || rest.starts_with("c\"") {
            self.skip(rest.find('"').unwrap_or_default());
            self.quoted('"');
        } else if first == '\'' {
            self.quote();
        } else if rest.starts_with("::") {
            self.skip(2);
            return Some(Kind::Sep);
        } else if is_word(first) {
            let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
            self.skip(end);
            return Some(Kind::Word(&rest[..end]));
        } else {
            self.skip(first.len_utf8());
            return (!first.is_whitespace()).then_some(Kind::Sign(first));
        }
        None
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
            } else if let Some(char) = self.first() {
                self.skip(char.len_utf8());
            } else {
                return;
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Skips a literal from its opening `quote` to its closing one.
    fn quoted(&mut self, quote: char) {
        self.skip(1);
        while let Some(char) = self.first() {
            self.skip(char.len_utf8());
            if char == '\\' {
                self.skip(self.first().map_or(0, char::len_utf8));
            } else if char == quote {
                return;
            }
        }
    }

    /// A character literal goes; of a lifetime only the quote, its name is then a word.
    fn quote(&mut self) {
        let mut chars = self.rest().chars().skip(1);
        let (inner, after) = (chars.next(), chars.next());
        if inner == Some('\\') || after == Some('\'') {
            self.quoted('\'');
        } else {
            self.skip(1);
        }
    }
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

/// How many `#` the raw string has that `rest` begins with, or `None` where none begins.
fn raw_string(rest: &str) -> Option<usize> {
    let behind = ["br", "cr", "r"].into_iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    behind[hashes..].starts_with('"').then_some(hashes)
}

mod tests {
    use super::Kind;
    use super::tokens;

    fn words(text: &str) -> Vec<(&str, usize)> {
        let words = tokens(text).into_iter().filter_map(|token| match token.kind {
            Kind::Word(word) => Some((word, token.line)),
            Kind::Sep | Kind::Sign(_) => None,
        });
        words.collect()
    }

    #[test]
    fn leaves_out_comments_and_literals() {
        let text =
            "a /* b /* c */ d */ e // f\n\"g \\\" h\" b\"i\" r#\"j \" k\"# 'l' '\\'' br\"m\" n";
        assert_eq!(words(text), [("a", 1), ("e", 1), ("n", 2)]);
    }

    #[test]
    fn keeps_lifetimes_raw_names_and_lines() {
        let text = "fn f<'a>(x: &'a str,\n r#type: char) {\n\n 'é' ; g }";
        let expected = [
            ("fn", 1),
            ("f", 1),
            ("a", 1),
            ("x", 1),
            ("a", 1),
            ("str", 1),
            ("type", 2),
            ("char", 2),
            ("g", 4),
        ];
        assert_eq!(words(text), expected);
    }

    #[test]
    fn counts_lines_inside_literals_and_ends_on_open_ones() {
        assert_eq!(words("\"a\nb\" c r#\"\n\n\"# d"), [("c", 2), ("d", 4)]);
        assert_eq!(words("a /* b"), [("a", 1)]);
        assert_eq!(words("a \"b"), [("a", 1)]);
    }

    #[test]
    fn tells_a_path_from_a_type_mark() {
        let kinds: Vec<_> = tokens("a::b: c").into_iter().map(|token| token.kind).collect();
        let expected =
            [Kind::Word("a"), Kind::Sep, Kind::Word("b"), Kind::Sign(':'), Kind::Word("c")];
        assert_eq!(kinds, expected);
    }
}
