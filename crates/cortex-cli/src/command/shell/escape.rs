//! What is typed for the program here and not for the one on the node: `~` at the start of a line.

/// What somebody wants of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// `~.`: leave.
    Leave,
    /// `~?`: tell what there is.
    Help,
    /// `~` and Ctrl-Z: stop this program for a while.
    Suspend,
}

/// What Ctrl-Z types.
const STOP: u8 = 0x1a;

/// Reads keys as they are typed.
#[derive(Debug)]
pub(super) struct Escape {
    is_line_start: bool,
    /// A `~` at the start of a line waits for what follows it.
    is_pending: bool,
}

impl Default for Escape {
    fn default() -> Self {
        Self { is_line_start: true, is_pending: false }
    }
}

impl Escape {
    /// Splits keys into those to pass on and what is wished; what follows a wish to leave is
    /// dropped.
    pub(super) fn take(&mut self, keys: &[u8]) -> (Vec<u8>, Option<Wish>) {
        let mut passed = Vec::with_capacity(keys.len());
        let mut wish = None;
        for &key in keys {
            if std::mem::take(&mut self.is_pending) {
                match key {
                    b'.' => return (passed, Some(Wish::Leave)),
                    b'?' | STOP => {
                        let is_help = key == b'?';
                        wish = Some(if is_help { Wish::Help } else { Wish::Suspend });
                        self.is_line_start = true;
                        continue;
                    }
                    b'~' => {}
                    _ => passed.push(b'~'),
                }
            } else if key == b'~' && self.is_line_start {
                self.is_pending = true;
                continue;
            }
            passed.push(key);
            self.is_line_start = matches!(key, b'\r' | b'\n');
        }
        (passed, wish)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn typed(keys: &str) -> (String, Option<Wish>) {
        let (passed, wish) = Escape::default().take(keys.as_bytes());
        (String::from_utf8(passed).unwrap(), wish)
    }

    #[test]
    fn a_tilde_counts_at_the_start_of_a_line_only() {
        assert_eq!(typed("~."), (String::new(), Some(Wish::Leave)));
        assert_eq!(typed("ls\r~.rest"), ("ls\r".into(), Some(Wish::Leave)));
        assert_eq!(typed("ls ~.\r"), ("ls ~.\r".into(), None));
        assert_eq!(typed("~~."), ("~.".into(), None));
        assert_eq!(typed("~/bin\r"), ("~/bin\r".into(), None));
        assert_eq!(typed("~?~?ls"), ("ls".into(), Some(Wish::Help)));
        assert_eq!(typed("a\r~\x1ab"), ("a\rb".into(), Some(Wish::Suspend)));
        assert_eq!(typed("~"), (String::new(), None));
    }

    proptest! {
        #[test]
        fn how_keys_arrive_changes_nothing(keys in "[a~.?\r\n]{0,24}", cut in 0usize..24) {
            let whole = Escape::default().take(keys.as_bytes());
            let mut escape = Escape::default();
            let (first, rest) = keys.as_bytes().split_at(cut.min(keys.len()));
            let (mut passed, mut wish) = escape.take(first);
            if wish != Some(Wish::Leave) {
                let (more, later) = escape.take(rest);
                passed.extend(more);
                wish = later.or(wish);
            }
            prop_assert_eq!((passed, wish), whole);
        }
    }
}
