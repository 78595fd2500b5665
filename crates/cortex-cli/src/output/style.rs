//! Colours, and texts made harmless for a terminal.

/// What a word means, beyond its letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Beside the point.
    Dim,
}

/// The word in the tone's colour; as it is without colours.
#[must_use]
pub(crate) fn paint(word: &str, tone: Tone, colors: bool) -> String {
    let code = match tone {
        Tone::Plain => return word.to_owned(),
        Tone::Good => "32",
        Tone::Warn => "33",
        Tone::Bad => "31",
        Tone::Dim => "2",
    };
    match colors {
        true => format!("\x1b[{code}m{word}\x1b[0m"),
        false => word.to_owned(),
    }
}

/// The text on one line, with what a terminal would obey made visible.
///
/// Names and summaries come from other people: they must neither move the cursor nor end a row.
#[must_use]
pub(crate) fn inert(text: &str) -> String {
    filter(text, |_| false)
}

/// As [`inert`], but line breaks and tabs stay.
#[must_use]
pub(crate) fn inert_lines(text: &str) -> String {
    filter(text, |character| matches!(character, '\n' | '\t'))
}

fn filter(text: &str, stays: fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let is_bidi = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (character.is_control() && !stays(character)) || is_bidi {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        assert_eq!(inert("a\x1b[2Jb\nc\u{202e}d ä●"), "a\\u{1b}[2Jb\\nc\\u{202e}d ä●");
        assert_eq!(inert_lines("a\n\tb\r"), "a\n\tb\\r");
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        assert_eq!(paint("ok", Tone::Good, true), "\x1b[32mok\x1b[0m");
        assert_eq!(paint("ok", Tone::Good, false), "ok");
        assert_eq!(paint("ok", Tone::Plain, true), "ok");
    }
}
