//! Which text is harmless to print: what comes from another machine ends in terminals and logs.

/// Says whether `text` can be printed as it is, on one line and in the order it is stored.
///
/// Refused are control characters (among them escape sequences and line ends), line and paragraph
/// separators, and the marks that change the direction of the text around them.
pub(crate) fn is_inert(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(
                c,
                '\u{061c}'
                    | '\u{200e}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2066}'..='\u{2069}'
                    | '\u{feff}'
            )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_of_any_script_is_inert() {
        for good in ["", "Debian GNU/Linux 13", "Größe", "東京", "a\u{301}"] {
            assert!(is_inert(good), "{good:?}");
        }
    }

    #[test]
    fn escapes_line_ends_and_direction_marks_are_not() {
        for bad in ["\u{1b}[2J", "a\nb", "a\rb", "\0", "a\u{202e}b", "a\u{2066}b", "a\u{2028}b"] {
            assert!(!is_inert(bad), "{bad:?}");
        }
    }
}
